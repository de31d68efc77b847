"""transform_examples through the command that its container runs: results, equal engines, the cache, and what people get wrong."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam

from penstock.components.data import pack
from penstock.components.data.examples import SplitWriter
from penstock.components.data.tensors import Tensors, load_schema

from ..conftest import TaskResult, task_runner

NAME = "transform_examples"
RUNNER = "--runner=apache_beam.runners.portability.fn_api_runner.FnApiRunner"
MODULE = """
import tensorflow as tf
import tensorflow_transform as tft

def preprocessing_fn(inputs):
    price = tf.sparse.to_dense(tf.SparseTensor(inputs["price"].indices, inputs["price"].values, [tf.shape(inputs["count"], tf.int64)[0], 1]))
    return {
        "count_z": tft.scale_to_z_score(tf.cast(inputs["count"], tf.float32)),
        "color_id": tft.compute_and_apply_vocabulary(inputs["color"], vocab_filename="color"),
        "price_filled": price,
        "tag_ids": tft.compute_and_apply_vocabulary(inputs["tags"]),
        "grade": inputs["grade"],
        "pair": inputs["pair"],
        "name": inputs["color"],
    }
"""
SCHEMA = """
feature { name: "count" type: INT presence { min_fraction: 1 } shape { dim { size: 1 } } }
feature { name: "color" type: BYTES presence { min_fraction: 1 } shape { dim { size: 1 } } }
feature { name: "price" type: FLOAT }
feature { name: "tags" type: BYTES }
feature { name: "grade" type: INT }
feature { name: "pair" type: FLOAT presence { min_fraction: 1 } shape { dim { size: 2 } } }
tensor_representation_group {
  key: ""
  value {
    tensor_representation {
      key: "grade"
      value { dense_tensor { column_name: "grade" shape { dim { size: 1 } } default_value { int_value: -7 } } }
    }
  }
}
"""


def table(rows: int, seed: int = 0) -> pa.Table:
    """Makes rows with whole numbers, words, missing numbers, lists (also empty, missing, and with a null inside) and pairs."""
    random = np.random.default_rng(seed)
    tags = [["a", "b"], [], None, ["c", None, "a"]]
    return pa.table(
        {
            "count": pa.array(random.integers(0, 100, rows)),
            "color": pa.array(random.choice(["red", "green", "blue"], rows)).dictionary_encode(),
            "price": pa.array(random.random(rows), mask=random.random(rows) < 0.3),
            "tags": pa.array([tags[i % 4] for i in range(rows)], pa.list_(pa.string())),
            "grade": pa.array([None if i % 5 == 0 else i % 3 for i in range(rows)], pa.int32()),
            "pair": pa.array(random.random((rows, 2)).tolist(), pa.list_(pa.float64())),
            "unknown_to_the_schema": pa.array(random.random(rows)),
        }
    )


def write_examples(folder: Path, splits: dict[str, pa.Table]) -> Path:
    for split, rows in splits.items():
        with SplitWriter(folder, split, rows.schema) as writer:
            writer.write(rows)
    return folder


def write_schema(folder: Path, text: str = SCHEMA) -> Path:
    folder.mkdir()
    (folder / "schema.pbtxt").write_text(text)
    return folder


def number_module(body: str) -> str:
    """Returns a module whose preprocessing_fn reads the number `x`; `body` is on its fourth line."""
    return f"import tensorflow as tf\nimport tensorflow_transform as tft\ndef preprocessing_fn(inputs):\n    {body}\n"


NUMBER_SCHEMA = 'feature { name: "x" type: FLOAT presence { min_fraction: 1 } shape { dim { size: 1 } } }'
MEAN = number_module('return {"y": inputs["x"] - tft.mean(inputs["x"])}')


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Examples of two Splits, the first of more than one row group, and their Schema."""
    folder = tmp_path_factory.mktemp("inputs")
    examples = write_examples(folder / "examples", {"train": table(20_000), "eval": table(500, seed=1)})
    return {"examples": (examples, {"span": 4, "version": 2}), "schema": write_schema(folder / "schema")}


