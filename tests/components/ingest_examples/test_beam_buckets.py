"""ingest_examples on Beam between buckets: workers in processes of their own read and write them, and nothing lands on this machine."""

import json
import sys

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from penstock.components import protocol
from penstock.components.data.filesystems import fetch_folder
from penstock.components.protocol import fingerprint

from ..conftest import executor_input
from .examples import NAME, write

IN_PROCESSES = [
    "--runner=PortableRunner",
    "--job_endpoint=embed",
    "--environment_type=beam:env:harness_subprocess_python:v1",
    f"--environment_config={sys.executable} -m apache_beam.runners.worker.sdk_worker_main",
]


@pytest.fixture
def ingest(tmp_path):
    """Returns `run(name, output, input, options)`, which ingests into a bucket; it returns what the task says at the end, its metadata, and its local path."""

    def run(name, output, source, options):
        root = tmp_path / name
        spec = executor_input(NAME, root, {"input_uri": source, "beam_pipeline_args": options}, {})
        (artifact,) = spec["outputs"]["artifacts"]["examples"]["artifacts"]
        artifact |= {"uri": output, "customPath": str(root / "examples")}
        with pytest.raises(SystemExit) as end:
            protocol.main(f"penstock.components.{NAME}", ["--executor_input", json.dumps(spec)])
        file = root / "executor_output.json"
        found = json.loads(file.read_text())["artifacts"]["examples"]["artifacts"][0]["metadata"] if file.exists() else None
        return end.value.code, found, root / "examples"

    return run


@pytest.mark.slow
def test_workers_read_and_write_buckets(ingest, bucket_elsewhere, tmp_path):
    store = fsspec.filesystem("s3", skip_instance_cache=True)
    for number in range(2):
        file = tmp_path / f"{number}.parquet"
        pq.write_table(pa.table({"x": np.arange(3000.0) + number, "n": np.arange(3000) % 7}), file, row_group_size=1000)
        store.put_file(str(file), f"{bucket_elsewhere}/in/{number}.parquet")
    source = f"s3://{bucket_elsewhere}/in"
    _, here, _ = ingest("here", f"minio://{bucket_elsewhere}/here/examples", source, [])
    output = f"minio://{bucket_elsewhere}/there/examples"
    code, there, folder = ingest("there", output, source, IN_PROCESSES)
    assert (code, there) == (0, here)
    assert not folder.exists()
    fetch_folder(output, tmp_path / "fetched")
    assert fingerprint(tmp_path / "fetched") == there["fingerprint"]
    assert store.ls(f"{bucket_elsewhere}/there") == [f"{bucket_elsewhere}/there/examples"]  # the scratch folder is gone


def test_a_bucket_that_does_not_exist(ingest, bucket_elsewhere, tmp_path):
    code, _, _ = ingest("there", "s3://nowhere/there/examples", str(write(tmp_path / "a.csv", "x\n1\n2\n")), IN_PROCESSES)
    assert code.startswith("error: s3://nowhere/there/.penstock-beam-")
    assert "cannot be read or written" in code
