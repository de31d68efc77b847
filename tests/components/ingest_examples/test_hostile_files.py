"""Files that are damaged in any way: one line, and nothing left."""

import gzip
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

SEED, DAMAGES = 7, 120


@pytest.fixture
def parquet() -> bytes:
    """A good file: several row groups, columns of every kind."""
    rows = 300
    table = pa.table(
        {
            "number": pa.array(range(rows)),
            "share": pa.array([row / 7 for row in range(rows)]),
            "text": pa.array([f"text {row % 11}" for row in range(rows)]).dictionary_encode(),
            "list": pa.array([[row, row + 1] for row in range(rows)]),
            "flag": pa.array([row % 2 == 0 for row in range(rows)]),
        }
    )
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, row_group_size=100, compression="zstd")
    return sink.getvalue().to_pybytes()


def _damaged(data: bytes, chance: random.Random) -> bytes:
    if chance.random() < 0.1:
        return data[: chance.randrange(len(data))]
    changed = bytearray(data)
    # As often in the footer, which is small, as in the pages.
    start = chance.choice([0, len(data) - int.from_bytes(data[-8:-4], "little") - 8])
    for _ in range(chance.choice([1, 1, 4, 32])):
        changed[chance.randrange(start, len(data))] = chance.randrange(256)
    return bytes(changed)


def test_damaged_parquet(run_task, tmp_path, parquet):
    chance, path = random.Random(SEED), tmp_path / "rows.parquet"
    refused = 0
    for _ in range(DAMAGES):
        path.write_bytes(_damaged(parquet, chance))
        done = run_task("ingest_examples", {"input_uri": str(path)})
        assert done.code in (0, 1)
        if done.code:
            assert done.error.startswith("error: "), done.error
            assert not list(done.executor_output.parent.rglob("*.parquet"))
            refused += 1
    assert refused > DAMAGES / 3


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rows.csv.gz", gzip.compress(b"a" * (300 << 20))),
        ("rows.csv.gz", gzip.compress(b"a,b\n1,2\n")[:-9]),
        ("rows.csv", b"\0" * 5000),
        ("rows.csv", b'a,b\n"' + b"x" * (4 << 20)),
        ("rows.csv", b"a,b\n1,\xff\n"),
        ("rows.csv", (",".join(f"c{number}" for number in range(5000)) + "\n1\n").encode()),
        ("rows.tfrecord", b"\xff" * 100),
        ("rows.tfrecord.gz", gzip.compress(b"\xff" * (100 << 20))),
        ("rows.tfrecord.gz", b"\x1f\x8b\x08" + b"x" * 100),
        ("rows.parquet", b"PAR1" + b"\0" * 100 + b"\xff\xff\xff\x7fPAR1"),
        ("rows.parquet", b""),
    ],
    ids=lambda value: value if isinstance(value, str) else str(len(value)),
)
def test_a_file_that_is_none_is_one_line(run_task, tmp_path: Path, name: str, content: bytes):
    (tmp_path / name).write_bytes(content)
    done = run_task("ingest_examples", {"input_uri": str(tmp_path / name)})
    assert done.code == 1
    assert done.error.startswith(f"error: {tmp_path / name} "), done.error
    assert "\n" not in done.error
