"""Placing models where destinations read them, with real clients and object stores on this machine."""

import http.server
import json
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from penstock.components.data import filesystems as remote
from penstock.components.data.filesystems import open_store
from penstock.components.protocol import Input, TaskError, fingerprint
from penstock.components.release.release import Release
from penstock.components.release.storage import RecordMissing, kserve_uri, place, read_record

from ....doubles.storage import resolve
from ...conftest import process

NAME = "flights"
PROBE = {"instances": [1], "predictions": [0.5], "tolerance": 1e-6}
PLACE = """
import json, sys
from pathlib import Path
from penstock.components.protocol import Input
from penstock.components.release.release import Release
from penstock.components.release.storage import place
path, storage, release = sys.argv[1:]
print("begin", flush=True)
print(place(Input("model", path, Path(path)), Release(**json.loads(release)), storage, "flights").uri)
"""


@pytest.fixture
def model(tmp_path: Path) -> Input:
    """A model's folder of 60 files; nothing here loads it."""
    folder = tmp_path / "model"
    (folder / "variables").mkdir(parents=True)
    # gcp-storage-emulator parses an upload as mail and takes a "\r" at the end of a file for a part of the boundary.
    (folder / "saved_model.pb").write_bytes(os.urandom(99) + b"\0")
    (folder / "variables" / "data").write_bytes(os.urandom(299_999) + b"\0")
    for number in range(58):
        (folder / "variables" / f"{number}").write_text(f"part {number}")
    return Input("model", str(folder), folder)


@pytest.fixture
def release(model: Input) -> Release:
    return Release(fingerprint(model.path), "3", PROBE)


# MinIO's URIs are those of S3 at another address: one test below shows so, and all of them every night.
@pytest.fixture(params=["gs", "s3", pytest.param("minio", marks=pytest.mark.slow), "pvc"])
def storage(request: pytest.FixtureRequest, bucket: str, tmp_path: Path) -> str:
    """A folder of the test's own in each kind of storage."""
    if request.param == "pvc":
        (Path(os.environ["PENSTOCK_PVC_ROOT"]) / "claim").mkdir(exist_ok=True)
        bucket = "claim"
    return f"{request.param}://{bucket}/{tmp_path.name}"


def listed(uri: str) -> dict[str, Any]:
    """Returns the files at a URI, with what tells whether one was written again."""
    path = uri.replace("pvc://", f"file://{os.environ['PENSTOCK_PVC_ROOT']}/")
    files, root = open_store(path)
    keys = ("generation", "LastModified", "mtime", "ETag")
    return {name[len(root) :]: [info.get(key) for key in keys] for name, info in files.find(root, detail=True).items()}


def test_a_model_lies_there_whole_with_its_record(model: Input, release: Release, storage: str):
    placed = place(model, release, storage, NAME)
    folder = f"{storage}/{NAME}/3-{release.fingerprint[:12]}"
    assert placed.uri == f"{folder}/model"
    assert re.fullmatch(rf"{re.escape(folder)}/release-[0-9a-f]{{12}}\.json", placed.record_uri)
    found = resolve(placed.uri)
    assert found
    assert fingerprint(found) == release.fingerprint
    assert read_record(placed.record_uri) == release


def test_the_same_bytes_are_not_copied_again(model: Input, release: Release, storage: str):
    placed = place(model, release, storage, NAME)
    before = listed(storage)
    time.sleep(1.1)  # some stores keep whole seconds
    assert place(model, release, storage, NAME) == placed
    assert listed(storage) == before
    assert len(before) == 61


def test_a_version_that_is_not_registered(model: Input, release: Release, storage: str):
    placed = place(model, Release(release.fingerprint, "", PROBE), f"{storage}/", NAME)
    assert placed.uri == f"{storage}/{NAME}/{release.fingerprint[:12]}/model"


def test_what_is_not_the_model_is_made_good(model: Input, release: Release, storage: str):
    placed = place(model, release, storage, NAME)
    files, root = open_store(placed.uri.replace("pvc://", f"file://{os.environ['PENSTOCK_PVC_ROOT']}/"))
    files.pipe_file(f"{root}/saved_model.pb", b"x" * 100)
    files.pipe_file(f"{root}/unexpected", b"")
    files.rm_file(f"{root}/variables/7")
    place(model, release, storage, NAME)
    found = resolve(placed.uri)
    assert found
    assert fingerprint(found) == release.fingerprint


