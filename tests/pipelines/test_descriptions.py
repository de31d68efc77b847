"""The pipelines' docstrings name the values that the components' docstrings name."""

import ast
import re
from functools import cache
from pathlib import Path

import docstring_parser
import pytest

ROOT = Path(__file__).parents[2]
PIPELINES = sorted(path.stem for path in (ROOT / "pipelines").glob("[a-z]*.py"))
_LITERAL = re.compile(r"`([^`]+)`")


@cache
def descriptions(file: Path) -> dict[str, str]:
    functions = (node for node in ast.parse(file.read_text(encoding="utf-8")).body if isinstance(node, ast.FunctionDef))
    parsed = (docstring_parser.parse(ast.get_docstring(function) or "") for function in functions)
    return {found.arg_name: " ".join((found.description or "").split()) for each in parsed for found in each.params}


def components_with(parameter: str) -> list[str]:
    files = (ROOT / "components").glob("*/component.py")
    return [found for file in files if (found := descriptions(file).get(parameter)) is not None]


@pytest.mark.parametrize("name", PIPELINES)
def test_values_are_those_of_a_component(name):
    """A description may be shorter than the component's, but the values and examples that it names are in the component's, too."""
    own = descriptions(ROOT / "pipelines" / f"{name}.py")
    unknown = {}
    for parameter, text in own.items():
        if theirs := components_with(parameter):
            known = " ".join([*theirs, *(f"{other} {words}" for other, words in own.items() if other != parameter)])
            unknown[parameter] = [literal for literal in _LITERAL.findall(text) if literal not in known]
    assert {parameter: literals for parameter, literals in unknown.items() if literals} == {}
