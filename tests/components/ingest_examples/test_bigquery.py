"""ingest_examples reads BigQuery's tables at a time: the real clients against a double of its APIs."""

import datetime
from decimal import Decimal

import pyarrow as pa
import pytest

from ...doubles.bigquery import PROJECT, BigQuery, Table, now
from .examples import column, kinds, rows

NAME = f"{PROJECT}.air.flights"
URI = f"bigquery://{NAME}"
QUERY = "SELECT carrier, COUNT(*) AS flights\nFROM `air.flights`\nWHERE id > 3 AND carrier NOT LIKE '%AA?' AND id & 1 = 0\nGROUP BY carrier"


def flights(first: int, last: int) -> pa.Table:
    """Types as the Storage Read API has them: https://cloud.google.com/bigquery/docs/reference/storage#arrow_schema_details."""
    numbers = list(range(first, last))
    extension = {"ARROW:extension:name": "google:sqlType:json"}
    return pa.table(
        [
            numbers,
            pa.array([datetime.date(2026, 1, 1 + number // 10) for number in numbers]),
            [None if number % 5 == 0 else 'A"B'[number % 3] for number in numbers],
            pa.array([1_767_225_600_000_000 + number for number in numbers], pa.timestamp("us", tz="UTC")),
            pa.array([datetime.datetime(2026, 1, 1, number % 24) for number in numbers], pa.timestamp("us")),
            [number / 4 for number in numbers],
            pa.array([Decimal(number) / 8 for number in numbers], pa.decimal128(38, 9)),
            pa.array([Decimal(number) / 8 for number in numbers], pa.decimal256(76, 38)),
            [number % 2 == 0 for number in numbers],
            [bytes([200, number % 256]) for number in numbers],
            [[number, number + 1] for number in numbers],
            [f'{{"gate": {number}}}' for number in numbers],
        ],
        pa.schema(
            [
                ("id", pa.int64()), ("day", pa.date32()), ("carrier", pa.string()), ("departed", pa.timestamp("us", tz="UTC")),
                ("local", pa.timestamp("us")), ("delay", pa.float64()), ("fare", pa.decimal128(38, 9)), ("fee", pa.decimal256(76, 38)),
                ("late", pa.bool_()), ("code", pa.binary()), ("stops", pa.list_(pa.int64())), pa.field("about", pa.string(), metadata=extension),
            ]
        ),
    )  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with BigQuery(tmp_path_factory.mktemp("bigquery")) as server:
        yield server


@pytest.fixture
def bigquery(server, monkeypatch):
    """A table with two versions: rows, and since an hour ago more rows and one more column."""
    for name, value in server.variables.items():
        monkeypatch.setenv(name, value)
    for name in ("grpc_proxy", "HTTPS_PROXY", "NO_PROXY", "no_grpc_proxy"):
        monkeypatch.delenv(name, raising=False)
    server.reset()
    more = flights(0, 60)
    hour = datetime.timedelta(hours=1)
    server.tables[NAME] = Table({now() - 2 * hour: flights(0, 30), now() - hour: more.append_column("gate", pa.array(["g"] * 60))})
    return server


def before(hours: float) -> str:
    return (now() - datetime.timedelta(hours=hours)).isoformat()


def test_a_table_as_it_is_and_as_it_was(bigquery, ingest):
    latest, earlier = ingest(URI), ingest(f"{URI}?timestamp={before(1.5)}")
    assert sorted(column(latest, "id")) == list(range(60))
    assert sorted(rows(earlier), key=lambda row: row["id"]) == [
        {name: value for name, value in row.items() if name != "gate"}
        for row in sorted(rows(latest), key=lambda row: row["id"])
        if row["id"] < 30
    ]
    assert kinds(latest) == {
        "id": "int64", "day": "int64", "carrier": "string", "departed": "int64", "local": "int64", "delay": "float", "fare": "float",
        "fee": "float", "late": "int64", "code": "binary", "stops": "list<element: int64>", "about": "string", "gate": "string",
    }  # fmt: skip
    row = next(row for row in rows(latest) if row["id"] == 12)
    assert row | {"day": 0} == {
        "id": 12, "day": 0, "carrier": "A", "departed": 1_767_225_600, "local": 1_767_225_600 + 12 * 3600, "delay": 3.0, "fare": 1.5,
        "fee": 1.5, "late": 1, "code": bytes([200, 12]), "stops": [12, 13], "about": '{"gate": 12}', "gate": "g",
    }  # fmt: skip


def test_the_time_is_in_the_metadata(bigquery, ingest):
    start = now()
    latest = ingest(URI)
    source = latest.metadata["examples"]["source"]
    assert source == {
        "format": "bigquery",
        "uri": f"{URI}?timestamp={source['snapshot_time']}",
        "table_id": NAME,
        "snapshot_time": source["snapshot_time"],
    }
    assert start <= datetime.datetime.fromisoformat(source["snapshot_time"]) <= now()
    bigquery.tables[NAME].versions[now()] = flights(60, 70)
    assert ingest(source["uri"]).metadata == latest.metadata
    assert ingest(URI).metadata["examples"]["fingerprint"] != latest.metadata["examples"]["fingerprint"]


def test_a_table_that_moves_on_while_it_is_read_changes_nothing(bigquery, ingest):
    ingest(URI, columns=["id"])
    look, read = bigquery.sessions
    times = {session.read_session.table_modifiers.snapshot_time for session in (look, read)}
    assert len(times) == 1
    assert None not in times
    assert list(read.read_session.read_options.selected_fields) == ["id"]
    assert read.parent == f"projects/{PROJECT}"


def test_another_project_reads(bigquery, ingest):
    source = ingest(f"bigquery://other-project/{NAME}").metadata["examples"]["source"]
    assert source["uri"].startswith(f"bigquery://other-project/{NAME}?timestamp=")
    assert source["table_id"] == NAME
    assert {session.parent for session in bigquery.sessions} == {"projects/other-project"}


def test_a_table_snapshot_has_the_time_at_which_it_was_made(bigquery, ingest):
    bigquery.tables[NAME].kind = "SNAPSHOT"
    source = ingest(URI).metadata["examples"]["source"]
    assert source["uri"] == URI
    assert datetime.datetime.fromisoformat(source["snapshot_time"]) == next(iter(bigquery.tables[NAME].versions)) - datetime.timedelta(
        hours=1
    )


def test_the_order_in_which_rows_come_changes_nothing(bigquery, ingest, monkeypatch):
    monkeypatch.setattr("penstock.components.ingest_examples.row_order._RUN_BYTES", 20_000)
    monkeypatch.setattr("penstock.components.ingest_examples.row_order._RUNS_AT_ONCE", 3)
    many = pa.concat_tables([flights(0, 300), flights(0, 300), flights(7, 8).take([0] * 200)])
    bigquery.tables[NAME] = Table({now() - datetime.timedelta(hours=2): many})
    uri = f"{URI}?timestamp={before(1)}"
    first = ingest(uri, splits={"train": 2, "eval": 1})
    assert sorted([*column(first, "id", "train"), *column(first, "id", "eval")]) == sorted(many.column("id").to_pylist())
    monkeypatch.setattr("penstock.components.ingest_examples.row_order._RUN_BYTES", 1 << 20)
    again = ingest(uri, splits={"train": 2, "eval": 1})
    assert again.metadata == first.metadata


def test_streams_that_break_go_on_from_the_next_row(bigquery, ingest):
    uri = f"{URI}?timestamp={before(0.5)}"
    whole = ingest(uri).metadata
    bigquery.interruptions += [0, 1, 2]
    assert ingest(uri).metadata == whole
    assert bigquery.interruptions == []


@pytest.mark.parametrize(
    ("row_filter", "passes", "restriction"),
    [
        ([["id", ">=", 40]], lambda row: row["id"] >= 40, "`id` >= 40"),
        (
            [["day", "=", "2026-01-02"], ["id", "!=", 12]],
            lambda row: row["id"] // 10 == 1 and row["id"] != 12,
            "`day` = DATE '2026-01-02' AND `id` != 12",
        ),
        ([["carrier", "not in", ["A"]]], lambda row: row["carrier"] not in (None, "A"), '`carrier` NOT IN ("A")'),
        ([["carrier", "=", '"']], lambda row: row["carrier"] == '"', '`carrier` = "\\""'),
        (
            [["departed", "<", "2026-01-01T01:00:00.000020+01:00"]],
            lambda row: row["id"] < 20,
            "`departed` < TIMESTAMP '2026-01-01T00:00:00.000020+00:00'",
        ),
        ([["local", "<", "2026-01-01T02:00"]], lambda row: row["id"] % 24 < 2, "`local` < DATETIME '2026-01-01T02:00:00'"),
        ([["delay", "<", 2.5], ["late", "=", True]], lambda row: row["id"] < 10 and row["late"], "`delay` < 2.5 AND `late` = true"),
        ([["fare", "=", 1.5]], lambda row: row["id"] == 12, "`fare` = BIGNUMERIC '1.500000000'"),
        ([["about", "=", '{"gate": 3}']], lambda row: row["id"] == 3, ""),
    ],
    ids=["int", "date", "not-in", "quote", "timestamp", "datetime", "float-and-bool", "decimal", "json"],
)
def test_row_filters_are_pushed_down(bigquery, ingest, row_filter, passes, restriction):
    whole = rows(ingest(URI))
    found = column(ingest(URI, row_filter=row_filter, columns=["id"]), "id")
    assert sorted(found) == sorted(row["id"] for row in whole if passes(row))
    assert len(found) > 0
    assert bigquery.sessions[-1].read_session.read_options.row_restriction == restriction


def test_a_query(bigquery, ingest, fail):
    bigquery.results[QUERY] = pa.table({"carrier": ["A", "B"], "flights": [20, 30]})
    found = ingest(f"bigquery://{PROJECT}?query={QUERY}")
    assert sorted(column(found, "flights")) == [20, 30]
    source = found.metadata["examples"]["source"]
    assert source["query"] == QUERY
    assert source["job_id"].startswith(f"{PROJECT}:US.")
    assert source["uri"] == f"bigquery://{source['table_id']}"
    again = ingest(source["uri"]).metadata["examples"]
    assert again["fingerprint"] == found.metadata["examples"]["fingerprint"]
    assert again["source"]["snapshot_time"] == source["snapshot_time"]
    del bigquery.tables[source["table_id"]]
    assert "the result of a query is kept for a day: run it again" in fail(source["uri"])


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        (f"bigquery://{PROJECT}.air", f"input_uri bigquery://{PROJECT}.air names no table; give bigquery://PROJECT.DATASET.TABLE, or"),
        (f"{URI}?version=3", "has the option 'version'; bigquery:// has timestamp, query"),
        (f"bigquery://{PROJECT}.air.trains", f"there is no table {PROJECT}.air.trains in BigQuery; correct input_uri"),
        (f"{URI}?timestamp=2026-01-01", "a table's past is kept for seven days at most (max_time_travel_hours)"),
        (f"{URI}?timestamp=2100-01-01", "in the future"),
        (f"bigquery://{PROJECT}?query=SELEC 1", "the query in input_uri fails (Syntax error: Unexpected SELEC; "),
        (f"bigquery://{PROJECT}?query={' ' * 300}1\n", "the query in input_uri fails (Syntax error: Unexpected 1; "),
    ],
    ids=["dataset", "option", "missing", "too-old", "future", "query", "long-query"],
)
@pytest.mark.usefixtures("bigquery")
def test_uris_that_cannot_be_used(fail, uri, message):
    assert message in fail(uri)


@pytest.mark.parametrize(
    ("permission", "uri", "message"),
    [
        ("bigquery.tables.get", URI, "grant roles/bigquery.dataViewer on its dataset"),
        ("bigquery.readsessions.create", URI, f"grant roles/bigquery.readSessionUser in the project {PROJECT}, or name yours"),
        ("bigquery.readsessions.getData", URI, f"grant roles/bigquery.readSessionUser in the project {PROJECT}, or name yours"),
        ("bigquery.jobs.create", f"bigquery://{PROJECT}?query={QUERY}", f"grant roles/bigquery.jobUser in the project {PROJECT}, and"),
    ],
)
def test_a_missing_role(bigquery, fail, permission, uri, message):
    bigquery.denied.add(permission)
    error = fail(uri)
    assert message in error
    assert permission in error


def test_no_credentials(bigquery, fail, monkeypatch, tmp_path):
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    assert "there are no credentials for BigQuery" in fail(URI)


@pytest.mark.parametrize("kind", ["VIEW", "MATERIALIZED_VIEW", "EXTERNAL"])
def test_what_is_no_table(bigquery, fail, kind):
    bigquery.tables[NAME].kind = kind
    assert f"give a query: bigquery://{PROJECT}?query=SELECT ... FROM `{NAME}`" in fail(URI)


def test_a_table_that_needs_a_filter(bigquery, fail):
    bigquery.tables[NAME].requires_filter = True
    assert f"(require_partition_filter); give a query: bigquery://{PROJECT}?query=SELECT ... FROM `{NAME}` WHERE ..." in fail(URI)


def test_types_that_examples_do_not_have(bigquery, ingest, fail):
    made = flights(0, 5).append_column("range", pa.array([{"start": 1, "end": 2}] * 5))
    bigquery.tables[NAME] = Table({now() - datetime.timedelta(hours=1): made})
    error = fail(URI)
    assert "column 'range' of bigquery://" in error
    assert "which Examples do not support; leave it out with exclude_columns" in error
    assert len(rows(ingest(URI, exclude_columns=["range"]))) == 5


def test_no_rows(bigquery, fail):
    assert "no row passes row_filter" in fail(URI, row_filter=[["id", ">", 1000]])
    bigquery.tables[NAME] = Table({now() - datetime.timedelta(hours=1): flights(0, 0)})
    assert "has only headers and no rows" in fail(URI)


def test_on_beam(bigquery, fail):
    assert "leave out the runner, or EXPORT DATA" in fail(URI, beam_pipeline_args=["--runner=DirectRunner"])
    assert bigquery.sessions
