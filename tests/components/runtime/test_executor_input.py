"""A damaged executor input is one line, and nothing is touched."""

import contextlib
import copy
import io
import json
import math
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from penstock.components.runtime import TaskError, execute, main
from penstock.components.runtime.executor_input import parse

SEED, MUTATIONS = 7, 400
VALUES: list[Any] = [
    *("", " ", "a" * 5000, "../../x", "/nonexistent/x", "/dev/null", "/proc/self/mem", "/proc", "/", "file:///etc", "http://127.0.0.1:1/x"),
    *("\0", "\ud800", "a\nb", "{{$}}", "a" * 255, "/tmp/" + "b/" * 3000, None, True, 0, -1, 2.5, 1e308, math.nan, math.inf, 2**70, 10**400),
    *(
        [],
        {},
        [[]],
        [None],
        {"a": 1},
        {"artifacts": None},
        {"artifacts": [{}]},
        {"artifacts": [None]},
        {"artifacts": [5]},
        {"outputFile": None},
    ),
]


def _paths(node: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if at:
        yield at
    for key in node if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ():
        yield from _paths(node[key], (*at, key))


def _mutated(whole: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    changed = copy.deepcopy(whole)
    for _ in range(chance.choice([1, 1, 2, 3])):
        *way, last = chance.choice(list(_paths(changed)))
        parent = changed
        for step in way:
            parent = parent[step]
        if chance.random() < 0.2:
            del parent[last]
        else:
            parent[last] = copy.deepcopy(chance.choice(VALUES))
    return changed


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working folder for what mutated paths name."""
    (tmp_path / "a" / "b" / "c").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a" / "b" / "c")


@pytest.mark.usefixtures("here", "elsewhere")
def test_every_mutation_ends_in_outputs_or_one_line(toy, tmp_path):
    chance = random.Random(SEED)
    (tmp_path / "rows").write_text("rows")
    whole = toy.input("well", size=2, share=0.5, flag=True, options={"a": [1]}, names=["x"])
    whole["inputs"]["artifacts"] = {"given": {"artifacts": [{"name": "given", "uri": str(tmp_path / "rows"), "metadata": {"a": 1}}]}}
    system = {place: os.lstat(place).st_ino for place in ("/dev/null", "/etc", "/proc", "/dev")}
    endings = {"outputs": 0, "one line": 0}
    for _ in range(MUTATIONS):
        text = json.dumps(_mutated(whole, chance))
        with pytest.raises(SystemExit) as end, contextlib.redirect_stdout(io.StringIO()):
            main("toy", ["--executor_input", text])
        code = end.value.code
        assert code == 0 or (isinstance(code, str) and code.startswith("error: ") and "\n" not in code), (text, code)
        endings["outputs" if code == 0 else "one line"] += 1
        assert not list(tmp_path.rglob("*.partial")), text
    assert {place: os.lstat(place).st_ino for place in system} == system
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
    ("damage", "said"),
    [
        (lambda spec: spec["outputs"]["artifacts"]["made"]["artifacts"][0].update(uri="/dev/null"), "neither a file nor a folder"),
        (lambda spec: spec["outputs"]["artifacts"]["made"]["artifacts"][0].update(uri="/etc"), "a folder of the system's"),
        (lambda spec: spec["outputs"]["artifacts"]["made"]["artifacts"][0].update(uri=str(Path.cwd())), "of this task's own"),
        (lambda spec: spec["outputs"].update(outputFile=spec["outputs"]["parameters"]["word"]["outputFile"]), "two outputs go to"),
        (lambda spec: spec["outputs"]["parameters"].update(other={"outputFile": "other"}), "has no output parameter other"),
    ],
)
def test_an_output_takes_the_place_of_nothing_else(toy, here, damage: Callable[[dict[str, Any]], Any], said: str):
    spec = toy.input("well")
    damage(spec)
    with pytest.raises(TaskError, match=said):
        execute(here, spec)
    assert not toy.root.exists()


def test_an_output_does_not_take_its_inputs_place(toy, here, tmp_path):
    data = tmp_path / "run-1" / "made" / "rows"
    data.parent.mkdir(parents=True)
    data.write_text("rows")
    spec = toy.input("well")
    spec["inputs"]["artifacts"] = {"given": {"artifacts": [{"uri": str(data)}]}}
    with pytest.raises(TaskError, match="give it another place"):
        execute(here, spec)
    assert data.read_text() == "rows"
