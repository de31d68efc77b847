"""ingest_examples reads Delta tables at a version: tables that deltalake, and so delta-rs, has written."""

import datetime
import json
import os
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake

from .examples import column, kinds, moving_on, rows

ON_BEAM = {"beam_pipeline_args": ["--runner=DirectRunner"]}


def flights(first: int, last: int) -> pa.Table:
    numbers = list(range(first, last))
    return pa.table(
        {
            "id": numbers,
            "day": pa.array([datetime.date(2026, 1, 1 + number % 3) for number in numbers]),
            "carrier": [None if number % 5 == 0 else "AB"[number % 2] for number in numbers],
            "departed": pa.array([1_767_225_600_000_000 + number for number in numbers], pa.timestamp("us", tz="UTC")),
            "delay": [number / 4 for number in numbers],
            "code": [bytes([200, number % 256]) for number in numbers],
        }
    )


@pytest.fixture
def table(tmp_path) -> Path:
    """A table with three versions: rows, more rows with one more column, and without some of the first rows."""
    path = tmp_path / "flights"
    write_deltalake(path, flights(0, 30), partition_by=["day"])
    more = flights(30, 60)
    write_deltalake(path, more.append_column("gate", pa.array(["g"] * 30)), mode="append", schema_mode="merge")
    DeltaTable(path).delete("id < 10")
    return path


def test_each_version_has_its_rows(table, ingest):
    found = {version: ingest(f"delta://{table}?version={version}") for version in range(3)}
    assert {version: sorted(column(result, "id")) for version, result in found.items()} == {
        0: list(range(30)),
        1: list(range(60)),
        2: list(range(10, 60)),
    }
    assert "gate" not in kinds(found[0])
    assert [row["gate"] for row in rows(found[1]) if row["id"] < 30] == [None] * 30
    assert kinds(found[1]) == {
        "id": "int64", "day": "int64", "carrier": "string", "departed": "int64", "delay": "float", "code": "binary", "gate": "string",
    }  # fmt: skip


def test_the_latest_version_is_in_the_metadata(table, ingest):
    latest, pinned = ingest(table), ingest(f"delta://{table}?version=2")
    source = latest.metadata["examples"]["source"]
    assert source | {"committed": ""} == {
        "format": "delta",
        "uri": f"delta://{table}?version=2",
        "table_id": str(DeltaTable(table).metadata().id),
        "version": 2,
        "committed": "",
    }
    assert latest.metadata == pinned.metadata
    assert (latest.parameters["span"], latest.metadata["examples"]["version"]) == (0, 0)
    write_deltalake(table, flights(60, 70), mode="append", schema_mode="merge")
    assert ingest(source["uri"]).metadata == latest.metadata
    assert ingest(table).metadata["examples"]["source"]["version"] == 3


def test_a_timestamp_names_the_version_that_was_the_latest(table, ingest, fail):
    commits = {commit["version"]: commit["timestamp"] for commit in DeltaTable(table).history()}
    log = sorted((table / "_delta_log").glob("*.json"))
    for days, file in enumerate(log):  # the days of the commits, which delta-rs takes from the files
        moment = datetime.datetime(2026, 1, 1 + days, 12, tzinfo=datetime.timezone.utc).timestamp()
        file.write_text(file.read_text().replace(str(commits[days]), str(int(moment * 1000))))
        os.utime(file, (moment, moment))
    found = ingest(f"delta://{table}?timestamp=2026-01-02T23:00:00%2B01:00").metadata["examples"]["source"]
    assert (found["version"], found["committed"]) == (1, "2026-01-02T12:00:00.000+00:00")
    assert ingest(f"delta://{table}?timestamp=2026-01-02").metadata["examples"]["source"]["version"] == 0
    assert "version=0 is the oldest version, of 2026-01-01T12:00:00.000+00:00, after 2025-12-31T00:00:00+00:00" in fail(
        f"delta://{table}?timestamp=2025-12-31"
    )
    assert "is in the future" in fail(f"delta://{table}?timestamp=2099-01-01")
    assert "give an ISO 8601 time" in fail(f"delta://{table}?timestamp=yesterday")


