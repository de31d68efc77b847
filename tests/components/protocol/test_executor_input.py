"""A damaged executor input is one line, and nothing is touched."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from penstock.components.protocol import TaskError, execute
from penstock.components.protocol.executor_input import parse

from ..damaged import check_mutations

MUTATIONS = 400


@pytest.mark.usefixtures("here", "elsewhere")
def test_every_mutation_ends_in_outputs_or_one_line(toy, tmp_path):
    (tmp_path / "rows").write_text("rows")
    whole = toy.input("well", size=2, share=0.5, flag=True, options={"a": [1]}, names=["x"])
    whole["inputs"]["artifacts"] = {"given": {"artifacts": [{"name": "given", "uri": str(tmp_path / "rows"), "metadata": {"a": 1}}]}}
    endings = check_mutations("toy", whole, tmp_path, MUTATIONS)
    assert min(endings.values()) > MUTATIONS / 20, endings
    assert (tmp_path / "rows").read_text() == "rows"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "5",
        '"x"',
        "[" * 100_000,
        '{"a":' * 100_000,
        '{"inputs": NaN}',
        '{"inputs": 1e999}',
        '{"inputs": ' + "9" * 5000 + "}",
    ],
    ids=lambda text: text[:12],
)
def test_what_is_no_executor_input(text):
    with pytest.raises(TaskError, match=r"executor.input"):
        parse(text)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda spec: spec["outputs"]["artifacts"]["made"]["artifacts"][0].update(uri="/dev/null"), "neither a file nor a folder"),
        (lambda spec: spec["outputs"]["artifacts"]["made"]["artifacts"][0].update(uri="/etc"), "a folder of the system"),
        (lambda spec: spec["outputs"]["artifacts"]["made"]["artifacts"][0].update(uri=str(Path.cwd())), "of this task"),
        (lambda spec: spec["outputs"].update(outputFile=spec["outputs"]["parameters"]["word"]["outputFile"]), "two outputs have the path"),
        (lambda spec: spec["outputs"]["parameters"].update(other={"outputFile": "other"}), "has no output parameter other"),
    ],
)
def test_an_output_takes_the_place_of_nothing_else(toy, here, damage: Callable[[dict[str, Any]], Any], message: str):
    spec = toy.input("well")
    damage(spec)
    with pytest.raises(TaskError, match=message):
        execute(here, spec)
    assert not toy.root.exists()


def test_an_output_does_not_take_its_inputs_place(toy, here, tmp_path):
    data = tmp_path / "run-1" / "made" / "rows"
    data.parent.mkdir(parents=True)
    data.write_text("rows")
    spec = toy.input("well")
    spec["inputs"]["artifacts"] = {"given": {"artifacts": [{"uri": str(data)}]}}
    with pytest.raises(TaskError, match="choose another path"):
        execute(here, spec)
    assert data.read_text() == "rows"
