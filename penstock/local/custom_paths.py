"""kfp.local loses an artifact that a task has written where it chose (`artifact.set_path`).

Upstream (kfp 2.17): `dsl_artifact_to_artifact_list` gives only the artifact's URI on, where nothing is. Kubeflow uploads what lies at the
custom path, and a task that reads the artifact finds it at a path of that task's own (backend/src/v2/component/launcher_v2.go).
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..kfp_adapter.orchestrator import LOAD_EXECUTOR_OUTPUT


def _with_custom_paths(load: Callable[[str], Any]) -> Callable[[str], Any]:
    """Copies what lies at a custom path to where the artifact is looked for."""

    def wrapper(executor_output_path: str) -> Any:
        output = load(executor_output_path)
        for artifacts in output.artifacts.values():
            for artifact in artifacts.artifacts:
                written, home = Path(artifact.custom_path), Path(artifact.uri)
                if artifact.custom_path and written.exists() and home.is_absolute() and not home.exists():
                    home.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copytree(written, home) if written.is_dir() else shutil.copy2(written, home)
        return output

    return wrapper


@contextmanager
def patch() -> Iterator[None]:
    """Patches custom paths."""
    with LOAD_EXECUTOR_OUTPUT.wrapped(_with_custom_paths):
        yield
