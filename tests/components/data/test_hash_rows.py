"""Hashes of rows that may be equal, as workers of Beam hand them on."""

import numpy as np
import pyarrow as pa

from penstock.components.data.beam import HashRows

# Flink sorts elements in the memory of one step, which is a small part of what a task manager has.
MOST_BYTES = 1 << 18


def test_elements_are_small_and_hold_every_hash():
    hashes = np.random.default_rng(7).integers(1 << 63, size=100_000, dtype=np.uint64)
    hash_rows = HashRows("train", lambda batch: batch["hash"].to_numpy(), len(hashes))
    hash_rows.start_bundle()
    assert list(hash_rows.process(pa.RecordBatch.from_pydict({"hash": hashes}))) == []
    elements = [each.value for each in hash_rows.finish_bundle()]
    assert {(key, name) for key, (name, _) in elements} == {(0, "train")}
    assert max(len(content) for _, (_, content) in elements) <= MOST_BYTES
    found = np.concatenate([np.frombuffer(content, np.uint64) for _, (_, content) in elements])
    assert np.array_equal(np.sort(found), np.sort(hashes))
