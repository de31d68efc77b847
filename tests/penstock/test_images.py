"""What an image promises, asked of the images that are on this machine; and what `penstock images` says to an engine and a registry."""

import json
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import penstock
from penstock.cli.images import Build, Source
from penstock.components.images import FAMILIES, image
from penstock.local.engines import Engine

from ..ports import free_port

ROOT = Path(__file__).resolve().parents[2]
# What a container finds out about its own image, as a user whom no image knows.
_FACTS = """
import importlib.util, json, os, pathlib, shutil, sys
found = pathlib.Path(importlib.util.find_spec("penstock").submodule_search_locations[0])
compiled = [pathlib.Path(importlib.util.cache_from_source(str(file))) for file in found.rglob("*.py")]
print(json.dumps({
    "writable": [str(path) for path in pathlib.Path("/").glob("*") if path.is_dir() and not path.is_symlink() and os.access(path, os.W_OK)],
    "compilers": [name for name in ("cc", "gcc", "g++", "c++", "clang", "ld", "as", "make") if shutil.which(name)],
    "working directory": os.getcwd(),
    "home": str(pathlib.Path.home()),
    "without bytecode": [str(path) for path in compiled if not path.exists()],
    # PEP 552: 1 is "by hash, unchecked"
    "kinds of bytecode": sorted({int.from_bytes(path.open("rb").read(8)[4:], "little") for path in pathlib.Path("/opt").rglob("*.pyc")}),
    "version": __import__("penstock").__version__,
}))
"""
_AS_NOBODY = ["--network", "none", "--read-only", "--tmpfs", "/tmp", "--user", "12345:23456"]


@pytest.fixture(scope="module", params=FAMILIES)
def family(request, container_engine) -> str:
    """Each family whose image is here."""
    if not container_engine.image_id(image(request.param)):
        pytest.skip(f"the image {image(request.param)} is not on this machine; make it: make images")
    return request.param


@pytest.fixture(scope="module")
def configuration(container_engine, family) -> dict[str, Any]:
    """An image's configuration."""
    return json.loads(container_engine.ask("image", "inspect", "--format", "{{json .Config}}", image(family)).stdout)


@pytest.fixture(scope="module")
def facts(container_engine, family) -> dict[str, Any]:
    """What a container of an image says, its root file system read-only."""
    return json.loads(_run(container_engine, family, "python", "-c", _FACTS).stdout)


def _run(engine: Engine, family: str, *command: str) -> subprocess.CompletedProcess[str]:
    done = engine.ask("run", "--rm", *_AS_NOBODY, image(family), *command)
    assert done.returncode == 0, done.stderr
    return done


def test_an_image_is_for_a_user_who_is_not_root_and_for_any_command(configuration):
    assert configuration["User"] == "65532:65532"
    assert configuration["Entrypoint"] == ["/opt/apache/beam/boot"], "kfp's local runner passes a task's whole command as CMD"


def test_an_image_says_what_it_is(configuration, family):
    labels = {name.removeprefix("org.opencontainers.image."): value for name, value in configuration["Labels"].items()}
    assert labels["title"] == f"penstock-{family}"
    assert labels["version"] == penstock.__version__
    assert labels["licenses"] == "Apache-2.0"
    assert labels["source"].startswith("https://")
    assert labels["revision"]
    assert re.match(r"\d{4}-\d\d-\d\dT", labels["created"])


def test_an_image_runs_on_a_read_only_root_as_anyone(facts):
    assert facts["version"] == penstock.__version__
    assert facts["working directory"] == facts["home"] == "/tmp"
    assert set(facts["writable"]) <= {"/tmp", "/dev"}, "Podman makes /dev writable"


def test_an_image_has_no_compiler(facts):
    assert not facts["compilers"]


def test_an_image_has_its_bytecode(facts):
    assert not facts["without bytecode"]
    assert facts["kinds of bytecode"] == [1]


