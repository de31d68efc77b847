"""Paths and fingerprints of artifacts."""

import json
import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from penstock.components.protocol import Input, TaskError, file_sha256, fingerprint, local_path
from penstock.components.protocol.folders import copy_folder, folder_bytes


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("gs://bucket/a/b", "/gcs/bucket/a/b"),
        ("s3://bucket/a", "/s3/bucket/a"),
        ("minio://bucket/a", "/minio/bucket/a"),
        ("file:///data/a", "/data/a"),
        ("/data/a", "/data/a"),
    ],
)
def test_where_backends_mount_uris(uri, path):
    assert local_path(uri) == path
    assert Input.from_runtime_artifact({"name": "n", "uri": uri}).path == Path(path)


def test_a_custom_path_wins():
    artifact = Input.from_runtime_artifact({"uri": "gs://bucket/a", "customPath": "/mnt/a", "metadata": {"rows": 3}})
    assert (artifact.path, artifact.metadata) == (Path("/mnt/a"), {"rows": 3})


def test_a_fingerprint_sees_names_and_contents_and_nothing_else(tmp_path):
    def make(name, files):
        for path, text in files.items():
            file = tmp_path / name / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        return fingerprint(tmp_path / name)

    files = {"b/x": "1", "a": "2"}
    one = make("one", files)
    (tmp_path / "one" / "empty").mkdir()
    assert make("two", dict(reversed(files.items()))) == fingerprint(tmp_path / "one") == one
    assert len({one, make("3", {"b/x": "1", "a": "3"}), make("4", {"b/y": "1", "a": "2"}), make("5", {"b": "1", "a": "2"})}) == 4


def test_a_file_may_be_renamed(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).write_text("same")
    assert fingerprint(tmp_path / "a") == fingerprint(tmp_path / "b")
    assert file_sha256(tmp_path / "a") == "0967115f2813a3541eaef77de9d9d5773f1c0c04314b0bbfe4ff3b3b1c55b5d5"
    with pytest.raises(FileNotFoundError):
        fingerprint(tmp_path / "c")


def _bind_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(os.path.relpath(path))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A folder with weights in it, and others beside it."""
    for name in ("model/variables", "elsewhere"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "weights").write_text(name)
    (tmp_path / "model" / "saved_model.pb").touch()
    return tmp_path / "model"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda place: place.symlink_to(place.parents[1] / "elsewhere"), "is a link"),
        (lambda place: place.symlink_to(place.parents[1] / "elsewhere" / "weights"), "is a link"),
        (lambda place: place.symlink_to("nowhere"), "is a link"),
        (lambda place: place.symlink_to("."), "is a link"),
        (os.mkfifo, "is neither a file nor a folder"),
        (_bind_socket, "is neither a file nor a folder"),
        (lambda place: Path(os.fsdecode(bytes(place) + b"\xff")).touch(), "has a name that is not UTF-8"),
        (lambda place: Path(os.fsdecode(bytes(place) + b"\xff")).mkdir(), "has a name that is not UTF-8"),
    ],
    ids=["folder", "file", "dangling", "circle", "pipe", "socket", "name", "folder-name"],
)
@pytest.mark.parametrize("use", [fingerprint, folder_bytes, lambda folder: copy_folder(folder, folder.parent / "copied")])
@pytest.mark.parametrize("folder", ["", "variables"])
def test_only_files_and_folders_make_an_artifact(
    model: Path, make: Callable[[Path], None], message: str, use: Callable[[Path], object], folder: str
):
    place = model / folder / "extra"
    make(place)
    with pytest.raises(TaskError) as error:
        use(model)
    assert message in str(error.value)
    assert bytes(place).decode(errors="backslashreplace") in str(error.value)
    assert not list(model.parent.glob("copied/**/*"))


def test_an_artifact_is_no_link_itself(model: Path):
    (model.parent / "link").symlink_to(model)
    (model.parent / "file").symlink_to(model / "saved_model.pb")
    for name in ("link", "file"):
        with pytest.raises(TaskError, match="is a link"):
            fingerprint(model.parent / name)


@pytest.fixture
def open_to_all() -> Iterator[Path]:
    """A folder that every account of this machine can enter."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@contextmanager
def as_nobody() -> Iterator[None]:
    """Takes from root the right to read everything."""
    own = os.geteuid()
    os.seteuid(own or 65534)
    try:
        yield
    finally:
        os.seteuid(own)


@pytest.mark.parametrize("name", ["closed", "closed/file"])
def test_what_cannot_be_read_is_not_passed_over(open_to_all: Path, name: str):
    (open_to_all / "closed").mkdir(mode=0o755)
    (open_to_all / "closed" / "file").write_text("weights")
    (open_to_all / name).chmod(0)
    with as_nobody():
        with pytest.raises(PermissionError):
            fingerprint(open_to_all)
        with pytest.raises(TaskError, match=f"cannot be read .*{name}.*Permission denied"):
            _ = Input("", "", open_to_all).fingerprint


def test_whole_numbers_in_metadata_stay_whole():
    """protobuf's Struct knows one kind of number."""
    artifact = Input.from_runtime_artifact({"uri": "x", "metadata": {"span": 3.0, "splits": {"train": 10.0}, "share": 0.5}})
    assert json.dumps(artifact.metadata) == '{"span": 3, "splits": {"train": 10}, "share": 0.5}'


def test_an_input_is_what_its_bytes_are(model: Path):
    found = fingerprint(model)
    assert Input("", "", model).fingerprint == found
    assert Input("", "", model, {"fingerprint": found}).fingerprint == found
    (model / "variables" / "weights").write_text("others")
    for recorded in (found, 7, "", "x"):
        with pytest.raises(TaskError, match="does not match its metadata") as error:
            _ = Input("", "", model, {"fingerprint": recorded}).fingerprint
        assert str(model) in str(error.value)
        assert fingerprint(model)[:12] in str(error.value)


def test_nothing_is_an_empty_folder(tmp_path: Path):
    """Object stores keep no empty folders."""
    nothing = Input("", "", tmp_path / "nothing").fingerprint
    assert nothing == fingerprint(tmp_path)
    assert Input("", "", tmp_path / "nothing", {"fingerprint": nothing}).fingerprint == nothing
    with pytest.raises(TaskError, match=r"the artifact at .*nothing no longer exists"):
        _ = Input("", "", tmp_path / "nothing", {"fingerprint": "0" * 64}).fingerprint
