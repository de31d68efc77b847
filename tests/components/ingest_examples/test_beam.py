"""ingest_examples on Beam: the bytes of the in-process run, whatever the format, the Splits and the sizes of the files."""

import gzip
import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import csv

from penstock.components.data import examples as examples_
from penstock.components.ingest_examples import beam_engine

from .examples import NAME, write

ON_BEAM = {"beam_pipeline_args": ["--runner=DirectRunner"]}
RATIO = {"splits": {"train": 2, "eval": 1}}


def table(rows, seed=0):
    random = np.random.default_rng(seed)
    numbers = random.normal(size=rows)
    return pa.table(
        {
            "id": np.arange(rows) + seed * rows,
            "x": pa.array(numbers, mask=random.random(rows) < 0.1),
            "zip": [f"0{number % 90:02d}" for number in range(rows)],
            "day": pa.array(random.integers(0, 100, rows), pa.int64()),
            "word": random.choice(["a", "b,c", 'say "d"', "NA", "line\nbreak"], rows),
        }
    )


def write_csv(folder):
    for number, rows in enumerate((700, 20, 1900)):
        path = folder / f"country={'DE' if number else 'FR'}" / f"{number}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        csv.write_csv(table(rows, number), path)
    return folder


def write_gzip(folder):
    csv.write_csv(table(5000), folder / "all.csv")
    packed = folder / "all.csv.gz"
    packed.write_bytes(gzip.compress((folder / "all.csv").read_bytes()))
    (folder / "all.csv").unlink()
    return packed


def write_parquet(folder):
    for number, rows in enumerate((2500, 1300, 1)):
        pq.write_table(table(rows, number), folder / f"{number}.parquet", row_group_size=400)
    return folder


def write_images(folder):
    random = np.random.default_rng(0)
    images = [bytes([255, 254]) + random.bytes(int(size)) for size in random.integers(0, 3000, 2500)]
    pq.write_table(pa.table({"image": images, "label": np.arange(2500) % 3}), folder / "images.parquet", row_group_size=700)
    return folder


def write_records(folder):
    import tensorflow as tf

    def example(number):
        feature = {
            "n": tf.train.Feature(int64_list=tf.train.Int64List(value=[number])),
            "tags": tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"t"] * (number % 3))),
        }
        return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()

    for part in range(2):
        with tf.io.TFRecordWriter(str(folder / f"{part}.tfrecord")) as file:
            for number in range(1500):
                file.write(example(part * 1500 + number))
    return folder


CASES = {
    "csv": (write_csv, RATIO),
    "gzip": (write_gzip, RATIO | {"exclude_columns": ["day"]}),
    "parquet": (write_parquet, {"split_by": "hash", "split_key": "zip", **RATIO}),
    "time": (write_parquet, {"split_by": "column", "split_key": "day", "splits": {"a": [1, 2, 3], "b": list(range(4, 60))}}),
    "pattern": (write_csv, {"split_by": "pattern", "splits": {"train": "country=DE", "eval": "country=FR"}}),
    "images": (write_images, RATIO),
    "tfrecord": (write_records, RATIO),
}


@pytest.fixture
def small_parts(monkeypatch):
    """Parts and row groups that are small enough for several of each, neither a multiple of the other's."""
    for module in (examples_, beam_engine):
        monkeypatch.setattr(module, "PART_ROWS", 500)
    monkeypatch.setattr(examples_, "ROW_GROUP_ROWS", 150)
    monkeypatch.setattr(examples_, "_GROUP_BYTES", 100_000)


@pytest.mark.parametrize("case", CASES)
def test_the_bytes_are_those_of_the_in_process_run(run_task, tmp_path, small_parts, case):
    make, parameters = CASES[case]
    folder = tmp_path / "in"
    folder.mkdir()
    given = {"input_uri": str(make(folder))} | parameters
    here, there = (run_task(NAME, given | options) for options in ({}, ON_BEAM))
    assert (here.code, there.code) == (0, 0), there.error
    assert len(list(here.outputs["examples"].rglob("part-*"))) > 4
    assert here.parameters == there.parameters
    assert here.metadata["examples"] == there.metadata["examples"]
    assert [path.name for path in there.outputs["examples"].rglob("*") if path.name.startswith(".")] == []