def test_every_component_of_a_family_starts_in_its_image(container_engine, family):
    compiled = (ROOT / "compiled" / "components").glob("*.yaml")
    components = [file.stem for file in compiled if f"image: {image(family)}\n" in file.read_text(encoding="utf-8")]
    assert components
    _run(container_engine, family, "sh", "-ec", "for name in $0; do python -m penstock.components.$name --help; done", " ".join(components))


# What the command line says.


@pytest.mark.parametrize(("is_podman", "dated"), [(True, "--timestamp 0"), (False, "--build-arg SOURCE_DATE_EPOCH=0")])
def test_a_build_is_of_a_commit_and_of_no_time(is_podman, dated, monkeypatch):
    monkeypatch.setenv("PENSTOCK_IMAGE_BUILD_OPTIONS", "--build-arg 'BUILD_PACKAGES=g++ python3-dev'")
    engine = Engine("engine", is_podman, rootless=False)
    command = Build("tf", "registry/penstock-tf:1").command(engine, "production", Source("abc", "1970-01-02T00:00:00Z"))
    assert command[:2] == ["engine", "build"]
    assert command[-1] == "."
    assert {
        "FAMILY=tf",
        "NAME=registry/penstock-tf:1",
        "REVISION=abc",
        "CREATED=1970-01-02T00:00:00Z",
        "BUILD_PACKAGES=g++ python3-dev",
    } <= set(command)
    assert dated in " ".join(command)


def test_only_what_runs_is_named():
    engine = Engine("engine", is_podman=True, rootless=False)
    assert "--tag" not in Build("tf", "registry/penstock-tf:1").command(engine, "test", Source("abc", ""))


def test_the_source_is_a_commit_and_says_when_it_is_more(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert Source.of_checkout() == Source("unknown", "")
    dates = {"GIT_AUTHOR_DATE": "@86400 +0100", "GIT_COMMITTER_DATE": "@86400 +0100"}
    (tmp_path / "file").write_text("one")
    for arguments in (["init", "-q"], ["add", "."], ["-c", "user.name=n", "-c", "user.email=e", "commit", "-q", "-m", "one"]):
        subprocess.run(["git", *arguments], env=os.environ | dates, check=True)
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    assert Source.of_checkout() == Source(commit, "1970-01-02T01:00:00+01:00")
    (tmp_path / "file").write_text("two")
    assert Source.of_checkout() == Source(f"{commit}-dirty", "1970-01-02T01:00:00+01:00")


@pytest.fixture
def registry(tmp_path, monkeypatch) -> Iterator[str]:
    """A registry of this machine, with which Podman is configured to speak plain HTTP; Docker does so by itself."""
    if not (server := shutil.which("docker-registry") or shutil.which("registry")):
        pytest.skip("no registry's server is installed (Debian: docker-registry)")
    port = free_port()
    (tmp_path / "registry.yml").write_text(
        f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {tmp_path}/registry}}}}\nhttp: {{addr: '127.0.0.1:{port}'}}\n"
    )
    (tmp_path / "registries.conf").write_text(f'[[registry]]\nlocation = "localhost:{port}"\ninsecure = true\n')
    monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", str(tmp_path / "registries.conf"))
    process = subprocess.Popen([server, "serve", str(tmp_path / "registry.yml")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 20
        while socket.socket().connect_ex(("127.0.0.1", port)):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield f"localhost:{port}/team"
    finally:
        process.terminate()
        process.wait(90)


def test_a_pushed_image_has_the_digest_that_the_registry_knows_it_by(container_engine, registry, tmp_path):
    (tmp_path / "file").write_text("content")
    archive = shutil.make_archive(str(tmp_path / "layer"), "tar", tmp_path, "file")
    build = Build("deploy", f"{registry}/penstock-deploy:1")
    assert container_engine.ask("import", archive, build.name).returncode == 0
    by_digest = ""
    try:
        by_digest = f"{registry}/penstock-deploy@{build.push(container_engine)}"
        container_engine.ask("rmi", build.name)
        assert not container_engine.image_id(build.name)
        assert container_engine.ask("pull", by_digest).returncode == 0
        assert container_engine.image_id(by_digest)
    finally:
        container_engine.ask("rmi", "--force", build.name, by_digest)
