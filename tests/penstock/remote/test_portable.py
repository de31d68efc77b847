"""What the commands do so that values arrive: on each backend, through the command."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from kfp import compiler, dsl

from penstock.components.protocol.values import MARK
from penstock.spec.portable import portable

from ...doubles.kubeflow.double import KubeflowDouble
from ..pipelines import make, say
from .person import Person

ROOT = Path(__file__).resolve().parents[3]
HOSTILE = "a$$b {{workflow.name}} {{=1+1}} $(KFP_POD_NAME) \U0001f600"


@dsl.container_component
def ours(text: str, more: dict, folder: str = "plain"):
    command = ["python", "-m", "penstock.components.push_model"]
    return dsl.ContainerSpec(image="registry/penstock-deploy:1", command=command, args=["--executor_input", "{{$}}"])


def spec_of(pipeline: Any, folder: Path) -> dict[str, Any]:
    compiler.Compiler().compile(pipeline, str(folder / "pipeline.yaml"))
    return yaml.safe_load((folder / "pipeline.yaml").read_text())


def given(spec: dict[str, Any], component: str, name: str) -> Any:
    return spec["components"][component]["dag"]["tasks"]["ours"]["inputs"]["parameters"][name]["runtimeValue"]["constant"]


def test_what_only_penstock_reads_is_encoded_however_deep(tmp_path: Path):
    @dsl.pipeline(name="inner")
    def inner(text: str):
        ours(text=text, more={"a": [HOSTILE, 1]})

    @dsl.pipeline(name="outer")
    def outer(text: str = HOSTILE, plain: str = "plain"):
        inner(text=text)
        ours(text=plain, more={})

    spec, parameters = portable(spec_of(outer, tmp_path), {"text": HOSTILE, "plain": "plain"})
    assert parameters["text"].startswith(MARK)
    assert parameters["plain"] == "plain"
    assert spec["root"]["inputDefinitions"]["parameters"]["text"]["defaultValue"] == parameters["text"]
    assert given(spec, "comp-inner", "more") == {"a": [parameters["text"], 1.0]}
    assert portable(spec, parameters) == (spec, parameters), "it is done once"


@pytest.mark.parametrize("reader", ["task", "condition", "loop", "text"])
def test_what_others_read_too_is_left_to_lint(tmp_path: Path, reader: str):
    @dsl.pipeline(name="mixed")
    def mixed(text: str = "x", texts: list = []):  # noqa: B006
        ours(text=text, more={"texts": texts})
        if reader == "task":
            make(text=text)
        elif reader == "condition":
            with dsl.If(text == "x"):
                ours(text="y", more={})
        elif reader == "loop":
            with dsl.ParallelFor(texts) as item:
                ours(text=item, more={})
        else:
            ours(text=f"a {text}", more={})

    _, parameters = portable(spec_of(mixed, tmp_path), {"text": HOSTILE, "texts": [HOSTILE]})
    assert parameters["texts" if reader == "loop" else "text"] in (HOSTILE, [HOSTILE])


def test_a_cached_task_is_given_its_defaults(tmp_path: Path):
    """Kubeflow's cache looks at what a task is given only (seen: a changed default is a hit)."""

    @dsl.pipeline(name="defaults")
    def defaults():
        ours(text="x", more={})
        ours(text="x", more={}).set_caching_options(False)

    tasks = portable(spec_of(defaults, tmp_path), {})[0]["root"]["dag"]["tasks"]
    assert tasks["ours"]["inputs"]["parameters"]["folder"] == {"runtimeValue": {"constant": "plain"}}
    assert "folder" not in tasks["ours-2"]["inputs"]["parameters"]


def test_compiled_files_weave_no_parameter_into_text():
    for file in sorted((ROOT / "compiled").rglob("*.yaml")):
        tasks = [task for dag in _dags(yaml.safe_load(file.read_text())) for task in dag["tasks"].values()]
        constants = [str(each.get("runtimeValue")) for task in tasks for each in task.get("inputs", {}).get("parameters", {}).values()]
        assert not [constant for constant in constants if "{{$.inputs" in constant], file


