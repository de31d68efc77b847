"""What every component promises: interface and task agree, and imports follow the rules."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from kfp import compiler, dsl

import penstock.components as library

ROOT = Path(__file__).resolve().parents[2]
COMPONENTS = ROOT / "components"
NAMES = sorted(path.parent.name for path in COMPONENTS.glob("*/component.py"))
# What an image runs before it knows which task it runs, and the names of the images, which interfaces and tasks share.
CORE = ("images", *(f"protocol/{path.stem}" for path in sorted((COMPONENTS / "protocol").glob("*.py"))))
# What the tasks share.
ROOMS = ("protocol", "data", "evidence", "release", "training")
_CLASSES = {kind.schema_title: kind for kind in (dsl.Artifact, dsl.Dataset, dsl.Model)}
# What changes the world or says what is so in it.
ABOUT_THE_WORLD = {
    "compare_features",
    "control_release",
    "find_span",
    "materialize_features",
    "monitor_model",
    "push_model",
    "register_model",
    "resolve_baseline",
    "retrieve_features",
    "score_batch",
    "trigger_training",
}
TYPES = {"String": "str", "Integer": "int", "Float": "float", "Boolean": "bool", "Dict": "dict", "List": "list"}


def test_every_component_is_exported():
    assert sorted(library.__all__) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_component_is_whole(name):
    folder = COMPONENTS / name
    assert {"__init__.py", "__main__.py", "component.py", "task.py", "README.md"} <= {path.name for path in folder.iterdir()}
    assert list((ROOT / "tests" / "components" / name).glob("test_*.py")), f"{name} has no tests"


@pytest.mark.parametrize("name", NAMES)
def test_command_is_the_one_protocol(name):
    container = getattr(library, name).component_spec.implementation.container
    assert container.command == ["python", "-m", f"penstock.components.{name}"]
    assert container.args == ["--executor_input", "{{$}}"]


@pytest.mark.parametrize("name", NAMES)
def test_what_is_about_the_world_is_never_cached(name, tmp_path):
    component = getattr(library, name)

    @dsl.pipeline(name="inner")
    def inner():
        component(**{key: _any(item) for key, item in component.component_spec.inputs.items() if not item.optional})

    @dsl.pipeline(name="outer")
    def outer():
        inner()

    for pipeline in (component, inner, outer):
        path = str(tmp_path / "pipeline.yaml")
        compiler.Compiler().compile(pipeline, path)
        assert _caching(path, name) == [name not in ABOUT_THE_WORLD]


@pytest.mark.parametrize("name", NAMES)
def test_inputs_and_parameters_agree(name):
    spec = getattr(library, name).component_spec
    wanted = {}
    for key, item in spec.inputs.items():
        kind = "Input" if "." in item.type else TYPES[item.type]
        wanted[key] = (kind, item.optional, item.default)
    assert {key: value for key, value in _parameters(name).items() if value[0] != "Output"} == wanted


@pytest.mark.parametrize("name", NAMES)
def test_outputs_agree(name):
    outputs = getattr(library, name).component_spec.outputs or {}
    artifacts = {key for key, item in outputs.items() if "." in item.type}
    parameters = {key: TYPES[item.type] for key, item in outputs.items() if "." not in item.type}
    assert {key for key, value in _parameters(name).items() if value[0] == "Output"} == artifacts
    assert _returned(name) == parameters


@pytest.mark.parametrize("name", NAMES)
def test_every_input_and_output_is_documented(name):
    component = next(node for node in _tree(COMPONENTS / name / "component.py").body if isinstance(node, ast.FunctionDef))
    docstring = ast.get_docstring(component) or ""
    spec = getattr(library, name).component_spec
    assert [key for key in [*spec.inputs, *(spec.outputs or {})] if f"\n    {key}: " not in docstring] == []


@pytest.mark.parametrize("name", NAMES)
def test_interface_imports_kfp_only(name):
    assert {module.partition(".")[0] for module in _imports(COMPONENTS / name / "component.py")} <= {"kfp", "penstock"}
    assert {module for module in _imports(COMPONENTS / name / "component.py") if module.startswith("penstock")} == {
        "penstock.components.container"
    }


@pytest.mark.parametrize("name", [*NAMES, *ROOMS])
def test_task_code_imports_no_kfp(name):
    for path in (COMPONENTS / name).rglob("*.py"):
        if path.name != "component.py":
            assert not [module for module in _imports(path) if module.partition(".")[0] == "kfp"], path


@pytest.mark.parametrize("module", CORE)
def test_core_needs_the_standard_library_only(module):
    path = COMPONENTS / f"{module}.py"
    outside = {name for name in _imports(path, top_level=True) if name.partition(".")[0] not in {*sys.stdlib_module_names, "penstock"}}
    assert outside == set()


def test_pipelines_are_composition_only():
    for path in (ROOT / "pipelines").glob("*.py"):
        assert {module.partition(".")[0] for module in _imports(path)} <= {"kfp", "penstock"}, path


def _any(item: Any) -> Any:
    """Returns what an input takes."""
    return (
        dsl.importer(artifact_uri="gs://bucket/file", artifact_class=_CLASSES[item.type.partition("@")[0]]).output
        if "." in item.type
        else ["x"]
        if item.type == "List"
        else "x"
    )


def _caching(path: str, name: str) -> list[bool]:
    """Returns whether the tasks of a component are cached, wherever they are in a file."""
    spec = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    dags = [part["dag"] for part in (spec["root"], *spec["components"].values()) if "dag" in part]
    tasks = [task for dag in dags for task in dag["tasks"].values() if task["componentRef"]["name"] == f"comp-{name.replace('_', '-')}"]
    return [task["cachingOptions"].get("enableCache", False) for task in tasks]


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _imports(path: Path, top_level: bool = False) -> set[str]:
    """Returns the absolute names of the modules that a file imports: anywhere, or when it is imported itself."""
    tree = _tree(path)
    nodes = tree.body if top_level else list(ast.walk(tree))
    package = ["penstock", *path.relative_to(ROOT).parent.parts]
    package = package[1:] if package[1:2] == ["penstock"] else package
    return {name for node in nodes for name in _imported(node, package)}


def _imported(node: ast.AST, package: list[str]) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = package[: len(package) - node.level + 1] if node.level else []
        yield ".".join([*base, *([node.module] if node.module else [])])


def _task(name: str) -> ast.FunctionDef:
    return next(node for node in _tree(COMPONENTS / name / "task.py").body if isinstance(node, ast.FunctionDef) and node.name == name)


def _parameters(name: str) -> dict[str, tuple[str, bool, Any]]:
    """Returns each parameter of a task as (type, whether it may be left out, default)."""
    arguments = _task(name).args
    defaults = [None] * (len(arguments.args) - len(arguments.defaults)) + list(arguments.defaults)
    found = {}
    for argument, default in zip(arguments.args, defaults, strict=True):
        kind = ast.unparse(argument.annotation).partition(" | ")[0].partition("[")[0] if argument.annotation else ""
        found[argument.arg] = (kind, default is not None, ast.literal_eval(default) if default else None)
    return found


def _returned(name: str) -> dict[str, str]:
    """Returns the fields of the NamedTuple that a task returns, with their types."""
    returns = _task(name).returns
    if returns is None or ast.unparse(returns) == "None":
        return {}
    classes = {node.name: node for node in _tree(COMPONENTS / name / "task.py").body if isinstance(node, ast.ClassDef)}
    fields = [node for node in classes[ast.unparse(returns)].body if isinstance(node, ast.AnnAssign)]
    return {ast.unparse(field.target): ast.unparse(field.annotation) for field in fields}
