"""validate_examples, run as its container runs it."""

import math

import fsspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow_data_validation as tfdv
from google.protobuf import json_format, text_format
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2

from penstock.components.validate_examples import statistics as statistics_

from .. import kubeflow_pages
from .tables import evidence, findings, frame


def test_a_good_table_passes_and_its_schema_is_offered(examples, validate):
    result = validate(examples(train=frame(), eval=frame(1000, seed=1)))
    assert (result.code, result.parameters) == (0, {"verdict": "passed", "anomaly_count": 0})
    text = (result.outputs["schema"] / "schema.pbtxt").read_text()
    assert text.startswith("# Inferred from the data, not reviewed yet.")
    assert result.metadata["schema"]["inferred"] is True
    assert [feature.name for feature in text_format.Parse(text, schema_pb2.Schema()).feature] == ["c", "late", "n", "x"]
    assert result.metadata["statistics"]["splits"] == {"eval": 1000, "train": 4000}
    assert result.metadata["anomalies"]["summary"] == "0 anomalies in 2 Splits, drift not checked, Schema inferred"
    assert evidence(result)["verdict"] == "passed"
    for split in ("train", "eval"):
        diff = (result.outputs["anomalies"] / f"Split-{split}" / "SchemaDiff.pb").read_bytes()
        assert not anomalies_pb2.Anomalies.FromString(diff).anomaly_info


def test_the_same_examples_give_the_same_bytes_in_any_column_order(examples, validate):
    table = frame()
    first = validate(examples("one", train=table))
    again = validate(examples("two", train=table))
    turned = validate(examples("three", train=table[["late", "c", "n", "x"]]))
    for name in ("statistics", "schema"):
        assert first.metadata[name]["fingerprint"] == again.metadata[name]["fingerprint"]
    assert first.metadata["schema"]["fingerprint"] == turned.metadata["schema"]["fingerprint"]


@pytest.mark.parametrize("engine", ["dataframe", "beam"])
def test_statistics_equal_tfdvs_own(examples, validate, tmp_path, engine):
    table = frame(40_000)  # three batches
    table.loc[::7, "c"] = None
    table["sparse"] = np.where(np.arange(40_000) % 3 == 0, np.nan, table["n"] * 0.5)
    arrow = pa.Table.from_pandas(table, preserve_index=False)
    result = validate(examples(train=arrow))
    assert result.code == 0, result.error
    ours = statistics_.load(str(result.outputs["statistics"]), "train", "")
    theirs = tfdv.generate_statistics_from_dataframe(table) if engine == "dataframe" else beam_statistics(arrow, tmp_path)
    ours, theirs = (comparable(found) for found in (ours, theirs))
    assert set(ours) == set(theirs) == {"x", "n", "c", "late", "sparse"}
    for name, feature in ours.items():
        assert feature == theirs[name], name


def beam_statistics(table, tmp_path):
    import apache_beam as beam
    from tfx_bsl.arrow import table_util

    batches = [table_util.CanonicalizeRecordBatch(batch) for batch in table.combine_chunks().to_batches(max_chunksize=16_384)]
    options = tfdv.StatsOptions(experimental_use_sketch_based_topk_uniques=True)
    with beam.Pipeline(runner="apache_beam.runners.portability.fn_api_runner.FnApiRunner") as pipeline:
        made = pipeline | beam.Create(batches, reshuffle=False) | tfdv.GenerateStatistics(options)
        _ = made | tfdv.WriteStatisticsToBinaryFile(str(tmp_path / "beam.pb"))
    return tfdv.load_stats_binary(str(tmp_path / "beam.pb"))


def comparable(statistics):
    """Turns Statistics into dicts of approximate numbers; histograms are sketches whose error depends on the batches."""

    def rounded(value):
        if isinstance(value, dict):
            return {key: rounded(item) for key, item in value.items() if key not in ("histograms", "numValuesHistogram")}
        if isinstance(value, list):
            return [rounded(item) for item in value]
        return pytest.approx(value, rel=1e-6, abs=1e-6) if isinstance(value, float) else value

    return {name: rounded(json_format.MessageToDict(feature)) for name, feature in statistics_.by_name(statistics).items()}