def test_a_link_in_a_volume_stands_for_nothing(model: Input, release: Release, bucket: str, tmp_path: Path):
    volume = Path(os.environ["PENSTOCK_PVC_ROOT"]) / "claim"
    volume.mkdir(exist_ok=True)
    storage = f"pvc://claim/{tmp_path.name}"
    there = volume / place(model, release, storage, NAME).uri.removeprefix("pvc://claim/") / "variables"
    there.rename(tmp_path / "elsewhere")
    there.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(TaskError, match="variables is a link"):
        place(model, release, storage, NAME)


@pytest.mark.parametrize("files_there", [1, 60, *(pytest.param(count, marks=pytest.mark.slow) for count in (0, 20, 59))])
def test_killed_in_the_middle_and_run_again(model: Input, release: Release, storage: str, files_there: int, tmp_path: Path):
    """Kills the process that copies as soon as so many files are there; another one finishes."""
    uri = f"{storage}/{NAME}/3-{release.fingerprint[:12]}"
    script = tmp_path / "place.py"
    script.write_text(PLACE)
    with subprocess.Popen(
        **process(str(script), str(model.path), storage, json.dumps(release.__dict__)), stdout=subprocess.PIPE, text=True
    ) as placing:
        assert placing.stdout
        placing.stdout.readline()
        while placing.poll() is None and len(listed(uri)) < files_there:
            time.sleep(0.005)
        placing.send_signal(signal.SIGKILL)
        placing.stdout.read()  # until it has ended: it may be a fork of another one
    left = listed(uri)
    if any("/release-" in name for name in left):  # it was faster than the signal: then all is there
        assert len(left) == 61
    else:
        with pytest.raises(RecordMissing, match=r"release-0\.json is missing"):
            read_record(f"{uri}/release-0.json")
    placed = place(model, release, storage, NAME)
    found = resolve(placed.uri)
    assert found
    assert fingerprint(found) == release.fingerprint
    assert read_record(placed.record_uri) == release


@pytest.mark.parametrize("scheme", ["gs", "s3", "minio"])
def test_an_artifact_that_is_in_a_bucket_already(model: Input, release: Release, bucket: str, scheme: str, tmp_path: Path):
    uri = f"{scheme}://{bucket}/{tmp_path.name}/artifact"
    files, root = open_store(uri)
    files.put(f"{model.path}/", f"{root}/", recursive=True)
    there = Input("model", f"{uri}/", model.path)
    placed = place(there, release, "", NAME)
    assert placed.uri == uri
    assert re.fullmatch(rf"{re.escape(uri)}\.release-[0-9a-f]{{12}}\.json", placed.record_uri)
    assert read_record(placed.record_uri) == release
    served = resolve(kserve_uri(placed.uri))
    assert served
    assert fingerprint(served) == release.fingerprint, "the record beside it is fetched as well"
    files.pipe_file(f"{root}/saved_model.pb", b"changed")
    with pytest.raises(TaskError, match="are not the bytes of the model"):
        place(there, release, "", NAME)


def test_what_cannot_be_used(model: Input, release: Release, bucket: str):
    for storage, message in [
        ("", "add storage=gs://"),
        ("/models", "is invalid; give gs://"),
        ("ftp://host/models", "is invalid; give gs://"),
        ("pvc://absent/models", "claim 'absent' .* is not mounted in this task; mount it at .*/absent"),
        ("pvc:///models", "is not mounted"),
        (f"gs://no-{bucket}/models", "make the bucket"),
        (f"s3://no-{bucket}/models", "make the bucket"),
    ]:
        with pytest.raises(TaskError, match=message) as raised:
            place(model, release, storage, NAME)
        assert len(str(raised.value).splitlines()) == 1


def test_records_that_are_none(bucket: str, tmp_path: Path):
    uri = f"s3://{bucket}/{tmp_path.name}.json"
    with pytest.raises(RecordMissing):
        read_record(uri)
    files, path = open_store(uri)
    for content in (
        b"",
        b"[]",
        b"{}",
        b'{"fingerprint": 1}',
        b'{"fingerprint": "1", "probe": []}',
        b'{"fingerprint": "1", "probe": {"a": 1}}',
    ):
        files.pipe_file(path, content)
        with pytest.raises(TaskError, match=f"the record {uri} .*; push the model again"):
            read_record(uri)


