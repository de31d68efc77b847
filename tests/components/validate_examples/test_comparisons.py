"""Drift and skew: what alarms, what does not, and what cannot be measured."""

from statistics import NormalDist

import numpy as np
import pyarrow as pa
import pytest
import tensorflow_data_validation as tfdv
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from penstock.components.validate_examples import statistics as statistics_

from .tables import evidence, findings, frame


def columns(rows, random):
    """Seventeen columns, each of another kind."""
    return {
        "normal": random.normal(size=rows).astype(np.float32),
        "uniform": random.random(rows),
        "lognormal": random.lognormal(0, 3, rows),
        "cauchy": random.standard_cauchy(rows),
        "gamma": random.gamma(2, 500, rows).astype(np.float32),
        "mostly_zero": np.where(random.random(rows) < 0.61, 0, random.exponential(10, rows)),
        "two_humps": random.normal(np.where(random.random(rows) < 0.5, -5, 5)),
        "count": random.poisson(3, rows),
        "digit": random.integers(0, 10, rows),
        "label": (random.random(rows) < 0.5).astype(np.int64),
        "rare": (random.random(rows) < 0.02).astype(np.int64),
        "constant": np.full(rows, 7),
        "time": 1_700_000_000 + random.integers(0, 10**6, rows),
        "optional": pa.array(random.normal(size=rows), mask=random.random(rows) < 0.2),
        "category": random.choice(["a", "b", "c"], rows, p=[0.5, 0.4, 0.1]),
        "place": np.char.add("p", (random.zipf(1.5, rows) % 3000).astype(str)),
        "rarely_there": pa.array(random.choice(["y", "n"], rows), mask=random.random(rows) < 0.9),
    }


def table(rows, random):
    return pa.table({name: values if isinstance(values, pa.Array) else pa.array(values) for name, values in columns(rows, random).items()})


@pytest.mark.parametrize(("rows", "seeds"), [(100, 4), (1000, 4), (100_000, 1)])
def test_random_halves_of_one_table_do_not_drift(examples, validate, rows, seeds):
    for seed in range(seeds):
        random = np.random.default_rng(seed)
        one, other = ({split: table(rows, random) for split in ("train", "eval")} for _ in range(2))
        before = validate(examples(f"one-{seed}", **one))
        after = validate(examples(f"other-{seed}", **other), previous_statistics=str(before.outputs["statistics"]), on_anomalies="warn")
        distances = [
            found for found in evidence(after)["checks"] if found["check"] == "drift" and found["measure"] not in ("missing", "infinite")
        ]
        assert len(distances) == (34 if rows > 100 else 32)  # of three values, no difference says anything
        assert [found for found in evidence(after)["checks"] if not found["passed"]] == []


@pytest.fixture
def drift(examples, validate):
    """Returns `run(before, after, **parameters)`, which validates a table against the Statistics of another."""

    def run(before, after, check="previous_statistics", **parameters):
        first = validate(examples("before", train=before))
        return validate(examples("after", train=after), **{check: str(first.outputs["statistics"]), "on_anomalies": "warn"} | parameters)

    return run


def errors(result):
    return {feature: kind for _, feature, kind in findings(result)}


@pytest.mark.parametrize(
    ("change", "is_drift"),
    [
        (lambda x: x + 0.5, True),  # half a standard deviation
        (lambda x: x + 0.1, False),
        (lambda x: x * 2, True),
        (lambda x: -x, False),  # the same distribution
        (lambda x: np.abs(x), True),
    ],
)
def test_what_drifts_at_1000_rows(drift, change, is_drift):
    random = np.random.default_rng(3)
    before, after = ({"x": random.normal(size=1000), "i": np.arange(1000)} for _ in range(2))
    result = drift(pa.table(before), pa.table(after | {"x": change(after["x"])}))
    assert errors(result) == ({"x": "COMPARATOR_KOLMOGOROV_SMIRNOV_HIGH"} if is_drift else {})


def test_swapped_labels_and_other_units_drift_and_the_worst_comes_first(drift):
    miles = np.random.default_rng(0).gamma(2, 500, 4000)
    table = frame(d=miles)
    swapped = frame(d=miles * 1.609, late=1 - table["late"])
    result = drift(table, swapped)
    assert errors(result) == {"late": "COMPARATOR_KOLMOGOROV_SMIRNOV_HIGH", "d": "COMPARATOR_KOLMOGOROV_SMIRNOV_HIGH"}
    assert evidence(result)["reason"].startswith("2 Anomalies: late in Split train: High Kolmogorov-Smirnov distance (drift): ")
    assert "and 1 more (d; see the report)" in evidence(result)["reason"]


NUMBERS, CATEGORIES = {"jensen_shannon_divergence"}, {"infinity_norm", "normalized_abs_difference", "jensen_shannon_divergence"}


