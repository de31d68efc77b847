"""Task outputs by content: kfp.local's cache keys artifacts by URI, which differs from run to run, and knows nothing of code.

Upstream (kfp 2.17, `LocalCache`): a task that is not cached makes everything behind it run again, even if it gave the same bytes;
changed files behind a path go unnoticed; and an artifact that has metadata only, such as Metrics, is always a miss.
"""

import glob
import hashlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kfp import dsl
from kfp.dsl import executor
from kfp.local import cache

from ..components.runtime.artifacts import local_path
from ..components.runtime.fingerprint import fingerprint
from . import tasks
from .commands import component_of
from .replacing import replaced
from .runner import Runner

_ARTIFACT = "__kfp_artifact__"
_PATTERN_FIELD = re.compile(r"\{(SPAN|VERSION|YYYY|MM|DD)(:\d+)?\}")
_LONGEST_PATH = 1024


class ContentCache(cache.LocalCache):
    """A cache whose keys speak of contents: of artifacts, of files that parameters name, of code and environments.

    Args:
        folder: Where the entries lie.
        runner: What runs the tasks.
        fresh: Finds nothing, and writes every entry anew.
    """

    def __init__(self, folder: Path, runner: Runner, fresh: bool) -> None:
        super().__init__(str(folder))
        self._runner = runner
        self._fresh = fresh

    def compute_key(
        self,
        component_name: str,
        image: str,
        full_command: list[str],
        arguments: dict[str, Any],
        env_vars: dict[str, str] | None = None,
        custom_cache_key: str | None = None,
    ) -> str:
        """Hashes all that the outputs depend on."""
        component = component_of(full_command)
        told = (
            [component_name, custom_cache_key] if custom_cache_key else [component_name, image, full_command, _content(arguments), env_vars]
        )
        code = self._runner.identity(image, component)
        # The registry and the tracking server are part of what register_model and train_model give back.
        tracking = os.environ.get("MLFLOW_TRACKING_URI") if component else None
        return hashlib.sha256(json.dumps([told, code, tracking], sort_keys=True, default=str).encode()).hexdigest()

    def get(self, key: str) -> dict[str, Any] | None:
        """Returns the outputs, if all the files that were there when they were kept still are."""
        entry = Path(self._entry_path(key))
        if self._fresh or not entry.exists():
            return None
        kept = json.loads(entry.read_text(encoding="utf-8"))
        if not all(Path(path).exists() for path in kept["files"]):
            return None
        task = tasks.current()
        task.state, task.component = "cached", kept["component"]
        return {name: _artifact(value) for name, value in kept["outputs"].items()}

    def put(self, key: str, outputs: dict[str, Any]) -> None:
        """Keeps a finished task's outputs."""
        values = [value for output in outputs.values() for value in (output if isinstance(output, list) else [output])]
        files = [value.path for value in values if isinstance(value, dsl.Artifact) and Path(value.path).exists()]
        kept = {"component": tasks.current().component, "files": files, "outputs": self._serialize_outputs(outputs)}
        entry = Path(self._entry_path(key))
        scratch = entry.with_suffix(f".{os.getpid()}.partial")
        scratch.write_text(json.dumps(kept), encoding="utf-8")
        scratch.replace(entry)


def _artifact(value: Any) -> Any:
    if isinstance(value, dict) and value.get(_ARTIFACT):
        return executor.create_artifact_instance(
            {"name": value["name"], "uri": value["uri"], "metadata": value["metadata"], "type": {"schemaTitle": value["schema_title"]}}
        )
    if isinstance(value, dict) and "__kfp_artifact_list__" in value:
        return [_artifact(item) for item in value["artifacts"]]
    return value


def _content(value: Any) -> Any:
    if isinstance(value, dsl.Artifact):
        return {"type": value.schema_title, "content": value.metadata.get("fingerprint") or _bytes_of(value)}
    if isinstance(value, dict):
        return {name: _content(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_content(item) for item in value]
    return [value, _files_behind(value)] if isinstance(value, str) else value


def _bytes_of(artifact: dsl.Artifact) -> Any:
    if Path(artifact.path).exists():
        return fingerprint(artifact.path)
    # Without bytes, the metadata says all.
    metadata = {name: value for name, value in artifact.metadata.items() if name != "summary"}
    return [artifact.uri if "://" in artifact.uri else "", metadata]


def _files_behind(text: str) -> list[tuple[str, int, int]]:
    """Returns (path, bytes, mtime in ns) of every local file that a parameter names: a file, folder, glob or pattern."""
    if not text or len(text) > _LONGEST_PATH or "\n" in text or "\0" in text:
        return []
    path = Path.cwd() / local_path(text)
    found = [path] if os.path.exists(path) else map(Path, glob.glob(_PATTERN_FIELD.sub("*", str(path)), recursive=True))  # noqa: PTH110, PTH207 - take any text
    files = [file for item in found for file in (item.rglob("*") if item.is_dir() else [item])]
    return sorted((str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files if file.is_file())


@contextmanager
def keeping(folder: Path, runner: Runner, fresh: bool) -> Iterator[None]:
    """Makes kfp.local keep task outputs by content."""
    content_cache = ContentCache(folder, runner, fresh)
    with replaced(cache, "get_local_cache", lambda: content_cache):
        yield
