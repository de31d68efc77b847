"""Reading logs: three kinds of them, and what is wrong with their files."""

import csv
import gzip
import json
from collections.abc import Iterator
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from penstock.components.evidence.logs.reading import Log, with_ids
from penstock.components.evidence.logs.window import Window
from penstock.components.protocol import TaskError

from .conftest import FINGERPRINT, START, kserve_records, logged, rows, score

DAY = Window(START, datetime(2026, 11, 22, tzinfo=timezone.utc))


def read(log: Log, window: Window = DAY) -> tuple[list[dict[str, Any]], list[Any]]:
    """Returns the rows' features and predictions, both without the parts in which they came."""
    batches = list(log.read(window))
    return [row for batch in batches for row in batch.features.to_pylist()], [
        row for batch in batches for row in batch.predictions.to_pylist()
    ]


def open_log(place: Path | str, kind: str = "", model: str = "", key: str = "") -> Log:
    return Log(str(place), kind, model, ["carrier"])


def as_read(requests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row | {"hour": float(row["hour"])} for row in requests]


def test_the_prediction_log(write_log):
    requests = rows(1000)
    place = write_log(logged(requests))
    log = open_log(place)
    features, predictions = read(log)
    assert features == as_read(requests)
    assert predictions == [{"prediction": pytest.approx(score(row))} for row in requests]
    assert (log.kind, log.found.rows, log.found.files, log.found.unreadable) == ("penstock", 1000, 1, 0)
    (batch,) = log.read(DAY)
    known = {"id": "r0", "time": START, "version": "3", "fingerprint": FINGERPRINT}
    unknown = dict.fromkeys(("error", "fetched", "features_defaulted"))
    assert batch.about.slice(0, 1).to_pylist() == [known | unknown]


@pytest.mark.parametrize("distance", [7.5, "far"], ids=["by the block", "line by line"])
def test_what_was_fetched(write_log, distance):
    fetched, defaulted, sent = logged([*rows(2), {"distance": distance, "hour": 7}])
    lines = [fetched | {"fetched": ["distance", "hour"]}, defaulted | {"fetched": [], "features_defaulted": True}, sent]
    (batch,) = open_log(write_log(lines)).read(DAY)
    assert batch.about.column("fetched").to_pylist() == [["distance", "hour"], [], None]
    assert [each or False for each in batch.about.column("features_defaulted").to_pylist()] == [False, True, False]


def test_values_as_clients_write_them(write_log):
    """V2 over gRPC has lists of one value; whole numbers stand beside others, null for a missing one, outputs by name."""
    lines = logged(rows(4))
    lines[1]["instance"] = {"distance": [100], "hour": [7], "carrier": ["AA"]}
    lines[2]["instance"] = {"distance": None, "hour": 7, "carrier": {"b64": "QUE="}}
    lines[3]["instance"] = {"distance": "far", "hour": 7, "carrier": 9}
    lines[3]["prediction"] = {"late": [0.25], "minutes": 3}
    features, predictions = read(open_log(write_log(lines)))
    assert features[1] == {"distance": "100", "hour": 7.0, "carrier": "AA"}
    assert features[2]["distance"] is None
    assert features[3]["distance"] == "far"
    assert predictions[3] == {"prediction": None, "late": 0.25, "minutes": 3.0}


def test_lists_of_one_value_in_every_row(write_log):
    lines = [
        line | {"instance": {name: [value] for name, value in line["instance"].items() if name != "carrier"}} for line in logged(rows(10))
    ]
    features, _ = read(open_log(write_log(lines)))
    assert features == [{name: value for name, value in row.items() if name != "carrier"} for row in as_read(rows(10))]


def test_damaged_files(write_log):
    """A last line that is half written, a line that is none, an empty file, and a file that is not yet there."""
    place = write_log(logged(rows(10)))
    folder = place / "flights" / "2026-11-21"
    whole = (folder / "235959-vm-1-0.jsonl").read_bytes()
    (folder / "235959-vm-1-1.jsonl").write_bytes(whole + whole[:50])
    (folder / "235959-vm-1-2.jsonl").write_bytes(b"not JSON\n[1]\n{}\n" + whole)
    (folder / "235959-vm-1-3.jsonl").write_bytes(whole[:-1])
    (folder / "235959-vm-1-4.jsonl").touch()
    (folder / ".235959-vm-1-5.jsonl.partial").write_bytes(whole)
    log = open_log(place)
    features, _ = read(log)
    assert len(features) == 40
    assert (log.found.cut_short, log.found.unreadable, log.found.files) == (1, 3, 5)


def test_a_file_that_goes_away(write_log):
    place = write_log(logged(rows(10)))
    log = open_log(place)
    (place / "flights" / "2026-11-21" / "235959-vm-1-0.jsonl").unlink()
    assert read(log) == ([], [])
    assert log.found.vanished == 1