def _dags(spec: dict[str, Any]) -> list[dict[str, Any]]:
    return [component["dag"] for component in [spec["root"], *spec.get("components", {}).values()] if "dag" in component]


@dsl.pipeline(name="plain")
def plain(folder: str, text: str):
    say(text=text, folder=folder)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("$$", "`$$`"),
        ("{{=1+1}}", "'{{=1+1}}'"),
        ("{{workflow.name}}", "'{{workflow.name}}'"),
        ("$(KFP_POD_NAME)", "$(KFP_POD_NAME)"),
        ("\U0001f600", "U+1F600"),
        ("x" * 123_000, "KiB"),
    ],
    ids=["dollars", "sum", "variable", "environment", "emoji", "large"],
)
def test_submit_refuses_what_cannot_pass_with_the_cure(person: Person, kubeflow: KubeflowDouble, tmp_path: Path, text: str, message: str):
    compiler.Compiler().compile(plain, str(tmp_path / "plain.yaml"))
    values = tmp_path / "values.yaml"
    values.write_text(yaml.safe_dump({"folder": f"at {tmp_path}", "text": text}))
    done = person.types("submit", tmp_path / "plain.yaml", "--target", "kubeflow", "--host", kubeflow.url, "--params", values)
    assert done.returncode == 2, done.stdout + done.stderr
    assert message in done.stderr
    assert "URI" in done.stderr
    assert "nothing was sent" in done.stderr
    assert not kubeflow.records.runs


@pytest.mark.parametrize("option", ["name", "experiment", "label"])
def test_submit_refuses_a_text_about_a_run_that_kubeflow_cannot_store(person: Person, kubeflow: KubeflowDouble, option: str):
    given = ("-p", "destination=local://serving", "-p", "action=status", "-p", "model_name=flights")
    text = "team=\U0001f600" if option == "label" else "\U0001f600"
    done = person.types("submit", "promote_or_rollback", "--target", "kubeflow", "--host", kubeflow.url, *given, f"--{option}", text)
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stderr == f"error: the {option} contains '\U0001f600' (U+1F600), which Kubeflow cannot store; remove it\n"
    assert not kubeflow.records.runs


def test_a_task_gets_what_was_given_to_kubeflow(person: Person, kubeflow: KubeflowDouble):
    done = person.types("submit", "promote_or_rollback", "--target", "kubeflow", "--host", kubeflow.url, "--wait", *_hostile())
    assert done.returncode == 1, done.stdout + done.stderr
    assert _complaint() in done.stdout


def test_a_task_gets_what_was_given_here(person: Person):
    done = person.types("run", "promote_or_rollback", *_hostile())
    assert done.returncode == 1, done.stdout + done.stderr
    assert _complaint() in done.stdout


def test_a_whole_number_that_loses_digits_is_refused(person: Person, tmp_path: Path):
    @dsl.pipeline(name="counted")
    def counted(number: int):
        ours(text=f"{number}", more={})

    compiler.Compiler().compile(counted, str(tmp_path / "counted.yaml"))
    for words in (["run"], ["submit", "--target", "kubeflow", "--host", "http://127.0.0.1:9"]):
        done = person.types(words[0], tmp_path / "counted.yaml", "-p", f"number={2**53 + 1}", *words[1:])
        assert done.returncode == 2, done.stdout + done.stderr
        assert "number is above 2^53 and would lose digits; " in done.stderr


def _hostile() -> list[str]:
    given = {"destination": "local://serving", "action": HOSTILE, "model_name": "flights"}
    return [word for name, value in given.items() for word in ("-p", f"{name}={value}")]


def _complaint() -> str:
    return f"action {HOSTILE!r} is invalid"
