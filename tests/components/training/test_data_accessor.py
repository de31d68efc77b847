"""The data accessor: every row once an epoch, as the Schema describes it, whatever the format."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from google.protobuf import text_format
from tensorflow_metadata.proto.v0.schema_pb2 import Schema
from tfx_bsl.public.tfxio import RecordBatchesOptions, TensorFlowDatasetOptions

from penstock.components.protocol import TaskError
from penstock.components.training.data_accessor import POOL_ROWS, data_accessor

SCHEMA = text_format.Parse(
    """
feature { name: "id" type: INT presence { min_fraction: 1 } shape { dim { size: 1 } } }
feature { name: "pair" type: FLOAT presence { min_fraction: 1 } shape { dim { size: 2 } } }
feature { name: "tags" type: BYTES }
""",
    Schema(),
)
ONE_COLUMN = text_format.Parse('feature { name: "id" type: INT presence { min_fraction: 1 } shape {} }', Schema())


def write(folder: Path, rows: int, files: int = 2) -> list[str]:
    """Writes rows whose id is their number, with one tag for odd ids and two for every fourth."""
    ids = np.arange(rows)
    tags = [["a", "b"] if i % 4 == 0 else ["c"] if i % 2 else None for i in ids]
    table = pa.table({"id": ids, "pair": pa.array([[float(i), 0.5] for i in ids]), "tags": tags})
    for part in range(files):
        span = slice(part * rows // files, (part + 1) * rows // files)
        pq.write_table(table[span], folder / f"part-{part:05d}.parquet", row_group_size=16)
    return [str(folder / "*")]


def ids(dataset: tf.data.Dataset) -> list[np.ndarray]:
    """Returns the ids of each batch."""
    return [batch["id"].numpy().reshape(-1) for batch in dataset]


def test_batches_are_as_the_schema_says(tmp_path):
    files = write(tmp_path, 50)
    dataset = data_accessor().tf_dataset_factory(files, TensorFlowDatasetOptions(16, num_epochs=1, shuffle=False, label_key="id"), SCHEMA)
    assert int(dataset.cardinality()) == 4
    features, label = next(iter(dataset))
    assert label.numpy()[:, 0].tolist() == list(range(16))
    assert features["pair"].numpy().tolist() == [[float(i), 0.5] for i in range(16)]
    assert isinstance(features["tags"], tf.SparseTensor)
    assert tf.sparse.to_dense(features["tags"], b"-").numpy()[:4].tolist() == [[b"a", b"b"], [b"c", b"-"], [b"-", b"-"], [b"c", b"-"]]
    assert [len(label) for _, label in dataset] == [16, 16, 16, 2]


def test_parquet_gives_what_tfrecord_gives(transformed, transformed_tfrecord):
    import tensorflow_transform as tft

    def batches(made):
        schema = tft.TFTransformOutput(str(made.inputs["transform_graph"])).transformed_metadata.schema
        options = TensorFlowDatasetOptions(64, num_epochs=1, shuffle=False, label_key="late")
        return list(data_accessor().tf_dataset_factory([str(made.examples / "Split-train" / "*")], options, schema))

    ours, theirs = batches(transformed), batches(transformed_tfrecord)
    assert len(ours) == len(theirs) == 16
    for (features, label), (others, other_label) in zip(ours, theirs, strict=True):
        assert {name: value.shape for name, value in features.items()} == {name: value.shape for name, value in others.items()}
        assert all(np.array_equal(features[name], others[name]) for name in features)
        assert np.array_equal(label, other_label)


def test_every_epoch_is_another_order_and_the_seed_decides(tmp_path):
    files = write(tmp_path, 100)

    def epochs(seed):
        dataset = data_accessor().tf_dataset_factory(files, TensorFlowDatasetOptions(32, num_epochs=1, shuffle_seed=seed), SCHEMA)
        return [np.concatenate(ids(dataset)).tolist() for _ in range(2)]

    first, second = epochs(7)
    assert sorted(first) == sorted(second) == list(range(100))
    assert first != second
    assert [first, second] == epochs(7)
    assert first not in epochs(8)


def test_batches_cross_pools_and_epochs(tmp_path):
    rows = POOL_ROWS + 40_000
    pq.write_table(pa.table({"id": np.arange(rows)}), tmp_path / "part-0.parquet", row_group_size=16_384)
    options = TensorFlowDatasetOptions(10_000, num_epochs=2, drop_final_batch=True)
    found = ids(data_accessor().tf_dataset_factory([str(tmp_path / "*")], options, ONE_COLUMN))
    assert {len(batch) for batch in found} == {10_000}
    assert len(found) == 2 * rows // 10_000
    once, counts = np.unique(np.concatenate(found), return_counts=True)
    assert len(once) >= rows - 10_000
    assert counts.max() == 2


def test_without_epochs_it_never_ends(tmp_path):
    dataset = data_accessor().tf_dataset_factory(write(tmp_path, 10), TensorFlowDatasetOptions(16), SCHEMA)
    assert [len(batch) for batch in ids(dataset.take(40))] == [16] * 40


def test_record_batches(tmp_path):
    files = write(tmp_path, 50)
    batches = list(data_accessor().record_batch_factory(files, RecordBatchesOptions(16, num_epochs=1, shuffle=False), SCHEMA))
    assert [batch.num_rows for batch in batches] == [16, 16, 16, 2]
    assert batches[0].slice(0, 4).to_pydict() == {
        "id": [[0], [1], [2], [3]],
        "pair": [[0.0, 0.5], [1.0, 0.5], [2.0, 0.5], [3.0, 0.5]],
        "tags": [[b"a", b"b"], [b"c"], None, [b"c"]],
    }


def test_parquet_needs_a_schema(tmp_path):
    with pytest.raises(TaskError, match="need a Schema"):
        data_accessor().tf_dataset_factory(write(tmp_path, 10), TensorFlowDatasetOptions(16))