def test_other_models_and_times_are_left_out(write_log, tmp_path):
    place = write_log(logged(rows(10)))
    write_log(logged(rows(10), start=datetime(2026, 11, 20, tzinfo=timezone.utc)), "235959-vm-1-1.jsonl")
    old = place / "flights" / "2026-11-20"
    old.mkdir()
    (old / "120000-vm-1-0.jsonl").write_text("this is never read\n")
    (place / "others" / "2026-11-21").mkdir(parents=True)
    (place / "others" / "2026-11-21" / "235959-vm-1-0.jsonl").write_text("nor is this\n")
    log = open_log(place, model="flights")
    assert len(read(log)[0]) == 10
    assert (log.found.files, log.found.rows, log.found.unreadable) == (2, 20, 0)


@pytest.mark.parametrize("form", ["one object each", "a list", "lines", "csv", "parquet"])
def test_kserves_logger(tmp_path, form):
    """As its blob store writes them: a request's record and the answer's, which may come in any order."""
    requests = rows(100)
    records = kserve_records(requests)
    flat = [record | {"url": "s3://logs", "bytes": record["bytes"]} for record in records]
    for record in flat:
        del record["occurrenceTime"]
    folder = tmp_path / "default" / "flights" / "predictor"
    folder.mkdir(parents=True)
    if form == "one object each":
        for record in records:
            kind = record["reqType"].rsplit(".", 1)[1]
            (folder / f"{record['id']}-{kind}.json").write_text(json.dumps(record))
    elif form == "a list":
        (folder / "0b1c-0-request.json").write_text(json.dumps(records[::-1]))
    elif form == "lines":
        (folder / "events.jsonl").write_text("\n".join(json.dumps(_event(record)) for record in records))
    elif form == "csv":
        with (folder / "0b1c-0-request.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, list(flat[0]))
            writer.writeheader()
            writer.writerows(flat)
    else:
        pq.write_table(pa.Table.from_pylist(flat), folder / "0b1c-0-request.parquet")
    log = open_log(tmp_path)
    features, predictions = read(log)
    assert log.kind == "kserve"
    key = lambda row: (row["distance"], row["hour"])  # noqa: E731
    assert sorted(features, key=key) == sorted(as_read(requests), key=key)
    assert len(predictions) == 100
    has_times = form not in ("csv", "parquet")
    assert log.found.untimed == (0 if has_times else 100)
    assert any("the time of a request" in what for what in log.found.not_logged) is not has_times
    assert any("fingerprint" in what for what in log.found.not_logged)


def _event(record: dict[str, Any]) -> dict[str, Any]:
    """A CloudEvent in structured mode."""
    return {
        "specversion": "1.0",
        "id": record["id"],
        "type": record["reqType"],
        "source": "http://localhost:9081/",
        "time": record["occurrenceTime"],
        "data_base64": record["bytes"],
    }


def test_kserves_logger_without_other_halves(tmp_path):
    records = kserve_records(rows(30))
    records[1]["bytes"] = "bm8gSlNPTg=="
    (tmp_path / "0b1c-0-request.json").write_text(json.dumps([*records[:2], records[2], records[5], {"id": "x"}]))
    log = open_log(tmp_path)
    (batch,) = log.read(DAY)
    assert batch.about.column("error").to_pylist() == ["no answer was logged"] * 10
    assert (log.found.unanswered, log.found.unasked, log.found.unreadable) == (1, 1, 2)


def test_v2_as_kserve_logs_it(tmp_path):
    requests = rows(6)
    columns = {name: [row[name] for row in requests] for name in requests[0]}
    kinds = {"distance": "FP32", "hour": "INT64", "carrier": "BYTES"}
    bodies = {
        "request": {
            "inputs": [{"name": name, "shape": [6, 1], "datatype": kinds[name], "data": values} for name, values in columns.items()]
        },
        "response": {
            "model_version": "3",
            "outputs": [{"name": "late", "shape": [6, 1], "datatype": "FP32", "data": [score(r) for r in requests]}],
        },
    }
    events = [
        {"id": "a", "type": f"org.kubeflow.serving.inference.{kind}", "time": START.isoformat(), "data": body}
        for kind, body in bodies.items()
    ]
    (tmp_path / "events.jsonl").write_text("\n".join(map(json.dumps, events)))
    features, predictions = read(open_log(tmp_path))
    assert features == as_read(requests)
    assert predictions[0] == {"prediction": pytest.approx(score(requests[0]))}


def test_the_key_that_a_log_beside_the_server_has(tmp_path):
    records = kserve_records([row | {"flight": number} for number, row in enumerate(rows(10))])
    (tmp_path / "0b1c-0-request.json").write_text(json.dumps(records))
    (batch,) = (with_ids(each, "flight") for each in open_log(tmp_path).read(DAY))
    assert batch.about.column("id").to_pylist() == [str(number) for number in range(10)]
    assert "flight" not in batch.features.schema.names


class BigQuery(BaseHTTPRequestHandler):
    """BigQuery's REST API, as far as a query goes: https://cloud.google.com/bigquery/docs/reference/rest/v2/jobs."""

    requests: ClassVar[list[dict[str, Any]]] = []
    table: ClassVar[list[dict[str, Any]]] = []
    FIELDS: ClassVar[dict[str, tuple[str, str]]] = {
        "deployed_model_id": ("STRING", "NULLABLE"),
        "logging_time": ("TIMESTAMP", "NULLABLE"),
        "request_id": ("NUMERIC", "NULLABLE"),
        "request_payload": ("STRING", "REPEATED"),
        "response_payload": ("STRING", "REPEATED"),
    }

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        asked = json.loads(gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)
        self.requests.append(asked)
        query = asked.get("configuration", {}).get("query", asked)["query"]
        if "`missing." in query or ".missing" in query:
            self._say(
                {"error": {"code": 404, "message": "Not found: Table my-project:logs.missing", "errors": [{"reason": "notFound"}]}}, 404
            )
            return
        job = {"projectId": "my-project", "jobId": asked.get("jobReference", {}).get("jobId", "job"), "location": "US"}
        self._say(
            {
                "kind": "bigquery#job",
                "jobReference": job,
                "status": {"state": "DONE"},
                "configuration": {"query": {"query": query}},
                **self._rows(),
                "jobComplete": True,
            }
        )

    def do_GET(self) -> None:
        self._say(
            {
                "jobComplete": True,
                "jobReference": {"projectId": "my-project", "jobId": "job", "location": "US"},
                "status": {"state": "DONE"},
                **self._rows(),
            }
        )

    def _rows(self) -> dict[str, Any]:
        fields = [{"name": name, "type": kind, "mode": mode} for name, (kind, mode) in self.FIELDS.items()]
        cells = [
            [[{"v": each} for each in row[name]] if isinstance(row[name], list) else row[name] for name in self.FIELDS]
            for row in self.table
        ]
        return {"schema": {"fields": fields}, "totalRows": str(len(cells)), "rows": [{"f": [{"v": cell} for cell in row]} for row in cells]}

    def _say(self, content: dict[str, Any], status: int = 200) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def bigquery(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[BigQuery]]:
    """BigQuery, for its own client."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), BigQuery)
    Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", f"http://127.0.0.1:{server.server_port}")
    credentials = __import__("google.auth.credentials", fromlist=["AnonymousCredentials"]).AnonymousCredentials()
    monkeypatch.setattr("google.auth.default", lambda *_, **__: (credentials, "my-project"))
    BigQuery.requests.clear()
    yield BigQuery
    server.shutdown()
    server.server_close()


def test_vertex_ais_table(bigquery):
    requests = rows(6)
    times = [f"{(START.timestamp() + number) * 1e6:.0f}" for number in range(3)]
    bodies = [
        ([json.dumps(row) for row in requests[:2]], [json.dumps([score(row)]) for row in requests[:2]]),
        ([json.dumps({"instances": requests[2:4]})], [json.dumps({"predictions": [[score(row)] for row in requests[2:4]]})]),
        ([json.dumps(row) for row in requests[4:]], []),
    ]
    bigquery.table[:] = [
        {"deployed_model_id": "77", "logging_time": time, "request_id": str(number), "request_payload": asked, "response_payload": answered}
        for number, (time, (asked, answered)) in enumerate(zip(times, bodies, strict=True))
    ]
    log = open_log("bq://my-project.logs.request_response_logging")
    (batch,) = log.read(DAY)
    assert batch.features.to_pylist() == as_read(requests)
    assert batch.about.column("id").to_pylist()[:3] == ["0/0", "0/1", "1/0"]
    assert batch.about.column("time")[0].as_py() == START
    assert batch.about.column("version").to_pylist() == ["77"] * 6
    assert batch.about.column("error").null_count == 4
    assert (log.kind, log.found.unanswered) == ("vertex", 1)
    asked = bigquery.requests[0]
    given = asked.get("configuration", {}).get("query", asked)
    assert "FROM `my-project.logs.request_response_logging`" in given["query"]
    assert [each["parameterValue"]["value"][:10] for each in given["queryParameters"]] == ["2026-11-21", "2026-11-22"]


def test_a_table_that_is_not_there(bigquery):
    with pytest.raises(TaskError, match=r"the log bq://my-project.logs.missing cannot be read .*Not found"):
        read(open_log("bq://my-project.logs.missing"))


@pytest.mark.parametrize(
    ("place", "kind", "message"),
    [
        ("bq://my-project", "", "which does not name a table; give bq://PROJECT.DATASET.TABLE"),
        ("bq://my-project.logs.table", "penstock", "Vertex AI logs to a BigQuery table"),
        ("log", "vertex", "Vertex AI logs to a BigQuery table"),
        ("log", "fluentd", "log_format is 'fluentd'; give penstock, kserve, vertex, or leave it empty"),
        ("ftp2://log", "", "cannot be listed"),
    ],
)
def test_a_log_that_is_none(tmp_path, monkeypatch, place, kind, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TaskError, match=message):
        read(open_log(place, kind))
