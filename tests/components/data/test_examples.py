"""The Examples artifact."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from penstock.components.data.examples import ROW_GROUP_ROWS, SplitWriter, count_rows, read_batches, read_schema, split_files, split_names
from penstock.components.protocol import TaskError, fingerprint

TABLE = pa.table({"i": range(40_000), "s": [f"v{i % 91}" for i in range(40_000)], "l": [[i] * (i % 3) for i in range(40_000)]})


def write(folder, table, step):
    with SplitWriter(folder, "train", table.schema) as writer:
        for start in range(0, len(table), step):
            writer.write(table.slice(start, step))
    return writer.rows


def test_rows_come_back_a_row_group_at_a_time(tmp_path):
    assert write(tmp_path, TABLE, 1000) == 40_000
    assert split_names(tmp_path) == ["train"]
    assert count_rows(tmp_path, "train") == 40_000
    batches = list(read_batches(tmp_path, "train"))
    assert max(batch.num_rows for batch in batches) <= ROW_GROUP_ROWS
    assert pa.Table.from_batches(batches).equals(TABLE)
    assert next(read_batches(tmp_path, "train", ["s"])).schema.names == ["s"]
    assert read_schema(tmp_path, "train") == TABLE.schema
    groups = pq.ParquetFile(split_files(tmp_path, "train")[0]).metadata
    assert [groups.row_group(i).num_rows for i in range(groups.num_row_groups)] == [
        ROW_GROUP_ROWS,
        ROW_GROUP_ROWS,
        40_000 - 2 * ROW_GROUP_ROWS,
    ]


def test_the_same_rows_in_any_pieces_are_the_same_bytes(tmp_path):
    for step in (777, 16_384, 40_000):
        write(tmp_path / str(step), TABLE, step)
    assert len({fingerprint(tmp_path / str(step)) for step in (777, 16_384, 40_000)}) == 1


def test_a_million_rows_make_a_part(tmp_path):
    table = pa.table({"i": range(64 * ROW_GROUP_ROWS + 1)})
    write(tmp_path, table, len(table))
    assert [path.name for path in split_files(tmp_path, "train")] == ["part-00000.parquet", "part-00001.parquet"]
    assert count_rows(tmp_path, "train") == len(table)
    assert sum(batch.num_rows for batch in read_batches(tmp_path, "train")) == len(table)


def test_a_split_without_rows_still_has_a_schema(tmp_path):
    assert write(tmp_path, TABLE.slice(0, 0), 1) == 0
    assert read_schema(tmp_path, "train") == TABLE.schema
    assert count_rows(tmp_path, "train") == 0


def test_what_cannot_be_read_is_named(tmp_path):
    write(tmp_path, TABLE.slice(0, 10), 10)
    with pytest.raises(TaskError, match=r"have no Split 'eval' \(they have: train\)"):
        list(read_batches(tmp_path, "eval"))
    (tmp_path / "Split-train" / "part-00000.parquet").write_bytes(b"PAR1")
    with pytest.raises(TaskError, match=r"part-00000\.parquet cannot be read as Parquet"):
        list(read_batches(tmp_path, "train"))
    (tmp_path / "Split-empty").mkdir()
    with pytest.raises(TaskError, match="has no files"):
        read_schema(tmp_path, "empty")
