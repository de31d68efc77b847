"""Every destination, as a site to push to."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from penstock.components.runtime import serving

from .sites import Site, make_broken, registered


@pytest.fixture(params=["local"])
def site(
    request: pytest.FixtureRequest,
    run_task: Callable[..., Any],
    saved_models: Path,
    tmp_path: Path,
    tracking_uri: str,
    free_port: int,
    family_environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Site]:
    """A destination at which nothing serves yet."""
    monkeypatch.setenv("PYTHONPATH", family_environment["PYTHONPATH"])
    make_broken(saved_models)
    common = {
        "run_task": run_task,
        "models": saved_models,
        "root": tmp_path,
        "parameters": {"tracking_uri": tracking_uri},
        "registry": registered(tracking_uri),
    }
    made = SITES[request.param](common, tmp_path, free_port)
    site = next(made)
    site.set_mode("0")
    yield site
    next(made, None)


def _local(common: dict[str, Any], root: Path, port: int) -> Iterator[Site]:
    assert Path(os.environ["PENSTOCK_SERVE_PYTHON"]).is_file()
    folder = root / "serving"
    yield Site(
        **common, destination=f"local://{folder}?port={port}", url=f"http://127.0.0.1:{port}/v1/models/flights:predict", can_shadow=True
    )
    serving.stop_server(folder)


SITES = {"local": _local}
