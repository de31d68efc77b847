"""What the double makes of values and files, through kfp's own client: each as seen on a real installation."""

import gzip
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from kfp import compiler, dsl

from ...penstock import pipelines
from .double import KubeflowDouble
from .passing import Refused, expanded_by_argo, expanded_by_kubernetes, kept, recorded
from .recorded import FOLDER
from .test_double import double, finished, submit

__all__ = ["double"]


@dsl.component(base_image="python:3.11")
def describe(values: dict, made: dsl.Output[dsl.Artifact], drop: bool = False) -> NamedTuple("Described", [("kept", dict)]):  # type: ignore[valid-type]
    made.metadata.update(values)
    if drop:
        made.metadata["gone"] = None
    return (values,)


@dsl.component(base_image="python:3.11")
def look(folder: str, made: dsl.Input[dsl.Artifact], values: dict, text: str):
    import json
    from pathlib import Path

    found = {"metadata": made.metadata, "exists": Path(made.path).exists(), "values": values, "text": text}
    (Path(folder[3:]) / "found.json").write_text(json.dumps(found))


@dsl.pipeline(name="described")
def described(folder: str, values: dict = {}, text: str = "", drop: bool = False):  # noqa: B006
    done = describe(values=values, drop=drop)
    look(folder=folder, made=done.outputs["made"], values=done.outputs["kept"], text=text)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("files")
    made = {"described": described, "quoting": pipelines.quoting}
    for name, pipeline in made.items():
        compiler.Compiler().compile(pipeline, str(folder / f"{name}.yaml"))
    return {name: folder / f"{name}.yaml" for name in made}


@pytest.fixture
def run(double: KubeflowDouble, files: dict[str, Path], tmp_path: Path) -> Callable[..., tuple[Any, dict[str, Any]]]:
    """Runs a pipeline to its end; returns the run, and what its last task found."""

    def run_it(name: str, **parameters: Any) -> tuple[Any, dict[str, Any]]:
        ended = finished(double, submit(double, files[name], tmp_path, **parameters))
        found = tmp_path / "found.json"
        return ended, json.loads(found.read_text()) if found.exists() else {}

    return run_it


def log(double: KubeflowDouble, task: str) -> str:
    [run] = double.records.runs.values()
    return (run.engine.tasks[task].log or Path("/dev/null")).read_text()


def test_metadata_comes_back_as_ml_metadata_keeps_it(run: Callable[..., Any]):
    values = {"list": [1, None], "dict": {"a": True}, "yes": True, "large": 2**53 + 1, "share": 0.5}
    ended, found = run("described", values=values | {"list": [1]})
    assert ended.state == "SUCCEEDED"
    metadata = found["metadata"]
    assert {name: metadata[name] for name in values} == {
        "list": {"list": [1]},
        "dict": {"struct": {"a": True}},
        "yes": 1,
        "large": 2**53,
        "share": 0.5,
    }
    assert {"display_name", "store_session_info"} <= metadata.keys()
    assert not found["exists"]  # no task wrote it


def test_a_null_fails_the_task_after_its_work_in_the_words_of_a_real_one(double: KubeflowDouble, run: Callable[..., Any]):
    ended, found = run("described", drop=True)
    assert (ended.state, found) == ("FAILED", {})
    words = "failed to convert RuntimeArtifact to MLMD artifact: unknown/unsupported value type *structpb.Value_NullValue"
    logs = json.loads(gzip.decompress((FOLDER / "metadata-null.json.gz").read_bytes()))["logs"]
    assert words in log(double, "describe")
    assert any(words in each["log"] for each in logs.values())


def test_text_is_expanded(run: Callable[..., Any], double: KubeflowDouble):
    ended, found = run("described", text="$$ $(KFP_POD_NAME) $(UNSET) {{workflow.name}} {{=1+1}} {{jinja}}")
    assert ended.state == "SUCCEEDED"
    [record] = double.records.runs.values()
    assert found["text"] == f"$ pod-0 $(UNSET) {record.workflow} 2 {{{{jinja}}}}"


def test_a_quote_breaks_an_f_string(run: Callable[..., Any], tmp_path: Path):
    assert run("quoting", text="hello")[0].state == "SUCCEEDED"
    assert (tmp_path / "said").read_text() == "said: hello\n"
    assert run("quoting", text='"hello"')[0].state == "FAILED"  # recording f-string-2


def test_a_character_beyond_three_bytes_never_lets_it_end(double: KubeflowDouble, run: Callable[..., Any]):
    ended, found = run("described", text="\U0001f600")
    time.sleep(0.5)
    assert found
    assert (ended.state, ended.finished_at.year) == ("RUNNING", 1970)


def test_what_is_larger_than_an_argument_does_not_start(double: KubeflowDouble, run: Callable[..., Any]):
    ended, _ = run("described", text="x" * 131_072)
    assert ended.state == "FAILED"
    assert "argument list too long" in log(double, "look")


def test_what_argo_escapes_does_not_fit_its_template(double: KubeflowDouble, run: Callable[..., Any]):
    ended, _ = run("described", text='"' * 20_000)
    assert ended.state == "FAILED"
    assert 'cannot create resource "configmaps"' in log(double, "look")


def test_what_a_consumer_gets_of_a_folder(tmp_path: Path):
    made = tmp_path / "made"
    (made / "empty" / "inner").mkdir(parents=True)
    (made / "program").write_text("x")
    (made / "program").chmod(0o755)
    (made / "link").symlink_to(made / "program")
    kept(made)
    assert sorted(path.name for path in made.rglob("*")) == ["link", "program"]
    assert not (made / "link").is_symlink()
    assert (made / "program").stat().st_mode & 0o111 == 0
    (made / "folder").symlink_to(tmp_path)
    with pytest.raises(Refused, match="is a directory"):
        kept(made)
    (tmp_path / "nothing" / "in" / "it").mkdir(parents=True)
    kept(tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()


def test_the_words_of_each_expansion():
    assert expanded_by_kubernetes("$$(A) $(A) $(B) $ $$$", {"A": "1"}) == "$(A) 1 $(B) $ $$"
    assert expanded_by_argo("{{=1+1}}{{workflow.name}}", "w") == "2w"
    assert recorded({"nested": {"none": None}}) == {"nested": {"struct": {"none": None}}}
