"""ingest_examples reads what lakeFS has at a commit. `PENSTOCK_LAKEFS_URL` and lakeFS's own variables lead these tests to a real server."""

import io
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake

from .examples import column, kinds, moving_on, rows
from .lakefs_repository import VARIABLES, Repository, environment

ON_BEAM = {"beam_pipeline_args": ["--runner=DirectRunner"]}


@pytest.fixture(scope="module")
def server() -> Iterator[dict[str, str]]:
    """The environment of lakeFS's clients."""
    with environment() as variables:
        yield variables


@pytest.fixture
def flights(server, monkeypatch) -> Repository:
    """A repository with a commit of two rows."""
    for name, value in server.items():
        monkeypatch.setenv(name, value)
    repository = Repository.make()
    repository.commit(a=b"x,y\n1,a\n2,b\n")
    return repository


def test_the_latest_commit_of_a_branch_is_in_the_metadata(flights, ingest):
    commit = flights.commit(b=b"x,y\n3,c\n")
    latest = ingest(flights.uri("main"))
    source = latest.metadata["examples"]["source"]
    assert source | {"committed": ""} == {
        "format": "lakefs",
        "uri": flights.uri(commit),
        "repository": flights.name,
        "commit": commit,
        "committed": "",
    }
    assert source["committed"].endswith(".000+00:00")
    assert [each["uri"] for each in latest.metadata["examples"]["sources"]] == [flights.uri(commit, f"flights/{name}.csv") for name in "ab"]
    flights.commit(c=b"x,y\n4,d\n")
    for again in (source["uri"], flights.uri(commit[:12]), flights.uri("main~1")):
        assert ingest(again).metadata == latest.metadata
    assert column(ingest(flights.uri("main")), "x") == [1, 2, 3, 4]


def test_a_tag(flights, ingest):
    flights.post(f"/{flights.name}/tags", json={"id": "v1.0", "ref": "main"})
    flights.commit(b=b"x,y\n3,c\n")
    assert column(ingest(flights.uri("v1.0")), "x") == [1, 2]


def test_what_is_not_committed_is_not_read(flights, ingest):
    before = ingest(flights.uri("main"))
    flights.write("flights/a.csv", b"x,y\n5,e\n")
    flights.write("flights/b.csv", b"x,y\n6,f\n")
    assert ingest(flights.uri("main")).metadata == before.metadata


@pytest.mark.parametrize("options", [{}, pytest.param(ON_BEAM, marks=pytest.mark.slow)], ids=["here", "beam"])
def test_a_branch_that_moves_on_while_it_is_read_changes_nothing(flights, ingest, options):
    before = ingest(flights.uri("main"))
    with moving_on(lambda: flights.commit(a=b"x,y\n7,g\n")):
        assert ingest(flights.uri("main"), **options).metadata == before.metadata


def test_columns_rows_folders_and_spans(flights, ingest):
    for day in (1, 2):
        for country in ("DE", "FR"):
            flights.write(f"by-day/span-{day}/country={country}/a.csv", f"x,y\n{day},a\n{day + 10},b\n".encode())
    commit = flights.commit()
    found = ingest(flights.uri("main", "by-day/span-{SPAN}/*/*.csv"), columns=["x"], row_filter=[["country", "=", "FR"], ["x", ">", 2]])
    assert (rows(found), found.parameters["span"]) == ([{"x": 12}], 2)
    assert found.metadata["examples"]["source"]["uri"] == flights.uri(commit, "by-day/span-{SPAN}/*/*.csv")
    assert found.metadata["examples"]["source"]["columns"] == ["x"]


def test_a_whole_repository_in_parquet(flights, ingest):
    flights.post("", json={"name": f"{flights.name}-whole", "storage_namespace": f"local://{flights.name}-whole"})
    whole = Repository(f"{flights.name}-whole")
    for number in range(3):
        file = io.BytesIO()
        pq.write_table(pa.table({"x": [number]}), file)
        whole.write(f"{number}/a ü&b.parquet", file.getvalue())
    commit = whole.commit()
    found = ingest(f"lakefs://{whole.name}/main")
    assert column(found, "x") == [0, 1, 2]
    assert found.metadata["examples"]["sources"][0]["uri"] == f"lakefs://{whole.name}/{commit}/0/a ü&b.parquet"


def test_a_delta_table_has_both_versions(flights, ingest, tmp_path):
    for number in range(2):
        write_deltalake(tmp_path / "table", pa.table({"x": [number]}), mode="append")
    for file in sorted(Path(tmp_path / "table").rglob("*")):
        if file.is_file():
            flights.write(f"table/{file.relative_to(tmp_path / 'table')}", file.read_bytes())
    commit = flights.commit()
    found = ingest(flights.uri("main", "table"))
    source = found.metadata["examples"]["source"]
    assert sorted(column(found, "x")) == [0, 1]
    assert source | {"committed": ""} == {
        "format": "delta",
        "uri": f"delta://{flights.uri(commit, 'table')}?version=1",
        "repository": flights.name,
        "commit": commit,
        "table_id": str(DeltaTable(tmp_path / "table").metadata().id),
        "version": 1,
        "committed": "",
    }
    assert ingest(source["uri"]).metadata == found.metadata
    first = ingest(f"delta://{flights.uri('main', 'table')}?version=0")
    assert (column(first, "x"), kinds(first)) == ([0], {"x": "int64"})


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("", "names no ref; give lakefs://REPOSITORY/REF/PATH"),
        ("/nothing/flights", "/nothing (ref: not found); give lakefs://REPOSITORY/REF/PATH"),
        ("/main$/flights", "give lakefs://REPOSITORY/REF/PATH, where REF is a branch, a tag or a commit"),
        ("-other/main/flights", "-other/main (repository not found); give lakefs://"),
        ("/main/nothing", "/nothing); correct the path, or wait for the data"),
        ("/main/v3.metadata.json", "is Iceberg's metadata, which names files elsewhere; give the table by its catalog"),
    ],
)
def test_what_is_not_there(flights, fail, path, message):
    assert message in fail(f"lakefs://{flights.name}{path}")


def test_servers_that_do_not_let_us_read(flights, fail, monkeypatch):
    monkeypatch.setenv(VARIABLES[2], "wrong")
    error = fail(flights.uri("main"))
    assert f"correct {VARIABLES[1]} and {VARIABLES[2]}" in error
    assert "wrong" not in error
    monkeypatch.setenv(VARIABLES[0], "http://127.0.0.1:9/api/v1")
    assert "lakeFS at http://127.0.0.1:9 cannot be asked for commits (ConnectionError: " in (error := fail(flights.uri("main")))
    assert f"correct {VARIABLES[0]}, or try again later" in error
    monkeypatch.delenv(VARIABLES[0])
    monkeypatch.delenv(VARIABLES[2])
    assert f"lakefs:// needs {VARIABLES[0]}, {VARIABLES[2]}; set what lakeFS's own clients read" in fail(flights.uri("main"))
