"""Damaged executor inputs: every one must end in outputs or in one line, whatever the component."""

import contextlib
import copy
import inspect
import io
import json
import math
import os
import random
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from penstock.components.protocol import Input, Output, main

from .conftest import executor_input

SEED = 7
VALUES: list[Any] = [
    *(
        "",
        " ",
        "a" * 5000,
        "../../x",
        "/proc/nonexistent/x",
        "/dev/null",
        "/proc/self/mem",
        "/proc",
        "/dev",
        "file:///etc",
        "http://127.0.0.1:1/x",
    ),
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
    *("[", "{", "postgresql://u:SECRET@127.0.0.1:1/x", "s3://", "kserve://", "vertex://", "local://", "bz2+base64:x", "zip://a::/tmp/x"),
]


def input_of(component: str, folder: Path) -> dict[str, Any]:
    """Builds an executor input of a component with a value for everything, below a folder."""
    function = getattr(import_module(f"penstock.components.{component}.task"), component)
    hints, inputs, values = get_type_hints(function), {}, {}
    for name, parameter in inspect.signature(function).parameters.items():
        if Input in (hints[name], *getattr(hints[name], "__args__", ())):
            inputs[name] = folder / "inputs" / name
            inputs[name].mkdir(parents=True, exist_ok=True)
            (inputs[name] / "file").write_text(name)
        elif hints[name] is not Output:
            needed = ["x"] if hints[name] is list else "x"
            values[name] = needed if parameter.default is inspect.Parameter.empty else parameter.default
    return executor_input(component, folder / "outputs", values, inputs)


def check_mutations(package: str, whole: dict[str, Any], folder: Path, count: int) -> dict[str, int]:
    """Runs a component's command on mutations of an executor input; returns how many ended in outputs, and how many in one line."""
    chance = random.Random(SEED)
    system = {place: os.lstat(place).st_ino for place in ("/dev/null", "/etc", "/proc", "/dev")}
    endings = {"outputs": 0, "one line": 0}
    for _ in range(count):
        text = json.dumps(_mutated(whole, chance))
        with pytest.raises(SystemExit) as end, contextlib.redirect_stdout(io.StringIO()) as output:
            main(package, ["--executor_input", text])
        code = end.value.code
        assert code == 0 or (isinstance(code, str) and code.startswith("error: ") and "\n" not in code), (text, code)
        assert "SECRET" not in f"{code}{output.getvalue()}", text
        endings["outputs" if code == 0 else "one line"] += 1
        assert not list(folder.rglob("*.partial")), text
    assert {place: os.lstat(place).st_ino for place in system} == system
    return endings


def check_unwritten(component: str, folder: Path) -> None:
    """Runs a component's command with missing inputs: on Kubeflow neither their paths nor the folders above them exist then."""
    whole = input_of(component, folder)
    inputs = [entry["artifacts"][0] for entry in whole["inputs"]["artifacts"].values()]
    if "eval_config" in whole["inputs"]["parameterValues"]:
        whole["inputs"]["parameterValues"]["eval_config"] = (
            'model_specs { label_key: "y" }\nmetrics_specs { metrics { class_name: "AUC" } }'
        )
    for artifact in inputs:
        artifact["uri"] = str(folder / "missing" / artifact["name"])
    with pytest.raises(SystemExit) as end, contextlib.redirect_stdout(io.StringIO()):
        main(f"penstock.components.{component}", ["--executor_input", json.dumps(whole)])
    code = end.value.code
    assert isinstance(code, str), (component, code)
    assert code.startswith("error: ") and "\n" not in code, code  # noqa: PT018
    assert any(artifact["uri"] in code for artifact in inputs), code


def _paths(node: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if at:
        yield at
    for key in node if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ():
        yield from _paths(node[key], (*at, key))


def _mutated(whole: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    changed = copy.deepcopy(whole)
    for _ in range(chance.choice([1, 1, 2, 3])):
        if not (paths := list(_paths(changed))):
            break
        *way, last = chance.choice(paths)
        parent: Any = changed
        for step in way:
            parent = parent[step]
        if chance.random() < 0.2:
            del parent[last]
        else:
            parent[last] = copy.deepcopy(chance.choice(VALUES))
    return changed
