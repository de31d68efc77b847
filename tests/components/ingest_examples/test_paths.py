"""A path that exists is that file or folder, whatever its characters."""

import fsspec
import pytest

from .examples import column, write

NAMES = [
    "data[1].csv",
    "a*b.csv",
    "a?b.csv",
    "a b.csv",
    "a#b.csv",
    "a%20b.csv",
    "ü😀.csv",
    "day-{SPAN}.csv",
    "{x}.csv",
    "a::b.csv",
    "~a.csv",
    "[a].csv",
]


@pytest.mark.parametrize("name", NAMES)
def test_files_and_folders(tmp_path, ingest, name):
    folder = tmp_path / name.removesuffix(".csv") / "in"
    write(folder / name, "x\n1\n")
    write(folder / "a1b.csv", "x\n2\n")
    assert column(ingest(folder / name), "x") == [1]
    assert sorted(column(ingest(folder), "x")) == [1, 2]
    assert column(ingest(folder / "a[0-9]b.csv"), "x") == [2]


@pytest.mark.parametrize("name", [name for name in NAMES if "::" not in name])
def test_in_a_bucket(ingest, name):
    folder = f"memory://bucket/{name.removesuffix('.csv')}"
    for file, value in ((name, 1), ("a1b.csv", 2)):
        with fsspec.filesystem("memory").open(f"{folder}/{file}", "w") as stream:
            stream.write(f"x\n{value}\n")
    assert column(ingest(f"{folder}/{name}"), "x") == [1]
    assert sorted(column(ingest(folder), "x")) == [1, 2]
    assert column(ingest(f"{folder}/a[0-9]b.csv"), "x") == [2]


def test_minio_is_s3_at_the_endpoint_that_is_named(fail, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "unknown")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "nothing")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.delenv("AWS_ENDPOINT_URL_S3", raising=False)
    assert "minio://bucket/rows.csv: the address of MinIO is unknown; set AWS_ENDPOINT_URL_S3" in fail("minio://bucket/rows.csv")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    assert "http://127.0.0.1:9/bucket/rows.csv" in fail("minio://bucket/rows.csv")


def test_the_home_of_an_unknown_user_is_a_path_that_matches_no_file(fail):
    assert "input_uri matches no file" in fail("~no-such-user/rows.csv")
