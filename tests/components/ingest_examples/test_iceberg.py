"""ingest_examples reads Iceberg tables at a snapshot: tables that pyiceberg has written."""

import datetime
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.types import LongType, StringType

from .examples import column, kinds, moving_on, rows

ON_BEAM = {"beam_pipeline_args": ["--runner=DirectRunner"]}


def flights(first: int, last: int) -> pa.Table:
    numbers = list(range(first, last))
    return pa.table(
        {
            "id": pa.array(numbers, pa.int32()),
            "day": pa.array([datetime.date(2026, 1, 1 + number // 10) for number in numbers]),
            "carrier": pa.array([None if number % 5 == 0 else "AB"[number % 2] for number in numbers], pa.string()),
            "departed": pa.array([1_767_225_600_000_000 + number for number in numbers], pa.timestamp("us", tz="UTC")),
        }
    )


@pytest.fixture
def table(tmp_path, monkeypatch) -> SimpleNamespace:
    """A table with three snapshots: rows, more rows in a file of their own, and without some of the first rows."""
    uri = f"sqlite:///{tmp_path}/catalog.db"
    monkeypatch.setenv("PYICEBERG_CATALOG__AIR__URI", uri)
    monkeypatch.setenv("PYICEBERG_CATALOG__AIR__TYPE", "sql")
    catalog = SqlCatalog("air", uri=uri, warehouse=f"file://{tmp_path}/warehouse")
    catalog.create_namespace("us")
    made = catalog.create_table("us.flights", flights(0, 1).schema)
    made.append(flights(0, 30))
    made.append(flights(30, 60))
    made.delete("id < 10")
    tag, *_ = snapshots = [snapshot.snapshot_id for snapshot in made.snapshots() if snapshot.sequence_number]
    made.manage_snapshots().create_tag(tag, "first").commit()
    return SimpleNamespace(table=made, uri="iceberg://air/us.flights", snapshots=snapshots)


def test_each_snapshot_has_its_rows_and_its_columns(table, ingest):
    with table.table.update_schema() as change:
        change.rename_column("carrier", "airline")
        change.add_column("gate", StringType())
        change.update_column("id", LongType())
    table.table.append(flights(60, 61).rename_columns(["id", "day", "airline", "departed"]).cast(table.table.schema().as_arrow().remove(4)))
    first = ingest(f"{table.uri}?snapshot_id={table.snapshots[0]}")
    assert sorted(column(first, "id")) == list(range(30))
    assert kinds(first) == {"id": "int64", "day": "int64", "carrier": "string", "departed": "int64"}
    assert ingest(f"{table.uri}?ref=first").metadata == first.metadata
    latest = ingest(table.uri)
    assert sorted(column(latest, "id")) == list(range(10, 61))
    assert kinds(latest) == {"id": "int64", "day": "int64", "airline": "string", "departed": "int64", "gate": "string"}
    assert {row["airline"] for row in rows(latest)} == {None, "A", "B"}
    assert column(ingest(f"{table.uri}?ref=first", row_filter=[["carrier", "=", "A"], ["id", "<", 5]]), "id") == [2, 4]


def test_a_file_that_was_not_written_for_iceberg(table, ingest, tmp_path):
    pq.write_table(flights(60, 70), tmp_path / "added.parquet")
    table.table.add_files([str(tmp_path / "added.parquet")])
    found = ingest(table.uri, columns=["carrier", "id"], row_filter=[["id", ">", 57]])
    assert sorted(column(found, "id")) == list(range(58, 70))
    assert {row["carrier"] for row in rows(found)} == {None, "A", "B"}


def test_the_current_snapshot_is_in_the_metadata(table, ingest):
    latest = ingest(table.uri)
    snapshot = table.table.current_snapshot()
    committed = datetime.datetime.fromtimestamp(snapshot.timestamp_ms / 1000, datetime.timezone.utc).isoformat(timespec="milliseconds")
    assert latest.metadata["examples"]["source"] == {
        "format": "iceberg",
        "uri": f"{table.uri}?snapshot_id={snapshot.snapshot_id}",
        "table_id": str(table.table.metadata.table_uuid),
        "snapshot_id": str(snapshot.snapshot_id),
        "committed": committed,
    }
    table.table.append(flights(60, 70))
    assert ingest(latest.metadata["examples"]["source"]["uri"]).metadata == latest.metadata
    assert ingest(table.uri).metadata["examples"]["fingerprint"] != latest.metadata["examples"]["fingerprint"]


def test_a_metadata_file(table, ingest, fail):
    file = table.table.metadata_location.removeprefix("file://")
    through_catalog = ingest(table.uri).metadata["examples"]
    for uri in (file, f"iceberg://{file}", f"iceberg://file://{file}"):
        found = ingest(uri).metadata["examples"]
        assert found["fingerprint"] == through_catalog["fingerprint"]
        assert found["source"]["snapshot_id"] == through_catalog["source"]["snapshot_id"]
    assert "there is no Iceberg metadata file /nowhere/a.metadata.json" in fail("/nowhere/a.metadata.json")


def test_a_timestamp_names_the_snapshot_that_was_current(table, ingest, fail):
    first, second, *_ = table.table.snapshots()
    before = datetime.datetime.fromtimestamp((second.timestamp_ms - 1) / 1000, datetime.timezone.utc).isoformat()
    assert ingest(f"{table.uri}?timestamp={before}").metadata["examples"]["source"]["snapshot_id"] == str(first.snapshot_id)
    assert "has no snapshot for timestamp '2020-01-01': its oldest is of 2" in fail(f"{table.uri}?timestamp=2020-01-01")


@pytest.mark.parametrize(
    ("row_filter", "passes"),
    [
        ([["id", ">=", 40]], lambda row: row["id"] >= 40),
        ([["day", "=", "2026-01-02"], ["id", "!=", 12]], lambda row: row["id"] // 10 == 1 and row["id"] != 12),
        ([["carrier", "not in", ["A"]]], lambda row: row["carrier"] == "B"),
        ([["carrier", "in", ["A", "C"]]], lambda row: row["carrier"] == "A"),
        ([["departed", "<", "2026-01-01T01:00:00.000020+01:00"]], lambda row: row["id"] < 20),
    ],
    ids=lambda value: str(value) if isinstance(value, list) else "",
)
def test_row_filters(table, ingest, row_filter, passes):
    whole = rows(ingest(table.uri))
    found = rows(ingest(table.uri, row_filter=row_filter, columns=["id"]))
    assert found == [{"id": row["id"]} for row in whole if passes(row)]
    assert len(found) > 0


def test_files_without_rows_that_pass_are_not_read(table, ingest):
    for task in table.table.scan("id < 30").plan_files():
        Path(task.file.file_path.removeprefix("file://")).write_bytes(b"not Parquet")
    assert column(ingest(table.uri, row_filter=[["id", ">", 50]]), "id") == list(range(51, 60))


@pytest.mark.parametrize("options", [{}, pytest.param(ON_BEAM, marks=pytest.mark.slow)], ids=["here", "beam"])
def test_a_table_that_moves_on_while_it_is_read_changes_nothing(table, ingest, options):
    before = ingest(table.uri)

    def change():
        table.table.append(flights(100, 130))
        table.table.delete("id < 50")

    with moving_on(change):
        assert ingest(table.uri, **options).metadata == before.metadata


def test_a_snapshot_whose_files_are_gone(table, fail):
    (task, *_) = table.table.scan(snapshot_id=table.snapshots[0]).plan_files()
    Path(task.file.file_path.removeprefix("file://")).unlink()
    error = fail(f"{table.uri}?snapshot_id={table.snapshots[0]}")
    assert f"snapshot_id={table.snapshots[0]} has lost its file {task.file.file_path}: the snapshot has expired; give a later one" in error


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("iceberg://air/us.flights?snapshot_id=7", "has no snapshot for snapshot_id '7': its latest are "),
        ("iceberg://air/us.flights?ref=audit", "has no snapshot for ref 'audit': it has the branches and tags "),
        ("iceberg://air/us.flights?version=7", "has the option 'version'; iceberg:// has snapshot_id, ref, timestamp"),
        ("iceberg://air/us.trains", "the Iceberg catalog 'air' has no table us.trains"),
        ("iceberg://air/trains", "names no table; give iceberg://CATALOG/NAMESPACE.TABLE, or the path or URI of a file .metadata.json"),
        ("iceberg://sea/us.ships", "the Iceberg catalog 'sea' is not known"),
    ],
)
@pytest.mark.usefixtures("table")
def test_uris_that_cannot_be_used(fail, uri, message):
    assert message in fail(uri)


def test_a_table_without_rows(table, fail):
    empty = table.table.catalog.create_table("us.empty", flights(0, 1).schema)
    assert "the Iceberg table air/us.empty has no snapshot yet; wait for the first commit" in fail("iceberg://air/us.empty")
    assert empty.current_snapshot() is None
