"""score_batch on several devices: each gets a share of the batches, and the rows keep their order. CPU devices stand for GPUs."""

import json
import re
from collections import Counter

import numpy as np
import pyarrow.parquet as pq
import pytest

from ..conftest import executor_input
from ..devices import DEVICES, run_on_devices
from .conftest import NAME, PART_ROWS, rows, table
from .test_task import expected

ROWS_OF_A_BATCH = 20
# TensorFlow itself writes down where it executes each call of a signature.
SCORE = f"""
import os, sys
from penstock.components import protocol

tf.debugging.set_log_device_placement(True)
os.dup2(os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT), 2)
try:
    protocol.main("penstock.components.{NAME}", ["--executor_input", sys.argv[1]])
except SystemExit as end:
    assert end.code == 0, end.code
"""


@pytest.mark.slow
def test_every_device_scores_its_share_and_rows_keep_their_order(tmp_path, model, schema, evaluation, monkeypatch):
    part = tmp_path / "examples" / "Split-all" / "part-00000.parquet"
    part.parent.mkdir(parents=True)
    pq.write_table(table(rows()), part, row_group_size=ROWS_OF_A_BATCH)
    inputs = {"examples": tmp_path / "examples", "schema": schema, "model": model, "evaluation": evaluation}
    spec = executor_input(NAME, tmp_path / "out", {"key_columns": ["id"]}, inputs)
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")
    run_on_devices(SCORE, json.dumps(spec), str(tmp_path / "executed"))
    calls = re.findall(r"Executing op __inference_signature_wrapper_\w+ in device \S+/(device:CPU:\d)", (tmp_path / "executed").read_text())
    counts = Counter(calls)
    assert sorted(counts) == [f"device:CPU:{number}" for number in range(DEVICES)]
    assert min(counts.values()) >= PART_ROWS // ROWS_OF_A_BATCH // DEVICES, "the devices take turns"
    (file,) = (tmp_path / "out" / "predictions" / "predictions").iterdir()
    scored = pq.read_table(file).to_pylist()
    assert [row["id"] for row in scored] == list(range(PART_ROWS))
    np.testing.assert_allclose([row["probability"] for row in scored], expected(PART_ROWS), rtol=1e-5)
