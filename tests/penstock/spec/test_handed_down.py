"""A pipeline's parameter that only a resource of a task in a loop names reaches the task."""

import yaml
from kfp import compiler, dsl

from penstock.compile.generate import compiled

CHANNEL = "pipelinechannel--kind"


@dsl.component(base_image="python:3.11")
def work(item: str):
    print(item)


@dsl.pipeline(name="looped")
def looped(kind: str = "", wanted: bool = True):
    with dsl.If(wanted == True), dsl.ParallelFor(["a", "b"]) as item:  # noqa: E712 - kfp reads the comparison
        work(item=item).set_accelerator_type(kind).set_accelerator_limit("1")


def groups(spec: dict) -> list[dict]:
    """Returns the inputs that the condition and the loop have."""
    found = [component for component in spec["components"].values() if "dag" in component]
    assert len(found) == 2
    return [component.get("inputDefinitions", {}).get("parameters", {}) for component in found]


def test_each_group_hands_it_down():
    spec = yaml.safe_load(compiled(looped))
    assert all(inputs[CHANNEL] == {"parameterType": "STRING"} for inputs in groups(spec))
    (condition,) = spec["root"]["dag"]["tasks"].values()
    assert condition["inputs"]["parameters"][CHANNEL] == {"componentInputParameter": "kind"}


def test_the_compiler_forgets_it(tmp_path):
    """If this fails, kfp has mended it: `penstock.spec.handed_down` can go."""
    compiler.Compiler().compile(looped, str(tmp_path / "looped.yaml"))
    assert not any(CHANNEL in inputs for inputs in groups(yaml.safe_load((tmp_path / "looped.yaml").read_text())))
