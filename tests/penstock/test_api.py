"""The public Python API: what docs/api.md and each package's `__all__` promise."""

import ast
import importlib
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import penstock.components
import penstock.lint
import penstock.pipelines

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
PUBLIC = ["penstock", "penstock.components", "penstock.pipelines", "penstock.lint"]


def _python(code: str, folder: Path) -> str:
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", PUBLIC)
def test_all_is_true(name, tmp_path):
    package = importlib.import_module(name)
    assert package.__doc__
    assert f"`{name}" in PAGE
    assert len({*package.__all__}) == len(package.__all__)
    _python(f"from {name} import *\nimport {name} as package\nassert {{*package.__all__}} <= {{*globals()}}", tmp_path)


def test_every_pipeline_is_public():
    assert {module.name for module in pkgutil.iter_modules(penstock.pipelines.__path__)} == {*penstock.pipelines.__all__}


def test_a_type_checker_sees_every_component():
    tree = ast.parse((ROOT / "components" / "__init__.py").read_text(encoding="utf-8"))
    [checked] = [node.body for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    assert {ast.unparse(node) for node in checked} == {f"from .{name}.component import {name}" for name in penstock.components.__all__}


def test_nothing_imports_kfp_before_a_component_is_asked_for(tmp_path):
    code = "import sys, penstock.components, penstock.pipelines, penstock.cli\nassert 'kfp' not in sys.modules\nfrom penstock.components import {0}\n"
    _python(f"{code.format('push_model')}assert 'kfp' in sys.modules", tmp_path)


def test_the_components_reference_leaves_the_components_in_their_place(tmp_path):
    _python(
        "from penstock.compile.reference import summaries\nsummaries()\nfrom penstock.components import push_model\npush_model.component_spec",
        tmp_path,
    )


@pytest.mark.parametrize(("module", "name"), re.findall(r"`from (\S+) import (\w+)`", PAGE))
def test_the_page_names_what_is_there(module, name):
    assert getattr(importlib.import_module(module), name).__doc__


def test_the_reference_renders_what_is_public():
    reference = (ROOT / "docs" / "site" / "reference.md").read_text(encoding="utf-8")
    assert {*re.search(r"members: \[(.*?)\]", reference)[1].split(", ")} == {*penstock.lint.__all__}
    assert all(f"::: penstock.pipelines.{name}." in reference for name in penstock.pipelines.__all__)


def test_the_version_is_semantic():
    assert re.fullmatch(r"\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?", penstock.__version__)


def test_the_example_of_the_page_compiles(tmp_path):
    _python(re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)[1], tmp_path)
    assert "name: churn" in (tmp_path / "churn.yaml").read_text(encoding="utf-8")
