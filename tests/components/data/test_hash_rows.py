"""Hashes of rows that may be equal, as workers of Beam hand them on."""

from collections import Counter

import numpy as np
import pyarrow as pa

from penstock.components.data.beam import HashRows

# Flink makes one record of a key's elements, and sorts records in the memory of one step, a small part of what a task manager has.
MOST_BYTES = 1 << 20


def test_what_belongs_to_a_key_is_small():
    hashes = np.random.default_rng(7).integers(1 << 63, size=1_000_000, dtype=np.uint64) * np.uint64(2)
    hash_rows = HashRows("train", lambda batch: batch["hash"].to_numpy(), len(hashes))
    hash_rows.start_bundle()
    assert list(hash_rows.process(pa.RecordBatch.from_pydict({"hash": hashes}))) == []
    found, of_key = [], Counter()
    for element in hash_rows.finish_bundle():
        key, (name, content) = element.value
        assert name == "train"
        of_key[key] += len(content)
        found.append(np.frombuffer(content, np.uint64))
    assert max(of_key.values()) <= MOST_BYTES
    assert np.array_equal(np.concatenate(found), np.sort(hashes))
