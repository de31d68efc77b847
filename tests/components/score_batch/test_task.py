"""score_batch through its command: what it writes, what it refuses, and how a run goes on."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from penstock.components.data.filesystems import open_store
from penstock.components.protocol import TaskError, fingerprint
from penstock.components.protocol.fingerprint import file_sha256
from penstock.components.release.registry import Lineage, open_registry
from penstock.components.score_batch import engines, lease
from penstock.components.score_batch.place import Place

from ...waiting import until
from ..conftest import executor_input
from .conftest import EVALUATED, NAME, PART_ROWS, PARTS, rows, table, write_evaluation, write_part

TOTAL = PART_ROWS * PARTS


def read(folder: Path) -> list[dict[str, Any]]:
    return sorted(pa.dataset.dataset(folder, partitioning="hive").to_table().to_pylist(), key=lambda row: row["id"])


def expected(count: int = TOTAL) -> np.ndarray:
    """The answers of the signature that was evaluated: it alone knows that a carrier is missing."""
    columns = rows(0, count)
    scores = np.log(np.array(columns["distance"], np.float32)) + np.array([0.0 if each else 1.0 for each in columns["carrier"]])
    return 1 / (1 + np.exp(-scores))


def test_scores_a_table_part_by_part(score, examples, model):
    result = score(passthrough_columns=["origin"], subprocess=True)
    assert result.code == 0, result.error
    assert result.parameters == {"rows": TOTAL, "errors": 0}
    out = result.outputs["predictions"]
    parts = sorted((out / "predictions").iterdir())
    assert [path.name for path in parts] == [f"all-{number:05d}.parquet" for number in range(PARTS)]
    assert [pq.read_metadata(path).num_rows for path in parts] == [PART_ROWS] * PARTS
    found = read(out / "predictions")
    assert [row["id"] for row in found] == list(range(TOTAL))
    assert [row["origin"] for row in found] == rows(0, TOTAL)["origin"]
    np.testing.assert_allclose([row["probability"] for row in found], expected(), rtol=1e-5)
    assert {len(row["pair"]) for row in found} == {2}
    assert {row["model_fingerprint"] for row in found} == {fingerprint(model)}
    assert {row["scored_at"].year for row in found} == {int(time.strftime("%Y", time.gmtime()))}
    manifest = json.loads((out / "manifest.json").read_text())
    assert (manifest["rows"], manifest["errors"], manifest["input_rows"]) == (TOTAL, 0, TOTAL)
    for number, part in enumerate(manifest["parts"]):
        assert part["sha256"] == file_sha256(examples / "Split-all" / f"part-{number:05d}.parquet")
        assert [file_sha256(out / file["name"]) for file in part["files"]] == [file["sha256"] for file in part["files"]]
    assert manifest["examples"]["fingerprint"] == fingerprint(examples)
    scores = manifest["scores"]["probability"]
    assert (sum(scores["counts"]), scores["evaluated"]["rows"], sum(scores["evaluated"]["counts"])) == (TOTAL, EVALUATED, EVALUATED)
    assert scores["evaluated"]["mean"] == pytest.approx(0.5)
    assert scores["evaluated"]["counts"][:2] == [0, 0]
    assert scores["evaluated"]["counts"][5] == pytest.approx(EVALUATED / 16, rel=0.1)
    assert manifest["scores"].keys() == {"probability"}
    assert not list(out.glob(".*"))
    page = result.outputs["report"].read_text()
    assert "900 rows scored" in page
    assert "in the evaluation 0.5 (5,000 rows)" in page
    assert "Kolmogorov-Smirnov" in page
    assert result.metadata["predictions"]["model_fingerprint"] == fingerprint(model)


def test_the_page_says_why_the_scores_are_not_compared(score, fail, tmp_path, model):
    older = write_evaluation(tmp_path / "older", model)
    (older / "scores.json").unlink()
    result = score({"evaluation": older})
    assert json.loads((result.outputs["predictions"] / "manifest.json").read_text())["scores"]["probability"]["evaluated"] is None
    assert "an older version made it" in result.outputs["report"].read_text()
    (older / "scores.json").write_text('{"outputs": {"probability": {"buckets": [99999999], "counts": [1], "total": 0}}}')
    assert "the distribution of the predictions at" in fail({"evaluation": older})


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_other_formats_say_the_same(score, kind):
    result = score(output_format=kind, passthrough_columns=["carrier"])
    assert result.code == 0, result.error
    file = result.outputs["predictions"] / "predictions" / f"all-00000.{kind}"
    if kind == "csv":
        found = pa.csv.read_csv(file).to_pylist()
        pairs = [json.loads(row["pair"]) for row in found]
    else:
        found = [json.loads(line) for line in file.read_text().splitlines()]
        pairs = [row["pair"] for row in found]
    assert [row["id"] for row in found] == list(range(PART_ROWS))
    np.testing.assert_allclose([row["probability"] for row in found], expected(PART_ROWS), rtol=1e-5)
    assert all(len(pair) == 2 for pair in pairs)


def test_partitions_by_a_column(score):
    result = score(partition_by="origin")
    folder = result.outputs["predictions"] / "predictions"
    assert sorted(path.name for path in folder.iterdir()) == ["origin=EWR", "origin=JFK", "origin=LGA%2Fx"]
    assert len(list(folder.glob("*/*.parquet"))) == 3 * PARTS
    assert [row["origin"] for row in read(folder)] == rows(0, TOTAL)["origin"]


def test_rows_that_cannot_be_scored_are_stored_with_the_reason(score, examples):
    bad = rows()
    bad["distance"][7], bad["distance"][8], bad["distance"][9], bad["id"][10] = None, -1.0, 5000.0, None
    write_part(examples, 0, table(bad))
    result = score(max_error_share=0.01)
    assert result.code == 0, result.error
    assert result.parameters == {"rows": TOTAL - 4, "errors": 4}
    out = result.outputs["predictions"]
    errors = pq.read_table(out / "errors" / "all-00000.parquet").to_pylist()
    assert [row["id"] for row in errors] == [7, 8, 9, None]
    assert "feature distance" in errors[0]["reason"]
    assert "NaN" in errors[1]["reason"]
    assert "too far" in errors[2]["reason"]
    assert errors[3]["reason"] == "the key id is missing"
    assert not {7, 8, 9, 10} & {row["id"] for row in read(out / "predictions")}
    assert "the key id is missing" in result.outputs["report"].read_text()


def test_more_errors_than_allowed_fail_the_task(fail, examples):
    bad = rows()
    bad["distance"][7] = -1.0
    write_part(examples, 0, table(bad))
    assert "max_error_share" in fail()
    assert "give a share from 0 to 1" in fail(max_error_share=2.0)


def test_a_run_goes_on_where_it_was_killed_and_scores_nothing_twice(score, examples, tmp_path, model, schema, evaluation):
    place = tmp_path / "scored"
    for number in range(PARTS, 40):
        write_part(examples, number, table(rows(number * PART_ROWS)))
    given = {"examples": examples, "schema": schema, "model": model, "evaluation": evaluation}
    spec = json.dumps(executor_input(NAME, tmp_path / "killed", {"key_columns": ["id"], "output_uri": str(place)}, given))
    variables = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, "-m", f"penstock.components.{NAME}", "--executor_input", spec]
    with subprocess.Popen(command, env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and len(list(place.glob("parts/*.json"))) < 3:
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
    before = {path.name: path.read_bytes() for path in place.glob("parts/*.json")}
    assert 3 <= len(before) < 40
    assert not (place / "manifest.json").exists()
    assert not (tmp_path / "killed" / "executor_output.json").exists()
    result = score(output_uri=str(place))
    assert result.code == 0, result.error
    assert {name: (place / "parts" / name).read_bytes() for name in before} == before
    assert [row["id"] for row in read(place / "predictions")] == list(range(40 * PART_ROWS))
    manifest = json.loads((place / "manifest.json").read_text())
    assert manifest["rows"] == 40 * PART_ROWS == sum(manifest["scores"]["probability"]["counts"])
    assert json.loads((result.outputs["predictions"] / "manifest.json").read_text()) == manifest
    assert result.metadata["predictions"]["output_uri"] == str(place)
    assert not list(place.glob(".*"))
    times = {path: path.stat().st_mtime_ns for path in (place / "predictions").iterdir()}
    assert score(output_uri=str(place)).parameters == result.parameters
    assert {path: path.stat().st_mtime_ns for path in (place / "predictions").iterdir()} == times


def test_a_part_that_was_damaged_is_scored_again(score, tmp_path):
    place = tmp_path / "scored"
    score(output_uri=str(place))
    (place / "predictions" / "all-00001.parquet").write_bytes(b"")
    assert score(output_uri=str(place)).code == 0
    assert len(read(place / "predictions")) == TOTAL


def test_a_place_belongs_to_one_run(score, fail, examples, tmp_path):
    place = tmp_path / "scored"
    assert score(output_uri=str(place)).code == 0
    assert "other parameters" in fail(output_uri=str(place), passthrough_columns=["origin"])
    write_part(examples, PARTS, table(rows(TOTAL)))
    assert "other rows" in fail(output_uri=str(place))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_text("mine")
    assert "is not empty" in fail(output_uri=str(tmp_path / "mine"))
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["file"]


def test_two_runs_do_not_write_to_one_folder_at_the_same_time(score, fail, tmp_path):
    place = tmp_path / "scored"
    place.mkdir()
    other_run = os.open(place, os.O_RDONLY)
    fcntl.flock(other_run, fcntl.LOCK_EX)
    assert f"another run is writing to output_uri {place}" in fail(output_uri=str(place))
    assert list(place.iterdir()) == []
    os.close(other_run)
    assert score(output_uri=str(place)).code == 0


@pytest.fixture
def quick_lease(monkeypatch):
    monkeypatch.setattr(lease, "RENEWAL_SECONDS", 0.05)


@pytest.mark.usefixtures("quick_lease")
@pytest.mark.parametrize("scheme", ["s3", "gs"])
def test_two_runs_do_not_write_to_one_folder_of_a_bucket_at_the_same_time(score, fail, bucket_elsewhere, scheme, monkeypatch):
    place = f"{scheme}://{bucket_elsewhere}/scored"
    files, root = open_store(place)
    with lease.Lease(files, root, "another run").held():
        assert f"another run is writing to output_uri {place}" in fail(output_uri=place)
    files.pipe_file(f"{root}/{lease.FOLDER}/000000007", b"")  # of a run that was killed
    monkeypatch.setattr(lease, "ABANDONED_SECONDS", 0.2)
    assert score(output_uri=place).code == 0
    assert {str(path).removeprefix(f"{root}/").partition("/")[0] for path in files.find(root)} == {
        "run.json",
        "parts",
        "predictions",
        "manifest.json",
    }


class _Closed(BaseHTTPRequestHandler):
    """An S3 that gives nobody access."""

    def refuse(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
        self.send_response(403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body if self.command != "HEAD" else b"")

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = refuse

    def log_message(self, *_):
        pass


def test_a_bucket_without_access_is_one_line(fail, monkeypatch):
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Closed)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for name, value in {
        "ENDPOINT_URL_S3": f"http://127.0.0.1:{server.server_port}",
        "ACCESS_KEY_ID": "a",
        "SECRET_ACCESS_KEY": "b",
    }.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    clients = fsspec.get_filesystem_class("s3")  # they keep the endpoint that they were made with
    clients.clear_instance_cache()
    error = fail(output_uri="s3://closed/scored")
    clients.clear_instance_cache()
    server.shutdown()
    assert "the output cannot be stored at s3://closed/scored (" in error
    assert "Access Denied" in error or "Forbidden" in error
    assert error.endswith("correct output_uri, or give access")


@pytest.mark.usefixtures("quick_lease")
def test_a_run_whose_lease_another_one_has_taken_writes_nothing_more():
    files, root = open_store("memory://bucket/taken")
    place = Place("memory://bucket/taken")

    def write():
        with place.scratch() as scratch:
            place.write(scratch, "file.json", {})

    def is_refused():
        try:
            write()
        except TaskError as error:
            return "another run is writing to output_uri" in str(error)
        return False

    with place.working():
        write()
        number = max(int(name.rpartition("/")[2]) for name in files.ls(f"{root}/{lease.FOLDER}", detail=False))
        for other in range(number, number + 100):
            files.pipe_file(f"{root}/{lease.FOLDER}/{other:09d}", b"")
        until(is_refused)


def test_only_the_blessed_model_scores(fail, tmp_path, model):
    assert "not 'blessed'" in fail({"evaluation": write_evaluation(tmp_path / "bad", model, "not_blessed")})
    assert "has no evaluation" in fail({"evaluation": None})
    module = tf.Module()
    module.call = tf.function(lambda distance: {"probability": distance}, input_signature=[tf.TensorSpec([None], tf.float32, "distance")])
    tf.saved_model.save(module, str(tmp_path / "other"), {"serving_default": module.call})
    assert "other bytes" in fail({"model": tmp_path / "other"})
    assert "no model is given" in fail({"model": None, "evaluation": None})


@pytest.fixture
def registry(tmp_path, model, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    return open_registry("late")


def test_an_alias_is_resolved_and_recorded(score, fail, registry, model, evaluation):
    neither = {"model": None, "evaluation": None}
    assert "no version of late has the alias champion" in fail(neither, model_name="late")
    registry.point("champion", registry.register(fingerprint(model), str(model), Lineage().tags()))
    assert "without a blessing" in fail(neither, model_name="late")
    version = registry.register(fingerprint(model), str(model), Lineage(blessing="blessed").tags())
    result = score(neither, model_name="late", evaluation_uri=str(evaluation))
    assert result.code == 0, result.error
    manifest = json.loads((result.outputs["predictions"] / "manifest.json").read_text())
    assert manifest["model"] == {
        "fingerprint": fingerprint(model),
        "name": "late",
        "version": version,
        "alias": "champion",
        "uri": str(model),
    }
    assert {row["model_version"] for row in read(result.outputs["predictions"] / "predictions")} == {version}


def test_a_version_whose_files_changed_is_refused(fail, registry, model, tmp_path):
    registry.point("champion", registry.register("0" * 64, str(model), Lineage(blessing="blessed").tags()))
    assert "differ from the registered bytes" in fail({"model": None, "evaluation": None}, model_name="late")


def test_keys_are_unique(fail, examples, score):
    again = rows(PART_ROWS)
    again["id"][5] = 7
    write_part(examples, 1, table(again))
    assert "the key is not unique: 2 rows have id=7" in fail()
    again["carrier"] = ["UA"] * PART_ROWS
    write_part(examples, 1, table(again))
    assert score(key_columns=["id", "carrier"], max_error_share=1.0).code == 0


def test_parts_have_the_same_columns(fail, examples):
    write_part(examples, 1, table(rows(PART_ROWS)).drop_columns("carrier"))
    assert "column 'carrier' is string in" in fail()
    other = table(rows(PART_ROWS))
    write_part(examples, 1, other.set_column(1, "distance", other["distance"].cast(pa.float64())))
    assert "column 'distance' is float in" in fail()


def test_a_feature_that_the_model_needs_is_there(fail, examples):
    for number in range(PARTS):
        write_part(examples, number, table(rows(number * PART_ROWS)).drop_columns("carrier"))
    assert "the Examples lack the feature(s) carrier" in fail()
    assert "lack the feature(s) carrier" in fail({"schema": None})


def test_a_column_that_serving_lacks_may_be_missing(score, examples):
    for number in range(PARTS):
        write_part(examples, number, table(rows(number * PART_ROWS)).drop_columns("origin"))
    assert score().parameters == {"rows": TOTAL, "errors": 0}


def test_a_table_that_grows_while_it_is_read_is_refused(score, examples, monkeypatch):
    found = engines.check_unique

    def grow(*given):
        write_part(examples, 1, table(rows(10_000, PART_ROWS + 5)))
        found(*given)

    monkeypatch.setattr(engines, "check_unique", grow)
    result = score()
    assert result.code == 1
    assert "changed while it was read" in result.error
    assert not result.outputs["predictions"].exists()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"key_columns": []}, "key_columns is empty"),
        ({"key_columns": ["no"]}, "key_columns names 'no'"),
        ({"key_columns": [5]}, "key_columns names 5"),
        ({"passthrough_columns": ["no"]}, "passthrough_columns names 'no'"),
        ({"partition_by": "no"}, "partition_by names 'no'"),
        ({"output_format": "orc"}, "give parquet, csv, jsonl"),
        ({"splits": ["no"]}, "have no Split 'no'"),
        ({"output_uri": "unknown://x"}, "unknown://x"),
        ({"evaluation_uri": "/missing"}, "not both"),
    ],
)
def test_a_parameter_that_cannot_be_used_is_one_line(fail, parameters, message):
    assert message in fail(**parameters)


def test_a_full_disk_leaves_nothing_and_says_so(score, small_disk, examples):
    big = rows(0, 60_000)
    big["origin"] = [f"{number:x}" * 3 for number in np.random.default_rng(0).integers(0, 1 << 60, 60_000)]
    write_part(examples, 0, table(big))
    for number in range(1, PARTS):
        (examples / "Split-all" / f"part-{number:05d}.parquet").unlink()
    result = score(passthrough_columns=["origin"])
    assert result.code == 1
    assert "no space left on the device" in result.error
    assert not list(small_disk.rglob("*.parquet"))


def test_a_store_of_objects_is_a_place(score):
    store = fsspec.filesystem("memory")
    result = score(output_uri="memory://bucket/scored", partition_by="origin")
    assert result.code == 0, result.error
    whole = {path: store.modified(path) for path in store.find("/bucket/scored/predictions")}
    assert len(whole) == 3 * PARTS
    store.rm("/bucket/scored/parts/all-00001.json")
    assert score(output_uri="memory://bucket/scored", partition_by="origin").parameters == result.parameters
    again = {path: store.modified(path) for path in store.find("/bucket/scored/predictions")}
    assert {path for path in whole if again[path] != whole[path]} == {path for path in whole if "all-00001" in path}
