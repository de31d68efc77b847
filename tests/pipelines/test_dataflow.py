"""The components on Dataflow: what Beam's own client submits, and what comes of it where no worker sees a file of this machine.

tfdv 1.16, for older systems, comes without the client for Dataflow.
"""

import base64
import binascii
import bz2
import json
import re
import shlex
import subprocess
import urllib.parse
import urllib.request
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from penstock.local.envs import environment, lock_name
from penstock.local.task_code import module_variables

from ..doubles import google_storage
from ..doubles.dataflow import Dataflow, serve
from ..families import ROOT, variables
from ..scale_out.comparing import compare
from ..scale_out.steps import QUIET, STEPS, Run, make_table, run

pytestmark = pytest.mark.slow
BUCKET = "penstock"
IMAGE = "registry.example.com/penstock-tf:1"
ROWS = 6000
_EMULATOR = "STORAGE_EMULATOR_HOST"
_SUBMITTED = (
    "ingest_examples",
    "transform_examples",
    "evaluate_model",
    *(["validate_examples"] if lock_name("tfdv") == "requirements.txt" else []),
)
# Beam pickles what a worker calls, compresses it, and writes it as base64.
_PACKED = re.compile(rb"[A-Za-z0-9+/]{40,}={0,2}")


@contextmanager
def storage(folder: Path) -> Iterator[dict[str, str]]:
    """Gives the environment variables that lead every client to a Cloud Storage with a bucket."""
    item = environment("deploy")
    paths = f"{variables(item)['PYTHONPATH']}:{ROOT}"
    command = [item.python, "-m", "tests.doubles.storage", BUCKET]
    with subprocess.Popen(command, env=module_variables({}) | {"PYTHONPATH": paths}, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        found = (shlex.split(line.removeprefix("export "))[0].partition("=") for line in process.stdout)
        address = next(value for name, _, value in found if name == _EMULATOR)
        try:
            with google_storage.serve(address, folder) as variables_of_tensorflow:
                yield {_EMULATOR: address} | variables_of_tensorflow
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with storage(tmp_path_factory.mktemp("storage")) as found:
        yield found


@pytest.fixture
def bucket(stored: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> str:
    for name, value in stored.items():
        monkeypatch.setenv(name, value)
    return stored[_EMULATOR]


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """Every step on a few flights, in one process."""
    folder = tmp_path_factory.mktemp("here")
    flights = make_table(folder / "flights", "sample", ROWS)
    made: dict[str, Run] = {}
    for step in STEPS:
        made[step.name] = run(step, folder, flights, made)
    return made


def upload(bucket: str, folder: Path, prefix: str) -> None:
    for file in (path for path in folder.rglob("*") if path.is_file()):
        name = urllib.parse.quote(f"{prefix}/{file.relative_to(folder)}", safe="")
        url = f"{bucket}/upload/storage/v1/b/{BUCKET}/o?uploadType=media&name={name}"
        urllib.request.urlopen(urllib.request.Request(url, data=file.read_bytes(), method="POST")).close()


def read(bucket: str, uri: str) -> bytes:
    name = urllib.parse.quote(uri.removeprefix(f"gs://{BUCKET}/"), safe="")
    with urllib.request.urlopen(f"{bucket}/storage/v1/b/{BUCKET}/o/{name}?alt=media") as answer:
        return answer.read()


def download(bucket: str, prefix: str, folder: Path) -> None:
    with urllib.request.urlopen(f"{bucket}/storage/v1/b/{BUCKET}/o?prefix={prefix}/&maxResults=1000") as answer:
        names = [item["name"] for item in json.load(answer).get("items", [])]
    for name in names:
        path = folder / name.removeprefix(f"{prefix}/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(read(bucket, f"gs://{BUCKET}/{name}"))


def unpacked(content: bytes) -> bytes:
    """Returns everything that Beam has packed in some bytes."""
    found = []
    for packed in _PACKED.findall(content):
        for decompress in (bz2.decompress, zlib.decompress):
            try:
                found.append(decompress(base64.b64decode(packed)))
            except (OSError, ValueError, zlib.error, binascii.Error, EOFError):
                continue
    return b"\n".join(found)


@pytest.mark.parametrize("name", _SUBMITTED)
def test_no_transform_names_a_local_path(name: str, here: dict[str, Run], bucket: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("PENSTOCK_IMAGE", IMAGE)
    step = next(step for step in STEPS if step.name == name)
    upload(bucket, here["ingest_examples"].folder.parent / "flights", "raw")
    for other, _ in step.inputs.values():
        upload(bucket, here[other].folder, f"root/here/{other}")
    roots = {here[name].folder.parent: "here", tmp_path / "there": f"there-{name}"}

    def uri(path: Path) -> str:
        root = next(root for root in roots if path.is_relative_to(root))
        return f"gs://{BUCKET}/root/{roots[root]}/{path.relative_to(root)}"

    with serve([str(environment(step.family).python)], module_variables(QUIET), tmp_path / "dataflow") as service:
        there = run(step, tmp_path / "there", f"gs://{BUCKET}/raw", here, options(service), uri)
        download(bucket, f"root/there-{name}/{name}", there.folder)
        assert service.jobs
        assert {job.image for job in service.jobs} == {IMAGE}
        for job in service.jobs:
            graph = read(bucket, job.pipeline)
            assert b"penstock.components" in unpacked(graph)
            places = [*map(str, roots), str(tmp_path)]
            assert [place for place in places if place.encode() in graph + unpacked(graph)] == []
    assert [row for row in compare(name, here[name], there) if not row.good] == []


def options(service: Dataflow) -> list[str]:
    return [
        "--runner=DataflowRunner",
        "--project=a-project",
        "--region=us-central1",
        f"--temp_location=gs://{BUCKET}/temp",
        f"--dataflow_endpoint={service.endpoint}",
        "--no_auth",
    ]
