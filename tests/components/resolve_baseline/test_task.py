"""resolve_baseline, with a real registry."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import pytest

from penstock.components.data.filesystems import open_store
from penstock.components.protocol import fingerprint
from penstock.components.release.registry import Registry, open_registry

NAME = "flights"
NONE = ["NO_BASELINE.txt"]


@pytest.fixture
def registry(tracking_uri: str) -> Registry:
    return open_registry(NAME, tracking_uri)


@pytest.fixture
def resolve(run_task: Callable[..., Any], tmp_path: Path, tracking_uri: str) -> Callable[..., Any]:
    def run(candidate: Path, subprocess: bool = False, metadata: dict[str, Any] | None = None, **parameters: Any) -> Any:
        values = {"model_name": NAME, "tracking_uri": tracking_uri} | parameters
        return run_task("resolve_baseline", values, {"candidate": (candidate, metadata or {})}, subprocess=subprocess)

    return run


def model(folder: Path, content: str) -> Path:
    """Makes a model's folder; nothing here loads it."""
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_text(content)
    (folder / "variables" / "data").write_text(content * 2)
    return folder


def register(registry: Registry, path: Path | str, alias: str = "", source: str = "", **tags: str) -> str:
    version = registry.register(fingerprint(path), source or str(path), tags)
    if alias:
        registry.point(alias, version)
    return version


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_no_model_is_registered(resolve: Callable[..., Any], tmp_path: Path):
    done = resolve(model(tmp_path / "candidate", "new"), subprocess=True)
    assert (done.code, done.error) == (0, "")
    assert done.parameters == {"version": ""}
    assert files(done.outputs["baseline"]) == NONE
    assert done.metadata["baseline"]["version"] == ""
    assert done.metadata["baseline"]["reason"] == "no registered model to compare with"
    assert "no version has the alias champion" in done.metadata["baseline"]["summary"]


def test_the_champion_is_the_baseline(resolve: Callable[..., Any], registry: Registry, tmp_path: Path):
    champion = model(tmp_path / "old", "old")
    register(registry, champion, "champion")
    register(registry, model(tmp_path / "other", "other"), "challenger")
    done = resolve(model(tmp_path / "candidate", "new"))
    assert done.parameters == {"version": "1"}
    assert fingerprint(done.outputs["baseline"]) == fingerprint(champion)
    assert done.metadata["baseline"]["fingerprint"] == fingerprint(champion)
    assert resolve(model(tmp_path / "again", "new"), alias="challenger").parameters == {"version": "2"}


def test_a_candidate_that_is_the_champion_meets_what_it_was_blessed_against(
    resolve: Callable[..., Any], registry: Registry, tmp_path: Path
):
    first, second = model(tmp_path / "first", "first"), model(tmp_path / "second", "second")
    register(registry, first, "champion", baseline_version="")
    alone = resolve(first)
    assert alone.parameters == {"version": ""}
    assert files(alone.outputs["baseline"]) == NONE
    register(registry, second, "champion", baseline_version="1")
    done = resolve(second)
    assert done.parameters == {"version": "1"}
    assert fingerprint(done.outputs["baseline"]) == fingerprint(first)
    stated = resolve(first, metadata={"fingerprint": fingerprint(second)})
    assert stated.code == 1
    assert "does not match its metadata" in stated.error


def test_none_is_the_same_to_a_cache_however_it_came(resolve: Callable[..., Any], registry: Registry, tmp_path: Path):
    candidate = model(tmp_path / "candidate", "new")
    unregistered = resolve(candidate).metadata["baseline"]
    register(registry, candidate, "champion")
    itself = resolve(candidate).metadata["baseline"]
    assert unregistered.pop("summary") != itself.pop("summary")
    assert unregistered == itself


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (shutil.rmtree, "are missing"),
        (lambda path: (path / "saved_model.pb").write_text("changed"), "differ from the registered bytes"),
        (lambda path: (path / "variables" / "data").unlink(), "differ from the registered bytes"),
    ],
)
def test_a_broken_baseline(resolve: Callable[..., Any], registry: Registry, tmp_path: Path, damage: Callable[[Path], Any], message: str):
    champion = model(tmp_path / "old", "old")
    register(registry, champion, "champion")
    damage(champion)
    candidate = model(tmp_path / "candidate", "new")
    done = resolve(candidate, subprocess=True)
    assert done.code == 1
    assert len(done.error.splitlines()) == 1
    assert message in done.error
    assert "on_broken_baseline=ignore" in done.error
    assert not done.outputs["baseline"].exists()
    done = resolve(candidate, on_broken_baseline="ignore")
    assert done.parameters == {"version": ""}
    assert files(done.outputs["baseline"]) == NONE
    assert message in done.metadata["baseline"]["reason"]


def test_a_baseline_in_a_bucket(resolve: Callable[..., Any], registry: Registry, tmp_path: Path):
    champion = model(tmp_path / "old", "old")
    memory = fsspec.filesystem("memory")
    memory.put(str(champion), "/bucket/old", recursive=True)
    register(registry, champion, "champion", source="memory://bucket/old")
    candidate = model(tmp_path / "candidate", "new")
    assert fingerprint(resolve(candidate).outputs["baseline"]) == fingerprint(champion)
    memory.rm("/bucket/old", recursive=True)
    done = resolve(candidate)
    assert done.code == 1
    assert "memory://bucket/old" in done.error


@pytest.mark.parametrize("scheme", ["gs", "s3", "minio"])
def test_a_baseline_in_an_object_store(resolve: Callable[..., Any], registry: Registry, bucket: str, tmp_path: Path, scheme: str):
    champion = model(tmp_path / "old", "old")
    uri = f"{scheme}://{bucket}/{tmp_path.name}"
    files, root = open_store(uri)
    files.put(f"{champion}/", f"{root}/", recursive=True)
    register(registry, champion, "champion", source=uri)
    candidate = model(tmp_path / "candidate", "new")
    done = resolve(candidate, subprocess=True)
    assert (done.code, done.error) == (0, "")
    assert fingerprint(done.outputs["baseline"]) == fingerprint(champion)
    files.rm(root, recursive=True)
    done = resolve(candidate, subprocess=True)
    assert done.code == 1
    assert len(done.error.splitlines()) == 1
    assert uri in done.error
    assert resolve(candidate, on_broken_baseline="ignore").parameters == {"version": ""}


def test_bad_parameters(resolve: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    candidate = model(tmp_path / "candidate", "new")
    assert "'fail' or 'ignore'" in resolve(candidate, on_broken_baseline="perhaps").error
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert "MLFLOW_TRACKING_URI" in resolve(candidate, tracking_uri="").error


def test_a_tracking_server_that_cannot_be_reached(resolve: Callable[..., Any], tmp_path: Path, free_port: int):
    done = resolve(model(tmp_path / "candidate", "new"), tracking_uri=f"http://127.0.0.1:{free_port}", on_broken_baseline="ignore")
    assert done.code == 1
    assert "does not answer" in done.error
    assert not done.executor_output.exists()


def test_no_client_of_a_destination(tmp_path: Path):
    """The task runs on every cached re-run of a pipeline: what it imports is what a person waits for."""
    code = "import json, sys, penstock.components.resolve_baseline.task; print(json.dumps(sorted(sys.modules)))"
    modules = json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path).stdout)
    assert not {"tensorflow", "pandas", "kfp", "kserve", "google.cloud.aiplatform_v1", "fsspec"} & set(modules)