def test_the_examples_are_those_of_the_same_rows_in_parquet(table, ingest, tmp_path):
    pq.write_table(DeltaTable(table).to_pyarrow_table().sort_by("id"), tmp_path / "all.parquet")
    order = {"row_filter": [["day", "=", "2026-01-02"]]}
    from_table, from_file = (ingest(uri, **order) for uri in (table, tmp_path / "all.parquet"))
    assert sorted(rows(from_table), key=lambda row: row["id"]) == rows(from_file)


@pytest.mark.parametrize(
    ("row_filter", "passes"),
    [
        ([["id", ">=", 40]], lambda row: row["id"] >= 40),
        ([["day", "=", "2026-01-02"], ["delay", "<", 5.5]], lambda row: row["id"] % 3 == 1 and row["delay"] < 5.5),
        ([["carrier", "!=", "A"]], lambda row: row["carrier"] == "B"),
        ([["carrier", "not in", ["A"]]], lambda row: row["carrier"] == "B"),
        ([["carrier", "in", ["A", "C"]]], lambda row: row["carrier"] == "A"),
        ([["gate", "==", "g"], ["id", "<=", 31.0]], lambda row: 30 <= row["id"] <= 31),
        ([["departed", "<", "2026-01-01T01:00:00.000020+01:00"]], lambda row: row["id"] < 20),
    ],
    ids=lambda value: str(value) if isinstance(value, list) else "",
)
def test_row_filters(table, ingest, row_filter, passes):
    whole = rows(ingest(table))
    found = ingest(table, row_filter=row_filter, columns=["delay", "id"])
    assert rows(found) == [{name: row[name] for name in ("id", "delay")} for row in whole if passes(row)]
    assert len(rows(found)) > 0
    assert found.metadata["examples"]["source"]["row_filter"] == row_filter


@pytest.mark.parametrize(
    ("row_filter", "message"),
    [
        ([["id", "~", 3]], "row_filter has the operator '~'; give one of =, !="),
        ([["id", 3]], "row_filter has ['id', 3]; give [column, operator, value] lists"),
        ([["id", "in", 3]], "row_filter has the value 3 for in; give a list for in and not in"),
        ([["id", "=", "3"]], "row_filter compares column 'id' of type int64 with '3'"),
        ([["day", "=", "January"]], "row_filter compares column 'day' of type date32[day] with 'January'"),
        ([["other", "=", 3]], "row_filter names 'other', which is not a column of the data; it has: id, "),
        ([["id", "<", 0]], "no row passes row_filter [['id', '<', 0]]"),
    ],
    ids=str,
)
def test_row_filters_that_cannot_be_used(table, fail, row_filter, message):
    assert message in fail(table, row_filter=row_filter)


def test_files_without_rows_that_pass_are_not_read(table, ingest):
    for file in DeltaTable(table).file_uris():
        if "day=2026-01-02" not in file:
            Path(file).write_bytes(b"not Parquet")
    found = ingest(table, row_filter=[["day", "=", "2026-01-02"]], columns=["id"])
    assert {number % 3 for number in column(found, "id")} == {1}


def test_a_damaged_file_is_one_line(table, fail):
    for file in DeltaTable(table).file_uris():
        Path(file).write_bytes(b"not Parquet")
    error = fail(table)
    assert f"delta://{table}?version=2 cannot be read (ArrowInvalid: " in error
    assert "write the table's files again" in error


def test_columns_that_only_decide_are_left_out(table, ingest):
    splits = {"splits": {"old": ["2026-01-01", "2026-01-02"], "new": ["2026-01-02", "2027-01-01"]}}
    found = ingest(table, columns=["id"], split_by="time", split_key="day", **splits)
    assert kinds(found, "old") == {"id": "int64"}
    assert {number % 3 for number in column(found, "id", "old")} == {0}
    assert len(column(found, "id", "new")) == found.metadata["examples"]["splits"]["new"] > 20