def test_through_a_job_server(run_task, tmp_path):
    given = {"input_uri": str(write_csv(tmp_path / "in"))} | RATIO
    through = ["--runner=PortableRunner", "--job_endpoint=embed", "--environment_type=LOOPBACK"]
    here, there = (run_task(NAME, given | options) for options in ({}, {"beam_pipeline_args": through}))
    assert there.code == 0, there.error
    assert here.metadata["examples"] == there.metadata["examples"]


def test_a_worker_says_what_is_wrong_with_a_file(run_task, tmp_path):
    write(tmp_path / "in" / "a.csv", "x,y\n1,2\n")
    write(tmp_path / "in" / "b.csv", "x,y\n1,2,3\n")
    there = run_task(NAME, {"input_uri": str(tmp_path / "in"), **ON_BEAM})
    assert there.code == 1
    assert re.fullmatch(r"error: .*b\.csv is ragged: .*; correct the row, or set delimiter", there.error)
    assert not list(there.executor_output.parent.rglob("*.parquet"))


@pytest.mark.parametrize("options", [{}, ON_BEAM], ids=["here", "beam"])
def test_a_table_that_grows_while_it_is_read(run_task, tmp_path, monkeypatch, options):
    path = write(tmp_path / "a.csv", "x\n" + "1\n2\n" * 500)
    count = beam_engine.SplitWriter.write

    def write_and_grow(self, rows):
        with path.open("a") as file:
            file.write("3\n")
        count(self, rows)

    monkeypatch.setattr(examples_.SplitWriter, "write", write_and_grow)
    result = run_task(NAME, {"input_uri": str(path), "splits": {"all": 1}, **options})
    assert (result.code, result.error.partition(";")[0]) == (1, f"error: {path} changed while it was read")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--runner=NoRunner"], "names the runner 'NoRunner', which does not exist; give DirectRunner"),
        (["--runner=no.such.Runner"], "names the runner 'no.such.Runner', which does not exist"),
        (["--runner=FlinkRunner", "--job_endpoint=127.0.0.1:1"], "job_endpoint 127.0.0.1:1 in beam_pipeline_args does not answer"),
        (
            ["--runner=FlinkRunner", "--flink_master=http://127.0.0.1:1"],
            "flink_master http://127.0.0.1:1 in beam_pipeline_args does not answer",
        ),
        (["--runner=PortableRunner", "--job_server_timeout=soon"], "beam_pipeline_args cannot be read (argument --job_server_timeout"),
        (["--runner=DataflowRunner", "--region=r", "--temp_location=gs://b/t"], "names Dataflow, but not its project; add --project="),
        (["--runner=DataflowRunner", "--project=p", "--temp_location=gs://b/t"], "names Dataflow, but not its region; add --region="),
        (["--runner=DataflowRunner", "--project=p", "--region=r"], "names Dataflow, but not its temp_location; add --temp_location="),
        (["--runner=DataflowRunner", "--project=p", "--region=r", "--temp_location=/tmp"], "give Dataflow a gs:// bucket"),
        ([7], "beam_pipeline_args has 7; give texts"),
    ],
    ids=str,
)
def test_options_that_cannot_be_used(run_task, tmp_path, options, message):
    path = write(tmp_path / "a.csv", "x\n1\n2\n")
    result = run_task(NAME, {"input_uri": str(path), "splits": {"all": 1}, "beam_pipeline_args": options})
    assert result.code == 1
    assert message in result.error
    assert "\n" not in result.error


def test_a_full_disk(run_task, tmp_path, small_disk):
    pq.write_table(table(100_000), tmp_path / "a.parquet")
    result = run_task(NAME, {"input_uri": str(tmp_path / "a.parquet"), **ON_BEAM})
    assert result.code == 1
    assert result.error.startswith("error: cannot write")
    assert "no space left on the device" in result.error
    assert list(small_disk.iterdir()) == []