@pytest.mark.parametrize("check", ["drift", "skew"])
@pytest.mark.parametrize(
    ("kind", "before", "after", "measurable"),
    [
        ("INT", [1, 2, 3], [9, 8, 7], NUMBERS),
        ("FLOAT", [0.5, 1.5, 2.5], [9.5, 8.5, 7.5], NUMBERS),
        ("INT", [[1, 2], [3], []], [[9], [8, 8], [7]], NUMBERS),
        ("BYTES", ["a", "b", "a"], ["c", "c", "c"], CATEGORIES),
        ("BYTES", [["a"], ["b", "a"], []], [["c"], [], ["d", "d"]], CATEGORIES),
        ("BYTES", [b"\xff", b"a", b"a"], [b"c", b"c", b"c"], CATEGORIES),
        ("FLOAT", [1.0, 2.0, 3.0], [float("nan")] * 3, set()),
        ("FLOAT", [float("nan")] * 3, [1.0, 2.0, 3.0], set()),
        ("FLOAT", ["a", "b", "c"], [1.0, 2.0, 3.0], set()),
        ("BYTES", [b"\xff", b"\xfe", b"\xfd"], [b"\x80", b"\x81", b"\x82"], set()),
        ("BYTES", ["long" * 300] * 3, ["text" * 300] * 3, set()),
        ("BYTES", ["a", "b", "c"], [None] * 3, set()),
    ],
)
def test_what_a_schema_asks_for_is_measured_or_an_error(drift, check, kind, before, after, measurable):
    one, other = (pa.table({"x": pa.array(side * 300, None if any(side) else pa.string())}) for side in (before, after))
    for measure in CATEGORIES:
        schema = f'feature {{ name: "x" type: {kind} {check}_comparator {{ {measure} {{ threshold: 0.05 }} }} }}\n'
        result = drift(one, other, {"drift": "previous_statistics", "skew": "serving_statistics"}[check], schema_file=schema)
        assert (result.error, result.parameters["verdict"]) == ("", "failed")
        measured = [found["passed"] for found in evidence(result)["checks"] if found["measure"] == measure]
        errors = [
            found["description"]
            for found in evidence(result)["findings"]
            if found["kind"] == "NOT_COMPARED" and found["severity"] == "ERROR"
        ]
        if measure in measurable:
            assert (measured, errors) == ([False], [])
        else:
            assert measured == []
            assert f"the Schema requires {measure}, but" in errors[0]


def test_a_single_maximum_moves_tfdvs_divergence_of_numbers_and_not_the_one_between_quantiles(drift):
    random = np.random.default_rng(7)
    before, after = (random.normal(100, 5, 4000) for _ in range(2))
    after[0] = 100_000
    schema = 'feature { name: "x" type: FLOAT drift_comparator { jensen_shannon_divergence { threshold: 0.05 } } }\n'
    result = drift(pa.table({"x": before}), pa.table({"x": after}), schema_file=schema)
    [found] = [check for check in evidence(result)["checks"] if check["measure"] == "jensen_shannon_divergence"]
    assert (found["by"], found["passed"]) == ("TFDV", False)
    assert found["measured"] > 0.1
    assert found["at_quantiles"] < 0.01
    assert [kind for _, _, kind in findings(result, "WARNING")] == ["OTHER_HISTOGRAMS"]
    assert f"TFDV ({found['at_quantiles']:.4f} between quantiles)" in (result.outputs["report"]).read_text()


def test_the_divergence_between_quantiles_is_that_of_the_distributions(drift):
    random = np.random.default_rng(8)
    before, after = (random.normal(mean, 1, 100_000) for mean in (0, 1))
    schema = 'feature { name: "x" type: FLOAT drift_comparator { jensen_shannon_divergence { threshold: 0.9 } } }\n'
    result = drift(pa.table({"x": before}), pa.table({"x": after}), schema_file=schema)
    [found] = [check for check in evidence(result)["checks"] if check["measure"] == "jensen_shannon_divergence"]
    edges = np.array([NormalDist().inv_cdf(level / 10) for level in range(1, 10)])
    p, q = (np.diff([NormalDist(mean).cdf(edge) for edge in edges], prepend=0, append=1) for mean in (0, 1))
    middle = (p + q) / 2
    assert found["at_quantiles"] == pytest.approx((np.sum(p * np.log2(p / middle)) + np.sum(q * np.log2(q / middle))) / 2, abs=0.003)


def test_names_that_hardly_repeat_are_not_called_compared(drift):
    one, other = (pa.table({"name": [f"{side}{i}" for i in range(500)]}) for side in "ab")
    result = drift(one, other)
    assert evidence(result)["unprotected"]["distribution"] == ["name"]
    assert "no value is frequent enough" in evidence(result)["findings"][0]["description"]


