"""Whether setup.cfg declares what the SDK imports: nothing may be there only because something else needs it."""

import ast
import configparser
import importlib.metadata
import re
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# What runs in a family's environment, whose lock says what is there.
ELSEWHERE = "penstock.server"
# What the extra `vertex` is for.
VERTEX = re.compile(r"penstock\.remote\.(vertex\b|accelerator_names$)|penstock\.components\.release\.(destinations\.)?vertex")
# Time zones, where the system has none, which the standard library reads; and what an older Python is without.
NOT_IMPORTED = {"tzdata"} | ({"tomli"} if sys.version_info >= (3, 11) else set())


def test_every_import_is_declared():
    needed = {(module, distribution) for module in modules_of_the_sdk() for distribution in imported_by(module)}
    assert needed, "there is something to look at"
    assert {(module, name) for module, name in needed if name not in declared(bool(VERTEX.match(module)))} == set()


def test_what_is_declared_is_imported():
    imported = {distribution for module in modules_of_the_sdk() for distribution in imported_by(module)}
    assert declared(with_vertex=True) - imported == NOT_IMPORTED


@pytest.mark.parametrize(
    ("code", "imported"),
    [
        ("import yaml, sys", {"pyyaml"}),
        ("def lazily():\n    from google.protobuf import json_format", {"protobuf"}),
        ("from google import auth", {"google-auth"}),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import requests\nelse:\n    import click", {"click"}),
    ],
)
def test_imports_are_seen(code, imported):
    assert {distribution_of(name) for name in imports_of(code)} - {""} == imported


def modules_of_the_sdk() -> set[str]:
    """Returns the modules that a command's own process may import: the SDK's, the interfaces, and what these import."""
    found: set[str] = set()
    waiting = [name for name in modules() if _is_root(name)]
    while waiting:
        name = waiting.pop()
        if name not in modules():  # what is taken from a module
            name = name.rpartition(".")[0]
        if name in found or name not in modules():
            continue
        found.add(name)
        waiting += [name.rpartition(".")[0], *imports_of_module(name)]
    return found


def _is_root(name: str) -> bool:
    if name.startswith("penstock.components."):
        return name.endswith(".component")
    return not f"{name}.".startswith(f"{ELSEWHERE}.") and not name.startswith("penstock.pipelines.flight_delay.")


@cache
def modules() -> dict[str, Path]:
    """Returns the file of every module, by name."""
    folders = {"penstock": "penstock", "penstock.components": "components", "penstock.pipelines": "pipelines"}
    return {
        ".".join([package, *file.relative_to(ROOT / folder).with_suffix("").parts]).removesuffix(".__init__"): file
        for package, folder in folders.items()
        for file in (ROOT / folder).rglob("*.py")
    }


@cache
def imports_of_module(name: str) -> frozenset[str]:
    """Returns the dotted names of what the SDK may import by a module: of its own at any time, of a component's when that is imported."""
    file = modules()[name]
    package = name if file.name == "__init__.py" else name.rpartition(".")[0]
    return imports_of(file.read_text(encoding="utf-8"), package, at_any_time=not name.startswith("penstock.components."))


def imports_of(code: str, package: str = "penstock", at_any_time: bool = True) -> frozenset[str]:
    """Returns the dotted names of what a package's code imports: at any time, or when it is imported itself."""
    return frozenset(_imported(ast.parse(code), package, at_any_time))


def _imported(node: ast.AST, package: str, at_any_time: bool) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
        source = ".".join([*above, *([node.module] if node.module else [])])
        yield from (f"{source}.{alias.name}" for alias in node.names)
    for child in _running(node, at_any_time):
        yield from _imported(child, package, at_any_time)


def _running(node: ast.AST, at_any_time: bool) -> Iterable[ast.AST]:
    """Returns the children of a node, but for what only a type checker reads."""
    if isinstance(node, ast.FunctionDef) and not at_any_time:
        return []
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        return node.orelse
    return ast.iter_child_nodes(node)


def imported_by(module: str) -> set[str]:
    """Returns the distributions that a module imports."""
    return {found for name in imports_of_module(module) if (found := distribution_of(name))}


def distribution_of(name: str) -> str:
    """Returns the distribution that has a module, or what is taken from it; empty for the standard library's and ours."""
    if name.partition(".")[0] in {*sys.stdlib_module_names, "penstock"}:
        return ""
    while name and name not in _installed():
        name = name.rpartition(".")[0]
    return _installed().get(name, "")


@cache
def _installed() -> dict[str, str]:
    """Returns the distribution of every module that is installed, and of every package that only one has a part of."""
    return {
        ".".join(file.with_suffix("").parts).removesuffix(".__init__"): _normalized(distribution.name)
        for distribution in importlib.metadata.distributions()
        for file in distribution.files or []
        if file.suffix in (".py", ".so")
    }


def declared(with_vertex: bool) -> set[str]:
    """Returns the distributions that setup.cfg declares, with or without the extra."""
    metadata = configparser.ConfigParser()
    metadata.read(ROOT / "setup.cfg", encoding="utf-8")
    lines = metadata["options"]["install_requires"]
    if with_vertex:
        lines += "\n" + metadata["options.extras_require"]["vertex"]
    return {_normalized(re.split(r"[^\w.-]", line)[0]) for line in lines.splitlines() if line}


def _normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