@pytest.fixture(scope="module")
def transformed(tmp_path_factory: pytest.TempPathFactory, inputs: dict[str, Any]) -> TaskResult:
    """What a process of its own makes of the inputs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONHASHSEED", "1")
        result = task_runner(tmp_path_factory.mktemp("transformed"))(NAME, {"module_file": pack(MODULE)}, inputs, subprocess=True)
    assert result.code == 0, result.error
    return result


@pytest.fixture
def numbers(tmp_path: Path) -> Any:
    """Returns `inputs(values, span=1)`: Examples with one number `x` in a Split `train`, and their Schema."""
    schema = write_schema(tmp_path / "number_schema", NUMBER_SCHEMA)
    made = 0

    def make(values: list[float], span: int = 1) -> dict[str, Any]:
        nonlocal made
        made += 1
        rows = pa.table({"x": pa.array(values, pa.float32())})
        return {"examples": (write_examples(tmp_path / f"numbers-{made}", {"train": rows}), {"span": span}), "schema": schema}

    return make


def read(examples: Path, split: str) -> pa.Table:
    return pq.read_table(examples / f"Split-{split}" / "part-00000.parquet")


def test_analyzes_the_named_splits_and_transforms_every_split(transformed: TaskResult) -> None:
    count = np.asarray(table(20_000)["count"], np.float64)
    for split, rows, raw in (("train", 20_000, table(20_000)), ("eval", 500, table(500, seed=1))):
        made = read(transformed.outputs["transformed_examples"], split)
        assert made.num_rows == rows
        expected = (np.asarray(raw["count"]) - count.mean()) / count.std()
        np.testing.assert_allclose(np.asarray(made["count_z"]), expected, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(np.asarray(made["price_filled"]), np.asarray(raw["price"].fill_null(0)), rtol=1e-6)
        assert made["name"].cast(pa.string()).to_pylist() == raw["color"].to_pylist()
        assert made["grade"].to_pylist() == raw["grade"].fill_null(-7).to_pylist()
        np.testing.assert_allclose(made["pair"].to_pylist(), raw["pair"].to_pylist(), rtol=1e-6)
        ids = made["tag_ids"].to_pylist()
        assert [len(one or []) for one in ids[:4]] == [2, 0, 0, 2]
        assert ids[3][1] == ids[0][0]  # "a" behind a null
    metadata = transformed.metadata["transformed_examples"]
    assert metadata["splits"] == {"eval": 500, "train": 20_000}
    assert (metadata["format"], metadata["rows"], metadata["span"], metadata["version"]) == ("parquet", 20_500, 4, 2)
    assert metadata["summary"] == "20,500 rows: 6 features -> 7"


def test_the_transform_graph_is_one_that_tf_transform_loads(transformed: TaskResult, inputs: dict[str, Any]) -> None:
    output = tft.TFTransformOutput(str(transformed.outputs["transform_graph"]))
    assert set(output.raw_feature_spec()) == {"count", "color", "price", "tags", "grade", "pair"}
    assert isinstance(output.transformed_feature_spec()["tag_ids"], tf.io.VarLenFeature)
    assert sorted(output.vocabulary_by_name("color")) == [b"blue", b"green", b"red"]
    tensors = Tensors(load_schema(inputs["schema"])).to_tensors(table(500, seed=1).combine_chunks().to_batches()[0])
    served = tf.saved_model.load(output.transform_savedmodel_dir).transform_fn(tensors)
    written = np.asarray(read(transformed.outputs["transformed_examples"], "eval")["count_z"])
    np.testing.assert_array_equal(np.asarray(served["count_z"])[:, 0], written)


def test_the_same_rows_give_the_same_bytes_here_and_on_beam(run_task: Any, inputs: dict[str, Any], transformed: TaskResult) -> None:
    runs = [run_task(NAME, {"module_file": MODULE, "beam_pipeline_args": options}, inputs) for options in ([], [RUNNER])]
    assert [run.code for run in runs] == [0, 0], runs[-1].error
    for name in ("transformed_examples", "transform_graph"):
        assert {run.metadata[name]["fingerprint"] for run in runs} == {transformed.metadata[name]["fingerprint"]}
    assert runs[1].metadata["transformed_examples"]["splits"] == transformed.metadata["transformed_examples"]["splits"]


def test_the_same_rows_give_the_same_graph_in_every_process(
    run_task: Any, inputs: dict[str, Any], transformed: TaskResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONHASHSEED", "2")
    result = run_task(NAME, {"module_file": pack(MODULE)}, inputs, subprocess=True)
    assert result.code == 0, result.error
    assert result.metadata["transform_graph"]["fingerprint"] == transformed.metadata["transform_graph"]["fingerprint"]


def test_graphs_in_one_process_keep_their_own_vocabularies(run_task: Any, tmp_path: Path) -> None:
    schema = write_schema(tmp_path / "words", 'feature { name: "x" type: BYTES presence { min_fraction: 1 } shape { dim { size: 1 } } }')
    vocabulary = number_module('return {"y": tft.compute_and_apply_vocabulary(inputs["x"], vocab_filename="words")}')
    layers = []
    for number, words in enumerate((["a", "a", "b"], ["b", "b", "a"])):
        examples = write_examples(tmp_path / f"words-{number}", {"train": pa.table({"x": words})})
        result = run_task(NAME, {"module_file": vocabulary}, {"examples": examples, "schema": schema})
        layers.append(tft.TFTransformOutput(str(result.outputs["transform_graph"])).transform_features_layer())
    for layer, ids in zip(layers, ([0, 1], [1, 0]), strict=True):
        assert layer({"x": tf.constant([["a"], ["b"]])})["y"].numpy().ravel().tolist() == ids


def test_tfrecord_holds_what_parquet_holds(run_task: Any, inputs: dict[str, Any], transformed: TaskResult) -> None:
    result = run_task(NAME, {"module_file": MODULE, "output_format": "tfrecord"}, inputs)
    file = result.outputs["transformed_examples"] / "Split-eval" / "part-00000.gz"
    spec = tft.TFTransformOutput(str(result.outputs["transform_graph"])).transformed_feature_spec()
    dataset = tf.data.TFRecordDataset(str(file), "GZIP").batch(1000)
    parsed = tf.io.parse_example(next(iter(dataset)), spec)
    written = read(transformed.outputs["transformed_examples"], "eval")
    for name in ("count_z", "color_id", "name", "pair"):
        assert np.asarray(parsed[name]).squeeze().tolist() == written[name].to_pylist()
    ragged = tf.RaggedTensor.from_sparse(parsed["tag_ids"]).to_list()
    assert ragged == [one or [] for one in written["tag_ids"].to_pylist()]
    assert result.metadata["transformed_examples"]["format"] == "tfrecord"


def test_custom_config_reaches_a_function_that_takes_it(run_task: Any, numbers: Any) -> None:
    module = 'def prepare(inputs, custom_config):\n    return {"y": inputs["x"] * custom_config["factor"]}\n'
    result = run_task(NAME, {"module_file": module, "preprocessing_fn": "prepare", "custom_config": {"factor": 3}}, numbers([1, 2]))
    assert read(result.outputs["transformed_examples"], "train")["y"].to_pylist() == [3, 6]


def shifts(result: Any) -> list[float]:
    return read(result.outputs["transformed_examples"], "train")["y"].to_pylist()


def test_a_cache_adds_earlier_spans_to_the_analysis(run_task: Any, numbers: Any) -> None:
    first = run_task(NAME, {"module_file": MEAN, "write_analyzer_cache": True}, numbers([1, 3], span=1))
    assert shifts(first) == [-1, 1]
    cache = str(first.outputs["updated_analyzer_cache"])
    second = run_task(NAME, {"module_file": MEAN, "analyzer_cache": cache}, numbers([8], span=2))
    assert shifts(second) == [4]  # the mean of 1, 3 and 8
    cache = str(second.outputs["updated_analyzer_cache"])
    third = run_task(NAME, {"module_file": MEAN, "analyzer_cache": f"file://{cache}"}, numbers([12], span=3))
    assert shifts(third) == [6]
    assert set(json.loads((third.outputs["updated_analyzer_cache"] / "datasets.json").read_text())) == {
        "schema",
        *(f"span-{i}-train" for i in (1, 2, 3)),
    }


def test_rows_that_the_cache_knows_are_not_read_again(run_task: Any, numbers: Any, capfd: pytest.CaptureFixture) -> None:
    first = run_task(NAME, {"module_file": MEAN, "write_analyzer_cache": True}, numbers([1, 3]))
    cache = {"module_file": MEAN, "analyzer_cache": str(first.outputs["updated_analyzer_cache"])}
    capfd.readouterr()
    again = run_task(NAME, cache, numbers([1, 3]))
    assert "analyzed nothing, everything is in the analyzer cache" in capfd.readouterr().out
    assert again.metadata["updated_analyzer_cache"]["fingerprint"] == first.metadata["updated_analyzer_cache"]["fingerprint"]
    assert shifts(again) == shifts(first)
    changed = run_task(NAME, cache, numbers([1, 5]))
    assert "analyzed train" in capfd.readouterr().out
    assert shifts(changed) == [-2, 2]


def test_a_cache_without_what_the_function_asks_for(run_task: Any, numbers: Any) -> None:
    first = run_task(NAME, {"module_file": MEAN, "write_analyzer_cache": True}, numbers([1, 3], span=1))
    other = MEAN.replace("tft.mean", "tft.max")
    cache = {"module_file": other, "analyzer_cache": str(first.outputs["updated_analyzer_cache"])}
    refused(run_task(NAME, cache, numbers([8], span=2)), "span-1-train", "leave analyzer_cache empty")
    assert shifts(run_task(NAME, cache, numbers([1, 3], span=1))) == [-2, 0]  # the rows are here: they are read


def refused(result: Any, *texts: str) -> None:
    """Checks that a task ended with one line that says something, and left nothing."""
    assert result.code == 1
    assert result.error.startswith("error: ")
    assert "\n" not in result.error
    assert not [one for one in texts if one not in result.error], result.error
    assert [path for output in result.outputs.values() for path in output.parent.glob(f"*{output.name}*")] == []


@pytest.mark.parametrize(
    ("module", "message"),
    [
        ("def preprocessing_fn(:\n", ["module_file", "SyntaxError", "line 1"]),
        ("def another(inputs):\n    return inputs\n", ["module_file", "preprocessing_fn"]),
        (number_module('return {"y": inputs["z"]}'), ["KeyError: 'z'", "line 4"]),
        (number_module("return inputs['x']"), ["tf.Transform", "must return"]),
        (number_module("return {}"), ["tf.Transform", "empty"]),
        (number_module('return {"y": inputs["x"] > 1}'), ["tf.Transform", "bool"]),
        (number_module('return {"y": tf.debugging.check_numerics(inputs["x"] / 0, "no numbers") + tft.mean(inputs["x"])}'), ["no numbers"]),
        (number_module('return {"y": tft.mean(tf.debugging.check_numerics(inputs["x"] / 0, "no numbers")) + inputs["x"]}'), ["no numbers"]),
        ("/nowhere/module.py", ["module_file", "/nowhere/module.py"]),
    ],
)
def test_a_module_that_cannot_be_used(run_task: Any, numbers: Any, module: str, message: list[str]) -> None:
    refused(run_task(NAME, {"module_file": module}, numbers([1, 2])), *message)


def test_a_module_that_imports_its_neighbor_and_parses_arguments(run_task: Any, numbers: Any, tmp_path: Path) -> None:
    (tmp_path / "shared.py").write_text("from absl import flags\nflags.DEFINE_float('by', 2.0, '')\nFLAGS = flags.FLAGS\n")
    parses = "import argparse\nimport shared\nfrom .shared import FLAGS\nargparse.ArgumentParser().parse_args()\n"
    (tmp_path / "prep.py").write_text(parses + number_module('return {"y": inputs["x"] * shared.FLAGS.by}'))
    result = run_task(NAME, {"module_file": str(tmp_path / "prep.py")}, numbers([1, 2]), subprocess=True)
    assert result.code == 0, result.error
    assert read(result.outputs["transformed_examples"], "train")["y"].to_pylist() == [2, 4]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"output_format": "csv"}, ["output_format", "parquet, tfrecord"]),
        ({"analyze_splits": ["training"]}, ["training", "train"]),
        ({"analyze_splits": []}, ["analyze_splits"]),
        ({"analyzer_cache": "/nowhere"}, ["analyzer_cache", "/nowhere"]),
    ],
)
def test_parameters_that_cannot_be_used(run_task: Any, numbers: Any, parameters: dict[str, Any], message: list[str]) -> None:
    refused(run_task(NAME, {"module_file": MEAN} | parameters, numbers([1, 2])), *message)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (pa.table({"y": [1.0]}), ["'x'", "lacks"]),
        (pa.table({"x": ["one"]}), ["'x'", "string", "FLOAT"]),
        (pa.table({"x": [1.0, None]}), ["'x'", "missing"]),
        (pa.table({"x": [[1.0], [2.0, 3.0]]}), ["'x'", "exactly 1"]),
        (pa.table({"x": pa.array([], pa.float32())}), ["'train'", "no rows"]),
    ],
)
@pytest.mark.parametrize("options", [[], [RUNNER]], ids=["here", "beam"])
def test_rows_that_do_not_fit(run_task: Any, numbers: Any, tmp_path: Path, rows: pa.Table, message: list[str], options: list[str]) -> None:
    inputs = numbers([1]) | {"examples": write_examples(tmp_path / "bad", {"train": rows})}
    refused(run_task(NAME, {"module_file": MEAN, "beam_pipeline_args": options}, inputs), *message)


@pytest.mark.parametrize("text", ["feature {", "", 'feature { name: "s" type: STRUCT struct_domain { sparse_feature { name: "t" } } }'])
def test_a_schema_that_cannot_be_used(run_task: Any, numbers: Any, tmp_path: Path, text: str) -> None:
    inputs = numbers([1]) | {"schema": write_schema(tmp_path / "bad_schema", text)}
    refused(run_task(NAME, {"module_file": MEAN}, inputs), "Schema")


def test_a_good_run_follows_a_bad_one(run_task: Any, numbers: Any) -> None:
    inputs = numbers([1, 3])
    refused(run_task(NAME, {"module_file": number_module("return {}")}, inputs), "tf.Transform")
    assert shifts(run_task(NAME, {"module_file": MEAN}, inputs)) == [-1, 1]


LABELS = number_module('return {"y": inputs["x"] - tft.mean(inputs["x"]), "label": inputs["label"], "both": inputs["x"] * inputs["label"]}')
LABELED = NUMBER_SCHEMA + NUMBER_SCHEMA.replace('"x"', '"label"')


@pytest.mark.parametrize("options", [{}, {"output_format": "tfrecord"}, {"beam_pipeline_args": [RUNNER]}], ids=str)
def test_a_split_without_labels_passes_through(run_task: Any, tmp_path: Path, options: dict[str, Any]) -> None:
    splits = {"train": pa.table({"x": [1.0, 3.0], "label": [1.0, 0.0]}), "serving": pa.table({"x": [4.0, 6.0]})}
    inputs = {"examples": write_examples(tmp_path / "examples", splits), "schema": write_schema(tmp_path / "schema", LABELED)}
    result = run_task(NAME, {"module_file": LABELS} | options, inputs)
    assert result.code == 0, result.error
    made = result.outputs["transformed_examples"]
    if "output_format" in options:
        (record,) = tf.data.TFRecordDataset(str(made / "Split-serving" / "part-00000.gz"), "GZIP").take(1)
        assert set(tf.train.Example.FromString(record.numpy()).features.feature) == {"y"}
    else:
        assert read(made, "serving").to_pylist() == [{"y": 2.0}, {"y": 4.0}]
        assert read(made, "train").column_names == ["both", "label", "y"]
    refused = run_task(NAME, {"module_file": LABELS, "analyze_splits": ["train", "serving"]} | options, inputs)
    assert "Split 'serving' lacks the column 'label'" in refused.error


def test_dataset_keys_are_not_public():
    """When this fails, `analyzer_cache` can take the function from where tf.Transform exports it."""
    assert not [module for module in (tft, tft_beam) if hasattr(module, "get_analysis_dataset_keys")]
