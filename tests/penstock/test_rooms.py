"""Who may import whom: the picture in CONTRIBUTING.md, which every module keeps to."""

import re
from graphlib import TopologicalSorter

import pytest

import penstock.components as library

from .test_dependencies import ROOT, imports_of, modules

PICTURE = re.search(r"## Who may import whom\n.*?```mermaid\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.DOTALL)
SHARED = ("protocol", "data", "evidence", "release", "training")
KINDS = ("kserve", "local", "vertex")
# What a room is called where it is not the name of its package.
NAMED = {"penstock.components": "interfaces", "penstock.components.container": "interfaces", "penstock.components.images": "images"}


def test_every_module_imports_only_what_the_picture_lets_it():
    allowed = {room: reached(room) for room in arrows()}
    assert [(module, name) for module, name in imports() if room_of(name) not in {room_of(module), *allowed[room_of(module)]}] == []


def test_every_arrow_is_of_an_import():
    assert {(room, other) for room, others in arrows().items() for other in others} <= {
        (room_of(module), room_of(name)) for module, name in imports()
    }


def test_no_room_is_imported_by_what_it_imports():
    TopologicalSorter(arrows()).prepare()


def test_a_component_imports_no_other():
    tasks = [(module, name) for module, name in imports() if room_of(module) == "tasks" == room_of(name)]
    assert [(module, name) for module, name in tasks if component_of(module) != component_of(name)] == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_of_destination_is_known_to_itself_alone(kind):
    package = f"penstock.components.release.destinations.{kind}."
    users = {module for module, name in imports() if name.startswith(package) and not module.startswith(package)}
    assert users <= {f"penstock.components.release.registry.{kind}"}


def arrows() -> dict[str, set[str]]:
    """Returns the rooms that each room's arrows lead to."""
    assert PICTURE
    found: dict[str, set[str]] = {}
    for start, ends in re.findall(r"^ *(\w+) --> ([\w &]+)$", PICTURE[1], re.MULTILINE):
        found.setdefault(start, set()).update(ends.split(" & "))
    return {room: found.get(room, set()) for room in {*found, *(end for ends in found.values() for end in ends)}}


def reached(room: str) -> set[str]:
    """Returns the rooms that arrows lead to, one after another."""
    return {end for step in arrows()[room] for end in (step, *reached(step))}


def imports() -> set[tuple[str, str]]:
    """Returns each module of the package with each of the package's modules that it imports, when it is imported itself or later."""
    return {
        (module, imported)
        for module, file in modules().items()
        for name in imports_of(file.read_text(encoding="utf-8"), module if file.name == "__init__.py" else module.rpartition(".")[0])
        if (imported := module_in(name)) not in ("", "penstock")
    }


def module_in(name: str) -> str:
    """Returns the module that something is imported from; empty where it is none of the package's."""
    if name.removeprefix("penstock.components.") in library.__all__:
        return "penstock.components"  # which gives the interface, not the package of its name
    while name and name not in modules():
        name = name.rpartition(".")[0]
    return name


def room_of(module: str) -> str:
    """Returns the room that a module is in."""
    if module in NAMED or re.fullmatch(r"penstock\.components\.\w+\.component", module):
        return NAMED.get(module, "interfaces")
    first, *rest = module.split(".")[1:]
    return first if first != "components" else rest[0] if rest[0] in SHARED else "tasks"


def component_of(module: str) -> str:
    """Returns the component whose folder a module is in."""
    return module.split(".")[2]
