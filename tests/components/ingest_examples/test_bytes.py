"""Bytes that are no text, such as images, and records that are no tf.Examples."""

import bz2

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from penstock.components.data import examples as examples_
from penstock.components.data.examples import SplitWriter, read_batches

from .examples import column, kinds, rows

JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF"


@pytest.mark.parametrize(
    "kind",
    [pa.binary(), pa.large_binary(), pa.binary_view(), pa.binary(10), pa.dictionary(pa.int32(), pa.binary()), pa.list_(pa.binary())],
    ids=str,
)
def test_binary_columns_of_parquet(tmp_path, ingest, kind):
    values = [JPEG[:9] + bytes([number]) for number in range(30)]
    held = [[value, value] for value in values] if pa.types.is_list(kind) else values
    pq.write_table(pa.table({"y": range(30), "image_raw": pa.array(held, kind)}), tmp_path / "a.parquet")
    result = ingest(tmp_path / "a.parquet", splits={"train": 2, "eval": 1})
    assert kinds(result, "train")["image_raw"] == ("list<element: binary>" if pa.types.is_list(kind) else "binary")
    found = {row["y"]: row["image_raw"] for split in ("train", "eval") for row in rows(result, split)}
    assert found == dict(enumerate(held))


def test_bytes_that_are_all_text_are_text(tmp_path, ingest):
    (folder := tmp_path / "in").mkdir()
    pq.write_table(pa.table({"s": [b"a", "é".encode(), None]}), folder / "1.parquet")
    assert kinds(ingest(folder)) == {"s": "string"}
    pq.write_table(pa.table({"s": [JPEG]}), folder / "2.parquet")
    assert column(ingest(folder), "s") == [b"a", "é".encode(), None, JPEG]


def write_records(path, records, compression=""):
    import tensorflow as tf

    with tf.io.TFRecordWriter(str(path), compression) as writer:
        for record in records:
            writer.write(record)


def example(**features):
    import tensorflow as tf

    kinds = {bytes: ("bytes_list", tf.train.BytesList), int: ("int64_list", tf.train.Int64List)}
    made = {}
    for name, values in features.items():
        field, kind = kinds[type(values[0])]
        made[name] = tf.train.Feature(**{field: kind(value=values)})
    return tf.train.Example(features=tf.train.Features(feature=made)).SerializeToString()


@pytest.mark.parametrize("compression", ["", "GZIP", "bz2", "zstd"])
def test_bytes_of_examples_in_any_compression(tmp_path, ingest, fail, compression):
    file = tmp_path / "a.tfrecord"
    records = [example(image=[JPEG + bytes([number])], parts=[JPEG, b"x"], label=[number], word=[b"w"]) for number in range(5)]
    write_records(file, records, compression if compression == "GZIP" else "")
    if compression in ("bz2", "zstd"):
        compress = bz2.compress if compression == "bz2" else lambda data: pa.Codec("zstd").compress(data, asbytes=True)
        file.write_bytes(compress(file.read_bytes()))
    result = ingest(file)
    assert kinds(result) == {"image": "binary", "label": "int64", "parts": "list<element: binary>", "word": "string"}
    assert rows(result)[3] == {"image": JPEG + b"\3", "label": 3, "parts": [JPEG, b"x"], "word": "w"}
    file.write_bytes(file.read_bytes()[:-10])
    assert "cannot be read as TFRecord" in fail(file)


def _others():
    import tensorflow as tf

    context = tf.train.Example.FromString(example(label=[1])).features
    lists = tf.train.FeatureLists(feature_list={"words": tf.train.FeatureList(feature=[context.feature["label"]])})
    return {
        "sequence": tf.train.SequenceExample(context=context, feature_lists=lists).SerializeToString(),
        "sequence without context": tf.train.SequenceExample(feature_lists=lists).SerializeToString(),
        "text": b"hello, world",
        "proto of a text": tf.train.BytesList(value=[b"hello"]).SerializeToString(),
        "proto of numbers": tf.train.Int64List(value=[1, 2, 3]).SerializeToString(),
        "image": JPEG,
        "json": b'{"a": 1}',
        "empty": b"",
    }


@pytest.mark.parametrize(
    "kind", ["sequence", "sequence without context", "text", "proto of a text", "proto of numbers", "image", "json", "empty"]
)
def test_other_records_are_refused(tmp_path, fail, kind):
    write_records(tmp_path / "a.tfrecord", [_others()[kind]] * 3)
    line = fail(tmp_path / "a.tfrecord")
    assert ("contains tf.SequenceExample, not" if "sequence" in kind else "tf.Example") in line


def test_a_sequence_after_many_examples_is_refused(tmp_path, fail):
    write_records(tmp_path / "a.tfrecord", [*[example(label=[1])] * 100, _others()["sequence"]])
    assert "contains tf.SequenceExample" in fail(tmp_path / "a.tfrecord")


def test_rows_of_many_bytes_make_small_row_groups_however_they_come(tmp_path, monkeypatch):
    monkeypatch.setattr(examples_, "_GROUP_BYTES", 1000)
    random = np.random.default_rng(0)
    table = pa.table({"id": range(200), "image": [random.bytes(random.integers(1, 300)) for _ in range(200)]})
    for name, step in (("a", 200), ("b", 7)):
        with SplitWriter(tmp_path / name, "train", table.schema) as writer:
            for start in range(0, 200, step):
                writer.write(table.slice(start, step))
    files = [tmp_path / name / "Split-train" / "part-00000.parquet" for name in ("a", "b")]
    assert files[0].read_bytes() == files[1].read_bytes()
    batches = list(read_batches(tmp_path / "a", "train"))
    assert max(batch.nbytes for batch in batches) < 3000
    assert pa.Table.from_batches(batches).equals(table)
