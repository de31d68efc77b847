"""The components' reference, from the docstrings of their interfaces."""

import ast
import json
from collections.abc import Sequence
from pathlib import Path

import docstring_parser

import penstock.components as library

from ..errors import UserError

_TYPES = {"String": "str", "Integer": "int", "Float": "float", "Boolean": "bool", "Dict": "dict", "List": "list"}


def names() -> list[str]:
    """Returns the components' names, in the order of the path."""
    return list(library.__all__)


def summaries() -> dict[str, str]:
    """Returns each component's first sentence, by name; imports no component."""
    return {name: _docstring(name).short_description or "" for name in names()}


def table() -> str:
    """Returns the components as a Markdown table, with links from the repository's root."""
    rows = [f"| [`{name}`](components/{name}/README.md) | {_cell(summary)} |" for name, summary in summaries().items()]
    return "\n".join(["| Component | What it does |", "|---|---|", *rows]) + "\n"


def markdown(name: str) -> str:
    """Returns a component's page: what it does, its artifacts, parameters and outputs, how to run it alone.

    Raises:
        UserError: There is no such component.
    """
    if name not in names():
        raise UserError(f"there is no component {name}; choose one of {', '.join(names())}")
    from penstock.components.container import NeverCached

    component = getattr(library, name)
    spec = component.component_spec
    docstring = _docstring(name)
    descriptions = {parameter.arg_name: " ".join((parameter.description or "").split()) for parameter in docstring.params}
    artifacts = {key: item for key, item in spec.inputs.items() if "." in item.type}
    parameters = {key: item for key, item in spec.inputs.items() if "." not in item.type}
    inputs = [(f"`{key}`", _type(item.type), descriptions.get(key, "")) for key, item in artifacts.items()]
    values = [(f"`{key}`", _type(item.type), _default(item), descriptions.get(key, "")) for key, item in parameters.items()]
    outputs = [(f"`{key}`", _type(item.type), descriptions.get(key, "")) for key, item in (spec.outputs or {}).items()]
    needed = [f"-p {key}=PATH" for key, item in artifacts.items() if not item.optional] + [
        f"-p {key}=..." for key, item in parameters.items() if not item.optional
    ]
    parts = [
        f"# {name}",
        docstring.short_description,
        docstring.long_description,
        "Its results are never cached, because they describe the present state." if isinstance(component, NeverCached) else "",
        _section("Input artifacts", ("Name", "Type", "Description"), inputs),
        _section("Parameters", ("Name", "Type", "Default", "Description"), values),
        _section("Outputs", ("Name", "Type", "Description"), outputs),
        f"## Run it alone\n\n```console\n$ penstock run {name} {' '.join(needed)}\n```",
        f"Image: `{spec.implementation.container.image.rpartition(':')[0]}`. `penstock compile` generates this page from `component.py`.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _docstring(name: str) -> docstring_parser.Docstring:
    # Read, not imported: the package would take the place of the component in the library.
    file = Path(library.__path__[0]) / name / "component.py"
    functions = (node for node in ast.parse(file.read_text(encoding="utf-8")).body if isinstance(node, ast.FunctionDef))
    function = next(node for node in functions if node.name == name)
    return docstring_parser.parse(ast.get_docstring(function) or "", style=docstring_parser.DocstringStyle.GOOGLE)


def _type(kind: str) -> str:
    return _TYPES.get(kind) or kind.partition("@")[0]


def _default(item) -> str:
    return f"`{json.dumps(item.default)}`" if item.optional else "required"


def _section(title: str, head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    if not rows:
        return ""
    lines = ["| " + " | ".join(map(_cell, row)) + " |" for row in rows]
    return "\n".join([f"## {title}", "", "| " + " | ".join(head) + " |", "|" + "---|" * len(head), *lines])


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
