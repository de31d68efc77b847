"""Which images the compiled YAML names."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

import penstock as package
from penstock.components.images import FAMILIES

ROOT = Path(__file__).resolve().parents[3]
DIGESTS = {family: f"sha256:{number:064x}" for number, family in enumerate(FAMILIES)}


@pytest.fixture
def compiled(tmp_path):
    """A checkout's generated files, and what they are generated from."""
    for name in ("components", "compiled"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "README.md", tmp_path)
    return tmp_path / "compiled"


def _images(folder: Path) -> set[str]:
    specs = [yaml.safe_load(file.read_text())["deploymentSpec"]["executors"] for file in folder.rglob("*.yaml")]
    return {executor["container"]["image"] for executors in specs for executor in executors.values() if "container" in executor}


def test_another_registry_and_tag(penstock, compiled):
    assert penstock("compile", "--registry", "localhost:5000/team", "--tag", "1.2").returncode == 0
    assert _images(compiled) == {f"localhost:5000/team/penstock-{family}:1.2" for family in FAMILIES}


def test_the_digests_of_a_release(penstock, compiled, tmp_path):
    file = tmp_path / "digests.json"
    file.write_text(json.dumps(DIGESTS))
    assert penstock("compile", "--digests", str(file)).returncode == 0
    assert _images(compiled) == {f"ghcr.io/penstock/penstock-{family}@{digest}" for family, digest in DIGESTS.items()}
    assert penstock("compile", "--check", "--digests", str(file)).returncode == 0
    assert penstock("compile").returncode == 0
    assert _images(compiled) == {f"ghcr.io/penstock/penstock-{family}:{package.__version__}" for family in FAMILIES}


@pytest.mark.parametrize("given", [{}, [], DIGESTS | {"tf": "latest"}, {"tf": DIGESTS["tf"]}])
def test_digests_that_are_not_whole_change_nothing(penstock, compiled, tmp_path, given):
    file = tmp_path / "digests.json"
    file.write_text(json.dumps(given))
    before = _images(compiled)
    done = penstock("compile", "--digests", str(file))
    assert done.returncode == 1
    assert "must contain a digest for each family" in done.stderr
    assert _images(compiled) == before


def test_a_tag_and_digests_are_refused(penstock, compiled):
    assert penstock("compile", "--tag", "1", "--digests", "digests.json").returncode == 2


def test_images_are_built_in_a_checkout_only(penstock):
    done = penstock("images", "build", "--family", "deploy")
    assert done.returncode == 1
    assert "not a checkout of Penstock" in done.stderr


def test_digests_are_the_registrys(penstock, tmp_path):
    assert penstock("images", "build", "--digests", str(tmp_path / "digests.json")).returncode == 2