def test_histograms_count_every_value(examples):
    statistics = statistics_.compute(examples(train=frame(40_000)), "train", None)
    buckets = statistics_.histogram(statistics_.by_name(statistics)["x"]).buckets
    assert sum(bucket.sample_count for bucket in buckets) == pytest.approx(40_000)


BROKEN = {
    "unknown category": (lambda: frame(c=["a", "z"] * 2000), [("train", "c", "ENUM_TYPE_UNEXPECTED_STRING_VALUES")]),
    "missing column": (lambda: frame().drop(columns="n"), [("train", "n", "SCHEMA_MISSING_COLUMN")]),
    "extra column": (lambda: frame(extra=1.5), [("train", "extra", "SCHEMA_NEW_COLUMN")]),
    "changed type": (
        lambda: frame(n=["one", "two"] * 2000),
        [("train", "n", "UNEXPECTED_DATA_TYPE"), ("train", "n", "INT_TYPE_NOT_INT_STRING")],
    ),
    "missing values": (
        lambda: frame(c=["a", None] * 2000),
        [("train", "c", "INVALID_FEATURE_SHAPE"), ("train", "c", "FEATURE_TYPE_LOW_FRACTION_PRESENT")],
    ),
    "label beyond 0 and 1": (lambda: frame(late=np.arange(4000) % 3), [("train", "late", "BOOL_TYPE_BIG_INT")]),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_data_closes_the_gate_and_leaves_the_evidence(examples, validate, schema_text, name):
    make, expected = BROKEN[name]
    folder = examples(train=make())
    failed = validate(folder, schema_file=schema_text)
    assert failed.code == 1
    count = "1 Anomaly" if len(expected) == 1 else f"{len(expected)} Anomalies"
    assert failed.error.startswith(f"error: {count}: {expected[0][1]} in Split train: ")
    assert not failed.executor_output.exists()
    assert findings(failed) == expected
    assert expected[0][1] in failed.outputs["report"].read_text()
    assert (failed.outputs["statistics"] / "Split-train" / "FeatureStats.pb").exists()
    warned = validate(folder, schema_file=schema_text, on_anomalies="warn")
    assert (warned.code, warned.parameters) == (0, {"verdict": "failed", "anomaly_count": len(expected)})
    assert findings(warned) == expected


def test_values_that_models_choke_on_are_warnings(examples, validate):
    floats = np.where(np.arange(4000) % 4 == 0, np.inf, frame()["x"]).astype(np.float32)
    table = pa.table(
        {
            "x": pa.array(floats),
            "nan": pa.array(np.where(np.arange(4000) % 2 == 0, np.nan, 1.0).astype(np.float32), from_pandas=False),
            "late": pa.array([0] * 4000),
            "same": ["a"] * 4000,
            "none": pa.nulls(4000, pa.string()),
        }
    )
    result = validate(examples(train=table))
    assert (result.code, result.parameters["verdict"]) == (0, "passed")
    assert findings(result, "WARNING") == [
        ("train", "late", "ONE_VALUE"),
        ("train", "nan", "NAN_VALUES"),
        ("train", "none", "NO_VALUES"),
        ("train", "same", "ONE_VALUE"),
        ("train", "x", "INFINITE_VALUES"),
        ("train", "", "REPEATED_ROWS"),
    ]
    texts = {found["feature"]: found["description"] for found in evidence(result)["findings"]}
    assert "2,000 NaN values (50.00% of the rows)" in texts["nan"]
    assert "1,000 infinite values" in texts["x"]
    assert "NaN or inf" in result.outputs["report"].read_text()


def test_drift_is_measured_by_the_schemas_comparators_and_by_defaults(examples, validate, schema_text):
    before = validate(examples("before", train=frame(), eval=frame(1000, seed=1)))
    schema = text_format.Parse(schema_text, schema_pb2.Schema())
    tfdv.get_feature(schema, "n").drift_comparator.jensen_shannon_divergence.threshold = 0.9
    reviewed = text_format.MessageToString(schema)
    moved = frame(seed=2, x=frame()["x"] + 3, n=frame()["n"] % 10, c=["c"] * 4000, late=np.arange(4000) % 2)
    after = validate(
        examples("after", train=moved, eval=frame(1000, seed=3)),
        previous_statistics=str(before.outputs["statistics"]),
        schema_file=reviewed,
        on_anomalies="warn",
    )
    assert after.code == 0, after.error
    checks = {(found["split"], found["feature"]): found for found in evidence(after)["checks"] if found["check"] == "drift"}
    assert len(checks) == 8
    assert checks["train", "x"] | {"measured": 0} == {
        "check": "drift", "split": "train", "feature": "x", "measure": "kolmogorov_smirnov",
        "measured": 0, "threshold": 0.1, "source": "parameter", "passed": False,
        "by": "Penstock", "at_quantiles": None,
    }  # fmt: skip
    assert (checks["train", "c"]["measure"], checks["train", "c"]["measured"]) == ("infinity_norm", pytest.approx(0.9, abs=0.05))
    assert (checks["train", "n"]["threshold"], checks["train", "n"]["source"], checks["train", "n"]["passed"]) == (0.9, "schema", True)
    assert (checks["train", "late"]["measure"], checks["train", "late"]["passed"]) == ("kolmogorov_smirnov", False)
    assert all(checks["eval", name]["passed"] for name in ("x", "c", "late"))
    assert {feature for _, feature, kind in findings(after) if kind.startswith("COMPARATOR")} == {"x", "c", "late"}
    assert text_format.Parse((after.outputs["schema"] / "schema.pbtxt").read_text(), schema_pb2.Schema()) == schema
    assert after.metadata["anomalies"]["summary"] == "3 anomalies in 2 Splits, drift in 3 of 8 comparisons"
    reason = evidence(after)["reason"]
    assert reason.startswith("3 Anomalies: c in Split train: ") or reason.startswith("3 Anomalies: x in Split train: ")
    assert reason.index("and 2 more") < reason.index("late; see the report")


def test_skew_leaves_out_what_serving_does_not_have(examples, validate):
    serving = validate(examples("serving", serving=frame().drop(columns="late")), schema_split="serving")
    path = serving.outputs["statistics"] / "Split-serving" / "FeatureStats.pb"
    with fsspec.open("memory://logs/FeatureStats.pb", "wb") as stream:
        stream.write(path.read_bytes())
    folder = examples("training", train=frame(seed=5, x=frame()["x"] * 9))
    for where in (str(serving.outputs["statistics"]), str(path), "memory://logs/FeatureStats.pb"):
        result = validate(folder, serving_statistics=where)
        assert result.code == 1
        assert result.error.startswith("error: 1 Anomaly: x in Split train: ")
        assert "training and serving" in result.error
        assert {found["feature"] for found in evidence(result)["checks"] if found["check"] == "skew"} == {"x", "n", "c"}
        assert findings(result, "WARNING") == [("train", "late", "NOT_COMPARED")]


def test_a_comparator_that_cannot_be_applied_closes_the_gate(examples, validate, schema_text):
    before = validate(examples("before", train=frame(c=np.arange(4000))))
    schema = text_format.Parse(schema_text, schema_pb2.Schema())
    folder = examples("after", train=frame())
    assert findings(validate(folder, schema_file=schema_text, previous_statistics=str(before.outputs["statistics"])), "WARNING") == [
        ("train", "c", "NOT_COMPARED")
    ]
    tfdv.get_feature(schema, "c").drift_comparator.jensen_shannon_divergence.threshold = 0.5
    stated = text_format.MessageToString(schema)
    result = validate(folder, schema_file=stated, previous_statistics=str(before.outputs["statistics"]))
    assert (result.code, findings(result)) == (1, [("train", "c", "NOT_COMPARED")])


def test_a_label_may_be_compared_as_a_category(examples, validate, schema_text):
    schema = text_format.Parse(schema_text, schema_pb2.Schema())
    tfdv.get_feature(schema, "late").drift_comparator.infinity_norm.threshold = 0.1
    stated = text_format.MessageToString(schema)
    before = validate(examples("before", train=frame()), schema_file=stated)
    result = validate(
        examples("after", train=frame(late=np.arange(4000) % 2)), schema_file=stated, previous_statistics=str(before.outputs["statistics"])
    )
    assert result.code == 1
    (check,) = [found for found in evidence(result)["checks"] if found["feature"] == "late"]
    assert (check["measure"], check["source"], check["measured"]) == ("infinity_norm", "schema", pytest.approx(0.25, abs=0.03))


def test_environments(examples, validate, schema_text):
    schema = text_format.Parse(schema_text, schema_pb2.Schema())
    schema.default_environment.extend(["TRAINING", "SERVING"])
    tfdv.get_feature(schema, "late").not_in_environment.append("SERVING")
    text = text_format.MessageToString(schema)
    folder = examples(train=frame(), serving=frame().drop(columns="late"))
    assert findings(validate(folder, schema_file=text)) == [("serving", "late", "SCHEMA_MISSING_COLUMN")]
    assert validate(folder, schema_file=text, environments={"serving": "SERVING"}).code == 0
    assert "has TRAINING, SERVING" in validate(folder, schema_file=text, environments={"serving": "LIVE"}).error


@pytest.mark.parametrize("empty", [True, False])
def test_min_rows(examples, validate, empty):
    result = validate(examples(train=frame(), eval=frame(1)[: 0 if empty else 1]), min_rows=1 if empty else 2)
    assert result.code == 1
    assert findings(result) == [("eval", "", "DATA_MISSING" if empty else "DATASET_LOW_NUM_EXAMPLES")]
    (check,) = [found for found in evidence(result)["checks"] if found["split"] == "eval"]
    assert (check["measured"], check["threshold"], check["passed"]) == ((0, 1, False) if empty else (1, 2, False))


def test_a_split_of_one_row_is_no_anomaly(examples, validate):
    assert validate(examples(train=frame(), eval=frame(1))).parameters == {"verdict": "passed", "anomaly_count": 0}


def test_lists_are_features_too(examples, validate):
    table = pa.table({"tags": pa.array([["a", "b"], [], None, ["a"]] * 10), "v": pa.array([[1.0, 2.0]] * 40, pa.list_(pa.float32()))})
    result = validate(examples(train=table))
    assert result.code == 0, result.error
    features = statistics_.by_name(statistics_.load(str(result.outputs["statistics"]), "train", ""))
    assert (features["tags"].string_stats.unique, features["tags"].string_stats.common_stats.num_missing) == (2, 10)
    assert features["v"].num_stats.common_stats.max_num_values == 2


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"schema_file": "feature {\n nam: 'x'\n}"}, "schema_file is not a valid Schema"),
        ({"schema_file": "# nothing\n"}, "has no features"),
        ({"schema_file": "none.pbtxt"}, "cannot read 'none.pbtxt'"),
        ({"schema_split": "test"}, "have no Split 'test' (they have: train)"),
        ({"environments": {"test": "SERVING"}}, "have no Split 'test'"),
        ({"previous_statistics": "{}/none"}, "previous_statistics: cannot read"),
        ({"previous_statistics": "{}/text"}, "contains no Statistics"),
        ({"serving_statistics": "{}"}, "no Split-*/FeatureStats.pb in it"),
        ({"serving_statistics": "{}/empty"}, "contains 0 datasets"),
        ({"on_anomalies": "ignore"}, "give fail or warn"),
    ],
)
def test_bad_parameters(examples, validate, tmp_path, parameters, message):
    (tmp_path / "text").write_text("no proto at all")
    (tmp_path / "empty").write_bytes(b"")
    parameters = {key: value.format(tmp_path) if "{}" in value else value for key, value in parameters.items()}
    result = validate(examples(train=frame(100)), **parameters)
    assert result.code == 1
    assert message in result.error
    assert not any(path.exists() for path in result.outputs.values())