@pytest.mark.parametrize("options", [{}, ON_BEAM], ids=["here", "beam"])
def test_a_table_that_moves_on_while_it_is_read_changes_nothing(table, ingest, options):
    before = ingest(table)

    def change():
        write_deltalake(table, flights(100, 130), mode="append", schema_mode="merge")
        DeltaTable(table).delete("id < 50")
        DeltaTable(table).optimize.compact()

    with moving_on(change):
        assert ingest(table, **options).metadata == before.metadata


def test_a_version_whose_files_were_vacuumed(table, fail):
    DeltaTable(table).vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
    error = fail(f"delta://{table}?version=1")
    assert re.search(r"flights\?version=1 has lost its file .*: VACUUM removed what this version had; give a later version", error)


def test_a_version_that_left_the_log(table, fail, ingest):
    DeltaTable(table).create_checkpoint()
    for file in sorted((table / "_delta_log").glob("*.json"))[:2]:
        file.unlink()
    assert "version 1 of the Delta table" in (error := fail(f"delta://{table}?version=1"))
    assert "is no longer in its log" in error
    assert ingest(table).metadata["examples"]["source"]["version"] == 2


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("version=3", "has no version '3': its latest is 2"),
        ("version=two", "has no version 'two': its latest is 2"),
        ("version=1&timestamp=2026-01-01", "input_uri gives version and timestamp of delta://; give one of them"),
        ("snapshot_id=3", "has the option 'snapshot_id'; delta:// has version, timestamp"),
    ],
)
def test_options_that_cannot_be_used(table, fail, query, message):
    assert message in fail(f"delta://{table}?{query}")


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"spans": "3"}, "spans is '3', but input_uri is a table"),
        ({"version": "3"}, "version is '3', but input_uri is a table; leave out version, and name a version in input_uri"),
        ({"input_format": "csv"}, "input_format is 'csv', but input_uri is a table"),
        ({"split_by": "pattern", "splits": {"train": "a", "eval": "b"}}, "split_by is pattern, but input_uri is a table"),
    ],
)
def test_parameters_of_files(table, fail, parameters, message):
    assert message in fail(table, **parameters)


def test_a_folder_that_contains_a_table(table, fail):
    assert f"{table} is a Delta table, not all of whose files have current rows" in fail(table.parent)


def test_no_table(tmp_path, fail):
    assert f"there is no Delta table at {tmp_path / 'nothing'}" in fail(f"delta://{tmp_path / 'nothing'}")
    (tmp_path / "empty" / "_delta_log").mkdir(parents=True)
    assert "there is no Delta table at" in fail(tmp_path / "empty")


@pytest.mark.parametrize("feature", ["deletionVectors", "columnMapping"])
def test_features_that_cannot_be_read(table, fail, feature):
    protocol = {"protocol": {"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": [feature], "writerFeatures": [feature]}}
    (table / "_delta_log" / f"{3:020}.json").write_text(json.dumps(protocol) + "\n")
    error = fail(table)
    assert feature in error
    assert "turn the feature off and rewrite the table (deletion vectors: REORG TABLE ... APPLY (PURGE)" in error


def test_row_filters_of_files(tmp_path, ingest):
    for country, name in (("DE", "a"), ("FR", "b")):
        (tmp_path / "in" / f"country={country}").mkdir(parents=True)
        (tmp_path / "in" / f"country={country}" / f"{name}.csv").write_text("x,day\n1,2026-01-01\n2,2026-01-02\n3,\n")
    found = ingest(tmp_path / "in", row_filter=[["country", "=", "FR"], ["day", ">", "2026-01-01"]], columns=["x"])
    assert rows(found) == [{"x": 2}]
