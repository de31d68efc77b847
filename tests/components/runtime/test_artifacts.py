"""Paths and fingerprints of artifacts."""

import json
from pathlib import Path

import pytest

from penstock.components.runtime import Input, file_sha256, fingerprint, local_path


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


def test_whole_numbers_in_metadata_stay_whole():
    """protobuf's Struct knows one kind of number."""
    artifact = Input.from_runtime_artifact({"uri": "x", "metadata": {"span": 3.0, "splits": {"train": 10.0}, "share": 0.5}})
    assert json.dumps(artifact.metadata) == '{"span": 3, "splits": {"train": 10}, "share": 0.5}'