def test_examples_that_cannot_be_read(examples, validate, tmp_path):
    (tmp_path / "nothing").mkdir()
    assert "have no Split" in validate(tmp_path / "nothing").error
    folder = examples(train=frame(100))
    first, second = (folder / "Split-train" / f"part-0000{number}.parquet" for number in range(2))
    table = pq.read_table(first)
    pq.write_table(table.set_column(0, "x", table["x"].cast(pa.string())), second)
    error = validate(folder).error
    assert f"the parts of Split 'train' have different columns: column 'x' is float in {first} and string in {second};" in error
    first.write_bytes(b"PAR1")
    assert "cannot be read as Parquet" in validate(folder).error


def test_the_page_loads_nothing_and_escapes_everything(examples, validate):
    result = validate(examples(train=frame(c=["<script>alert(1)</script>", "b"] * 2000)))
    kubeflow_pages.check_page(result.outputs["report"])
    page = result.outputs["report"].read_text()
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "http" not in page.replace("http-equiv", "")
    assert "<svg" in page


def test_a_full_disk(examples, validate, small_disk):
    folder = examples(train=frame())
    (small_disk / "ballast").write_bytes(b"x" * (256 - 4) * 1024)
    result = validate(folder)
    assert result.code == 1
    assert result.error.startswith("error: cannot write")
    assert [path.name for path in small_disk.iterdir()] == ["ballast"]