def test_a_comparator_without_a_threshold_is_an_error(drift):
    rows = pa.table({"x": [1, 2, 3]})
    result = drift(rows, rows, schema_file='feature { name: "x" type: INT drift_comparator { jensen_shannon_divergence {} } }\n')
    assert errors(result) == {"x": "NOT_COMPARED"}


def test_a_first_run_without_statistics_to_compare_with_passes_and_says_so(examples, validate, schema_text):
    schema = text_format.Parse(schema_text, schema_pb2.Schema())
    tfdv.get_feature(schema, "n").drift_comparator.jensen_shannon_divergence.threshold = 0.1
    result = validate(examples(train=frame()), schema_file=text_format.MessageToString(schema))
    assert (result.code, findings(result, "WARNING")) == (0, [("train", "", "NOT_COMPARED")])
    assert "requires the drift of n, which was not checked: previous_statistics is empty" in evidence(result)["findings"][0]["description"]


def test_a_split_that_the_other_statistics_lack_is_an_error_if_the_schema_asks(examples, validate, schema_text):
    before = validate(examples("before", train=frame(), eval=frame(seed=1)))
    schema = text_format.Parse(schema_text, schema_pb2.Schema())
    folder = examples("after", test=frame(seed=2))
    given = {"previous_statistics": str(before.outputs["statistics"])}
    assert validate(folder, schema_file=schema_text, **given).code == 0
    tfdv.get_feature(schema, "n").drift_comparator.jensen_shannon_divergence.threshold = 0.1
    assert findings(validate(folder, schema_file=text_format.MessageToString(schema), **given)) == [("test", "", "NOT_COMPARED")]


def test_a_comparison_with_a_previous_version_is_an_error(examples, validate, schema_text):
    asked = schema_text + "dataset_constraints { num_examples_version_comparator { min_fraction_threshold: 0.5 } }"
    assert findings(validate(examples(train=frame()), schema_file=asked)) == [("train", "", "NOT_COMPARED")]


def with_missing(share, rows=4000):
    return pa.array(np.random.default_rng(9).normal(size=rows), mask=np.arange(rows) < share * rows)


NAN, INFINITE = (
    pa.array(np.where(np.arange(4000) < 4000 * share, value, 1.5), from_pandas=False) for share, value in ((1, np.nan), (0.01, np.inf))
)


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        (with_missing(0), with_missing(1), "MISSING"),
        (with_missing(0), NAN, "MISSING"),
        (with_missing(0.05), with_missing(0.15), "MISSING"),
        (with_missing(0.02), with_missing(0.06), "MISSING"),
        (with_missing(0.3), with_missing(0), "MISSING"),
        (with_missing(0.05), with_missing(0.055), ""),
        (pa.array([[1.0]] * 4000), pa.array([[1.0], []] * 2000), "MISSING"),
        (pa.array(np.full(4000, 1.5)), INFINITE, "INFINITE"),
        (INFINITE, INFINITE, ""),
        (pa.array(["a"] * 4000), pa.nulls(4000, pa.string()), "MISSING"),
    ],
)
def test_presence_is_compared_too(drift, before, after, kind):
    rows = pa.array(np.arange(4000))
    result = drift(pa.table({"x": before, "i": rows}), pa.table({"x": after, "i": rows}))
    assert errors(result) == ({"x": f"COMPARATOR_{kind}_HIGH"} if kind else {})


def test_a_column_that_is_gone_is_missing_unless_the_schema_lacks_it_too(drift, schema_text):
    result = drift(frame(extra=np.arange(4000)), frame(seed=1))
    assert errors(result) == {"extra": "COMPARATOR_MISSING_HIGH"}
    assert "from 0.00% to 100.00%" in evidence(result)["reason"]
    assert errors(drift(frame(extra=np.arange(4000)), frame(seed=1), schema_file=schema_text)) == {}


def test_a_threshold_of_one_compares_nothing(drift):
    assert errors(drift(pa.table({"x": with_missing(0)}), pa.table({"x": NAN}), drift_threshold=1.0)) == {}


def test_one_row_says_nothing(drift):
    assert errors(drift(frame(1), frame(1, seed=1))) == {}


def test_statistics_that_tfdv_made_serve_as_well(examples, validate, tmp_path):
    tfdv.write_stats_text(tfdv.generate_statistics_from_dataframe(frame()), str(tmp_path / "stats.pbtxt"))
    (tmp_path / "stats.pb").write_bytes(tfdv.load_stats_text(str(tmp_path / "stats.pbtxt")).SerializeToString())
    moved = examples("moved", train=frame(seed=1, x=frame()["x"] + 0.5))
    assert errors(validate(moved, previous_statistics=str(tmp_path / "stats.pb"))) == {"x": "COMPARATOR_KOLMOGOROV_SMIRNOV_HIGH"}
    assert statistics_.load(str(tmp_path / "stats.pb"), "train", "") is not None
