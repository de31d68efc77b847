"""ingest_examples reads Delta and Iceberg tables in buckets, through the clients of their own libraries."""

import os
import urllib.request
from collections.abc import Callable, Iterator

import fsspec
import pyarrow as pa
import pytest
from deltalake import write_deltalake
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.table import Table

from .examples import column

ROWS, MORE = pa.table({"id": [1, 2, 3]}), pa.table({"id": [4, 5]})


@pytest.fixture
def delta(bucket_elsewhere, tmp_path) -> str:
    """The path of a Delta table with two versions in S3's bucket."""
    path = f"{bucket_elsewhere}/{tmp_path.name}/flights"
    options = {"aws_endpoint": os.environ["AWS_ENDPOINT_URL_S3"], "aws_allow_http": "true"}
    for some in (ROWS, MORE):
        write_deltalake(f"s3://{path}", some, mode="append", storage_options=options)
    return path


@pytest.fixture
def delta_on_google(delta, monkeypatch) -> str:
    """The URI of that table in Cloud Storage.

    delta-rs speaks Cloud Storage's XML API, which is S3's; the emulator has only the JSON API.
    """
    monkeypatch.setenv("GOOGLE_BASE_URL", os.environ["AWS_ENDPOINT_URL_S3"])
    monkeypatch.setenv("GOOGLE_SKIP_SIGNATURE", "true")
    return f"delta://gs://{delta}"


@pytest.fixture
def make_iceberg(bucket_elsewhere, tmp_path, monkeypatch) -> Callable[[str], Table]:
    """Makes an Iceberg table with two snapshots in a store's bucket, and a catalog `air` that has it."""

    def make(scheme: str) -> Table:
        uri = f"sqlite:///{tmp_path}/catalog.db"
        monkeypatch.setenv("PYICEBERG_CATALOG__AIR__TYPE", "sql")
        monkeypatch.setenv("PYICEBERG_CATALOG__AIR__URI", uri)
        store = {
            "s3": {"s3.endpoint": os.environ["AWS_ENDPOINT_URL_S3"], "s3.region": "us-east-1"},
            "gs": {"py-io-impl": "pyiceberg.io.fsspec.FsspecFileIO", "gcs.oauth2.token": "anon"},
        }
        catalog = SqlCatalog("air", uri=uri, warehouse=f"{scheme}://{bucket_elsewhere}/{tmp_path.name}", **store[scheme])
        catalog.create_namespace("us")
        table = catalog.create_table("us.flights", ROWS.schema)
        for some in (ROWS, MORE):
            table.append(some)
        return table

    return make


@pytest.fixture
def no_access(bucket_elsewhere) -> Iterator[None]:
    """S3 refuses every request, as no user has the key."""

    def let(requests: bytes) -> None:
        url = f"{os.environ['AWS_ENDPOINT_URL_S3']}/moto-api/reset-auth"
        with urllib.request.urlopen(urllib.request.Request(url, requests, {"Content-Type": "text/plain"}), timeout=60):
            pass

    let(b"0")
    yield
    let(b"inf")


def test_a_delta_table_in_s3(delta, ingest):
    assert column(ingest(f"delta://s3://{delta}?version=0"), "id") == [1, 2, 3]
    latest = ingest(f"minio://{delta}")
    assert sorted(column(latest, "id")) == [1, 2, 3, 4, 5]
    assert latest.metadata["examples"]["source"]["uri"] == f"delta://minio://{delta}?version=1"


def test_a_delta_table_in_cloud_storage(delta, delta_on_google, ingest, fail):
    error = fail(delta_on_google)
    assert f"the table {delta_on_google} cannot be opened (OSError: Kernel error -> The operation lacked the necessary privileges" in error
    assert "\x1b" not in error
    assert error.endswith("; correct input_uri or give access")
    fsspec.filesystem("s3").chmod(delta, "public-read", recursive=True)
    found = ingest(f"{delta_on_google}?version=0")
    assert column(found, "id") == [1, 2, 3]
    assert found.metadata["examples"]["source"]["uri"] == f"{delta_on_google}?version=0"


@pytest.mark.parametrize("scheme", ["s3", "gs"])
def test_an_iceberg_table(scheme, make_iceberg, ingest, caplog):
    table = make_iceberg(scheme)
    first, _ = table.snapshots()
    assert table.metadata_location.startswith(f"{scheme}://")
    assert column(ingest(f"iceberg://{table.metadata_location}?snapshot_id={first.snapshot_id}"), "id") == [1, 2, 3]
    assert sorted(column(ingest("iceberg://air/us.flights"), "id")) == [1, 2, 3, 4, 5]
    assert "region" not in caplog.text  # Amazon does not know the buckets of another S3


@pytest.mark.usefixtures("no_access")
def test_no_access_is_one_line(bucket_elsewhere, fail):
    assert "lacked the necessary privileges" in fail(f"delta://s3://{bucket_elsewhere}/flights")
    error = fail(f"s3://{bucket_elsewhere}/flights.metadata.json")
    assert "AWS Error ACCESS_DENIED" in error
    assert error.endswith("; correct input_uri or give access")


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("delta://s3://nowhere/flights", "404 Not Found"),
        ("s3://nowhere/flights.metadata.json", "there is no Iceberg metadata file s3://nowhere/flights.metadata.json; correct input_uri"),
        ("gs://nowhere/flights.metadata.json", "there is no Iceberg metadata file gs://nowhere/flights.metadata.json; correct input_uri"),
    ],
)
@pytest.mark.usefixtures("bucket_elsewhere")
def test_a_bucket_that_does_not_exist_is_one_line(fail, uri, message):
    assert message in fail(uri)