def test_the_container_command(examples, validate):
    result = validate(examples(train=frame()), subprocess=True)
    assert (result.code, result.parameters) == (0, {"verdict": "passed", "anomaly_count": 0})
    assert math.isclose(evidence(result)["checks"][0]["measured"], 4000)


@pytest.mark.parametrize("full", ["eval", "train"])
def test_a_column_without_a_value_in_one_split_stays_a_feature(examples, validate, full):
    """As Chicago's census tracts, of which 15,001 of 15,002 are missing: TFDV would deprecate the feature, and no module would see it."""
    splits = {split: frame(400, tract=pd.array([7 if split == full else None] + [None] * 399, "Int64")) for split in ("eval", "train")}
    result = validate(examples(**splits))
    assert result.code == 0, result.error
    assert findings(result) == []
    schema = text_format.Parse((result.outputs["schema"] / "schema.pbtxt").read_text(), schema_pb2.Schema())
    tract = next(feature for feature in schema.feature if feature.name == "tract")
    assert not tract.lifecycle_stage
    assert tract.type == schema_pb2.INT
    assert (tract.presence.min_count, tract.presence.min_fraction) == (0, 0)


def test_the_schema_is_inferred_over_all_splits_but_those_left_out(examples, validate):
    folder = examples(train=frame(c="a"), eval=frame(seed=1, c="b"), other=frame(seed=2, c="z"))
    result = validate(folder, exclude_splits=["other"])
    assert result.code == 0, result.error
    schema = text_format.Parse((result.outputs["schema"] / "schema.pbtxt").read_text(), schema_pb2.Schema())
    assert {value for domain in schema.string_domain for value in domain.value} == {"a", "b"}
    assert set(evidence(result)["splits"]) == {"eval", "train"}
    assert "exclude_splits excludes every Split" in validate(folder, exclude_splits=["train", "eval", "other"]).error
    assert validate(folder, schema_split="train").code == 1


def test_an_inferred_schema_knows_what_an_environment_lacks(examples, validate):
    folder = examples(train=frame(), serving=frame(seed=1).drop(columns="late"))
    assert "late in Split serving" in validate(folder).error
    result = validate(folder, environments={"serving": "SERVING"})
    assert result.code == 0, result.error
    schema = text_format.Parse((result.outputs["schema"] / "schema.pbtxt").read_text(), schema_pb2.Schema())
    assert {feature.name: list(feature.not_in_environment) for feature in schema.feature if feature.not_in_environment} == {
        "late": ["SERVING"]
    }


def test_generators_are_not_public():
    """When this fails, `statistics` can take them from where TFDV exports them."""
    assert not {"get_generators", "extract_statistics_output"} & {*dir(tfdv)}
