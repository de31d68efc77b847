"""What kfp does not document is used in the adapter alone, and only as long as kfp does not document it."""

import ast
import importlib
import importlib.util
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import kfp_server_api
import pytest
from kfp import compiler
from kfp.client import Client
from kfp.compiler import pipeline_spec_builder

from penstock.kfp_adapter import client, pipeline_spec
from penstock.kfp_adapter import dsl as private_dsl

from ..test_dependencies import ROOT, imports_of, modules

PUBLIC = ("kfp.client", "kfp.compiler", "kfp.components", "kfp.dsl", "kfp.kubernetes", "kfp.local")
ADAPTER = "penstock.kfp_adapter"
_TEST = re.compile(r"def (test_\w+)")


def test_only_the_adapter_uses_what_kfp_does_not_document():
    used = {(module, name) for module, file in modules().items() for name in names_of_kfp(file.read_text(encoding="utf-8"))}
    assert {(module, name) for module, name in used if not is_public(name) and not f"{module}.".startswith(f"{ADAPTER}.")} == set()


@pytest.mark.parametrize(
    ("code", "used"),
    [
        ("from kfp.local import io", "kfp.local.io"),
        ("def later():\n    from kfp.dsl import executor", "kfp.dsl.executor"),
        ("from kfp import dsl\ndsl.structures.X", "kfp.dsl.structures"),
        ("from kfp import local as l\nl._private()", "kfp.local._private"),
    ],
)
def test_private_use_is_seen(code, used):
    assert [name for name in names_of_kfp(code) if not is_public(name)] == [used]


def test_the_tests_that_the_adapter_names_exist():
    tests = {name for file in (ROOT / "tests" / "penstock").rglob("test_*.py") for name in _TEST.findall(file.read_text(encoding="utf-8"))}
    files = [file for module, file in modules().items() if f"{module}.".startswith(f"{ADAPTER}.")]
    assert {name for file in files for name in re.findall(r"\btest_\w+(?!\.py)\b", file.read_text(encoding="utf-8"))} - tests == set()


@pytest.mark.parametrize("name", [*private_dsl.__all__, *pipeline_spec.__all__, *client.__all__])
def test_kfp_does_not_export(name):
    """When this fails, import the name from where kfp exports it, and remove it from the adapter."""
    assert not [place for place in PUBLIC if name in exported(place)]


def test_importing_kfp_imports_its_client():
    """When this fails, `import kfp` is quick, and `lazy_import` can go."""
    kfp = importlib.util.find_spec("kfp")
    assert "kfp.client.Client" in imports_of(Path(kfp.origin).read_text(encoding="utf-8"), "kfp")


def test_the_header_keeps_the_order_of_a_map():
    """When this fails, kfp sorts what it says at the head of a file, and `compiler.HEADER` can go."""
    parameter = {"parameterType": "STRUCT", "defaultValue": {"b": 1, "a": 2}}
    header = pipeline_spec_builder.extract_comments_from_pipeline_spec(
        {"pipelineInfo": {"name": "p"}, "root": {"inputDefinitions": {"parameters": {"x": parameter}}}}, ""
    )
    assert "{'b': 1, 'a': 2}" in header


def test_the_compiler_has_no_hook():
    """When this fails, see whether the new argument lets a caller change what is written: then `compiler.OVERRIDE` can go."""
    assert set(inspect.signature(compiler.Compiler.compile).parameters) <= {
        "self",
        "pipeline_func",
        "package_path",
        "pipeline_name",
        "pipeline_display_name",
        "pipeline_parameters",
        "type_check",
        "kubernetes_manifest_options",
        "kubernetes_manifest_format",
    }


def test_the_client_does_not_say_where_its_namespace_is():
    """When this fails, `client.context_file` and `client.pod_namespace_file` can go."""
    assert not {"context_file", "namespace_path", "local_context"} & {*dir(Client)}
    assert client.context_file().name == "context.json"


def names_of_kfp(code: str) -> Iterator[str]:
    """Yields the dotted names of what code takes from kfp: by an import, or as an attribute of a module that it imports."""
    tree = ast.parse(code)
    aliases = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level and f"{node.module}.".startswith("kfp."):
            for alias in node.names:
                aliases[alias.asname or alias.name] = f"{node.module}.{alias.name}"
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if f"{alias.name}.".startswith("kfp."))
    yield from aliases.values()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and aliases.get(node.value.id) in PUBLIC:
            yield f"{aliases[node.value.id]}.{node.attr}"


def is_public(name: str) -> bool:
    """Tells whether kfp documents a name: a module, or what one exports."""
    module, _, attribute = name.rpartition(".")
    return name in PUBLIC or name == "kfp" or (module in PUBLIC and attribute in exported(module))


def exported(module: str) -> list[str]:
    """Returns what a module exports."""
    return importlib.import_module(module).__all__


def test_each_object_of_an_answer_makes_a_configuration(monkeypatch):
    made = []
    monkeypatch.setattr(kfp_server_api.Configuration, "__init__", lambda self: made.append(self))
    kfp_server_api.V2beta1Run(), kfp_server_api.V2beta1RuntimeStatus()
    assert len(made) == 2