def test_a_record_keeps_what_a_newer_version_has_written(model: Input, release: Release, bucket: str):
    placed = place(model, release, f"gs://{bucket}/growing", NAME)
    files, path = open_store(placed.record_uri)
    written = json.loads(files.cat_file(path))
    assert written["schema"] == 1
    files.pipe_file(path, json.dumps(written | {"tomorrow": {"deep": None}}).encode())
    assert read_record(placed.record_uri).unknown == {"tomorrow": {"deep": None}}
    place(model, Release(release.fingerprint, "4", PROBE), f"gs://{bucket}/growing", NAME)
    place(model, release, f"gs://{bucket}/growing", NAME)
    assert json.loads(files.cat_file(path))["tomorrow"] == {"deep": None}
    files.pipe_file(path, b'{"schema": 2}')
    with pytest.raises(TaskError, match="upgrade Penstock"):
        place(model, release, f"gs://{bucket}/growing", NAME)
    assert files.cat_file(path) == b'{"schema": 2}'
    files.pipe_file(path, b"cut o")
    assert read_record(place(model, release, f"gs://{bucket}/growing", NAME).record_uri) == release


def test_minio_must_say_where_it_is(model: Input, release: Release, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("AWS_ENDPOINT_URL_S3", raising=False)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with pytest.raises(TaskError, match="set AWS_ENDPOINT_URL_S3"):
        place(model, release, "minio://bucket/models", NAME)


def test_a_volume_that_is_full(model: Input, release: Release, mount_disk: Callable[[Path, str], Path], tmp_path: Path, monkeypatch):
    mount_disk(tmp_path / "claim", "128k")
    monkeypatch.setenv("PENSTOCK_PVC_ROOT", str(tmp_path))
    with pytest.raises(TaskError, match="make room there"):
        place(model, release, "pvc://claim/models", NAME)
    assert not list((tmp_path / "claim").rglob("release-*.json"))


def test_kserve_knows_minio_as_s3():
    assert [kserve_uri(uri) for uri in ("minio://b/m", "s3://b/m", "gs://b/m", "pvc://c/m")] == [
        "s3://b/m/",
        "s3://b/m/",
        "gs://b/m",
        "pvc://c/m",
    ]


class _Refusing(http.server.BaseHTTPRequestHandler):
    """A store that answers everything in the same way; status 0: never."""

    status = 403
    body = b""

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if not self.status:
            time.sleep(30)
            return
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body if self.command != "HEAD" else b"")

    do_GET = do_PUT = do_POST = do_HEAD = _answer

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def refuse(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int, bytes], None]]:
    """Puts a store that refuses in the place of both."""
    servers = []

    def start(status: int, body: bytes) -> None:
        handler = type("Handler", (_Refusing,), {"status": status, "body": body})
        servers.append(server := http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler))
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for name in ("STORAGE_EMULATOR_HOST", "AWS_ENDPOINT_URL_S3"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{server.server_port}")
        open_store("s3://bucket")[0].clear_instance_cache()  # clients keep the endpoint that they were made with

    yield start
    open_store("s3://bucket")[0].clear_instance_cache()
    for server in servers:
        server.shutdown()
        server.server_close()


GCS_ERROR = json.dumps({"error": {"code": 403, "message": "pusher does not have storage.objects.list access"}}).encode()
S3_ERROR = b"<?xml version='1.0'?><Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"


@pytest.mark.parametrize(("scheme", "body"), [("gs", GCS_ERROR), ("s3", S3_ERROR)])
def test_no_permission(model: Input, release: Release, bucket: str, refuse: Callable[..., None], scheme: str, body: bytes):
    refuse(403, body)
    with pytest.raises(TaskError, match="permit this task's account to list, read and write objects there") as raised:
        place(model, release, f"{scheme}://{bucket}/models", NAME)
    assert len(str(raised.value).splitlines()) == 1
    with pytest.raises(TaskError, match="permit this task's account"):
        read_record(f"{scheme}://{bucket}/release.json")


@pytest.mark.parametrize("scheme", ["gs", "s3"])
def test_a_store_that_hangs(
    model: Input, release: Release, bucket: str, refuse: Callable[..., None], scheme: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(remote, "ANSWER_SECONDS", 0.4)
    refuse(0, b"")
    started = time.monotonic()
    with pytest.raises(TaskError, match="check that the store can be reached"):
        place(model, release, f"{scheme}://{bucket}/models", NAME)
    assert time.monotonic() - started < 25


def test_no_credentials(model: Input, release: Release, bucket: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    open_store("s3://bucket")[0].clear_instance_cache()
    with pytest.raises(TaskError, match="give this task's account credentials"):
        place(model, release, f"s3://{bucket}/models", NAME)
