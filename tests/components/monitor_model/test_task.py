"""Monitoring a model: what alarms and what does not, quality where labels came, and what cannot be used."""

import csv
import json
import re
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from penstock.components.evidence.verdict import read_verdict

from .conftest import CANARY, EVAL_CONFIG, FINGERPRINT, NAME, START, WINDOW, kserve_records, logged, rows, write_examples

SCHEMA = """
feature { name: "distance" type: FLOAT float_domain { min: 0 max: 1000 } }
feature { name: "hour" type: INT int_domain { min: 0 max: 23 } }
feature { name: "carrier" type: BYTES string_domain { value: "AA" value: "B6" value: "UA" } }
feature { name: "is_late" type: INT not_in_environment: "SERVING" }
"""


def test_a_window_like_the_reference(monitor, write_log):
    result = monitor(write_log(logged(rows(3_000))), schema_file=SCHEMA)
    assert result.code == 0, result.error
    assert result.parameters == {"verdict": "ok"}
    found = result.found
    assert (found["rows"], found["fingerprint"], found["reasons"], found["schema"]) == (3_000, FINGERPRINT, [], 1)
    assert set(found["features"]) == {"distance", "hour", "carrier"}
    assert found["not_compared"]["excluded"] == ["is_late"]
    page = result.outputs["report"].read_text()
    assert "Not in the log: requests that were refused or failed" in page
    assert "http" not in page
    assert read_verdict(result.outputs["monitoring"]).passed


def test_a_shift_of_a_tenth_of_a_standard_deviation(monitor, write_log):
    result = monitor(write_log(logged(rows(10_000, shift=0.12))))
    assert result.parameters == {"verdict": "drifted"}
    assert re.fullmatch(r"distance: kolmogorov smirnov is 0\.0\d+, above 0\.0\d+", result.found["reasons"][0])
    assert {name for name, feature in result.found["features"].items() if feature["status"] == "drifted"} == {"distance"}
    verdict = read_verdict(result.outputs["monitoring"])
    assert (verdict.word, verdict.passed) == ("drifted", False)


def test_new_missing_and_invalid_values(monitor, write_log):
    requests = rows(2_000)
    for number, row in enumerate(requests):
        row["carrier"] = "ZZ" if number % 10 == 0 else row["carrier"]
        row["distance"] = None if number % 10 == 1 else row["distance"]
        row["hour"] = 99 if number % 10 == 2 else row["hour"]
    result = monitor(write_log(logged(requests)), schema_file=SCHEMA)
    features = result.found["features"]
    assert features["carrier"]["new"] == pytest.approx(0.1)
    assert features["distance"]["missing"] == pytest.approx(0.1)
    assert features["hour"]["invalid"] == pytest.approx(0.1)
    assert "hour: values that the Schema does not allow: 0.1, above 0.01" in result.found["reasons"]
    assert "distance: the share of missing values changed by 0.1, above" in " ".join(result.found["reasons"])


def test_thresholds_and_measures_are_configured(monitor, write_log):
    log = write_log(logged(rows(10_000, shift=0.12)))
    for config, word in (
        ("{numbers: {threshold: 0.2}}", "ok"),
        ("{features: {distance: {measure: wasserstein, threshold: 0.2}}}", "ok"),
        ("{features: {distance: {measure: wasserstein, threshold: 0.05}}}", "drifted"),
        ("{exclude: [distance]}", "ok"),
        ("{min_rows: 20000}", "not_enough_data"),
        ("{max_age_hours: 1}", "no_data"),
    ):
        assert monitor(log, monitoring_config=config).parameters == {"verdict": word}, config


def test_a_canary_is_distinguished(monitor, write_log):
    lines = logged(rows(3_000)) + logged(rows(1_000, seed=2, shift=3), CANARY, version="4")
    result = monitor(write_log(lines))
    assert result.parameters == {"verdict": "ok"}
    assert [(model["fingerprint"], model["rows"], model["drifted"]) for model in result.found["models"]] == [
        (FINGERPRINT, 3_000, []),
        (CANARY, 1_000, ["distance"]),
    ]
    assert monitor(write_log(lines), fingerprint=CANARY[:12]).parameters == {"verdict": "drifted"}


def test_nothing_to_see(monitor, write_log, tmp_path):
    log = write_log(logged(rows(200)))
    (tmp_path / "empty").mkdir()
    for parameters, reason in (
        ({"logs": str(tmp_path / "nowhere")}, "no row is in the window from .*; the log has no rows at all"),
        ({"logs": str(tmp_path / "empty")}, "no row is in the window from .*; the log has no rows at all"),
        ({"window_end": "2026-11-30T00:00:00Z", "window_start": "2026-11-29T00:00:00Z"}, "no row is in the window from 2026-11-29"),
        ({"fingerprint": CANARY}, f"no row is of the model {CANARY[:12]}; the window's rows are of {FINGERPRINT[:12]} \\(200\\)"),
    ):
        result = monitor(log, **parameters)
        assert result.parameters == {"verdict": "no_data"}
        assert re.match(reason, result.found["reasons"][0])
        assert "no data" in result.outputs["report"].read_text()


def test_an_earlier_window_is_the_reference_of_predictions_too(monitor, write_log):
    write_log(logged(rows(3_000), start=START - timedelta(days=1)), "000100-vm-1-0.jsonl")
    later = logged(rows(3_000, seed=3))
    for line in later:
        line["prediction"] = [line["prediction"][0] / 2]
    result = monitor(write_log(later), reference_uri="", reference_window="2026-11-20/2026-11-21")
    assert result.parameters == {"verdict": "drifted"}
    assert [name for name, found in (result.found["features"] | result.found["predictions"]).items() if found["status"] == "drifted"] == [
        "prediction/prediction"
    ]


def test_kserves_log_has_no_fingerprint(monitor, tmp_path):
    folder = tmp_path / "kserve"
    folder.mkdir()
    (folder / "0b1c-0-request.json").write_text(json.dumps(kserve_records(rows(1_000))))
    result = monitor(folder)
    assert result.parameters == {"verdict": "ok"}
    assert result.found["fingerprint"] == ""
    assert "the log does not name it" in result.outputs["report"].read_text()


def labels_of(requests, folder: Path, wrong: float = 0.1, key="id") -> Path:
    random = np.random.default_rng(5)
    file = folder / "labels.csv"
    with file.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow([key, "is_late"])
        writer.writerows([f"r{number}", int((row["hour"] > 14) != (random.random() < wrong))] for number, row in enumerate(requests))
    return file


def test_quality_where_labels_came(monitor, write_log, tmp_path):
    requests = rows(2_000)
    log = write_log(logged(requests))
    good = monitor(log, eval_config=EVAL_CONFIG, labels=str(labels_of(requests[:1_500], tmp_path)))
    assert good.code == 0, good.error
    assert good.parameters == {"verdict": "ok"}
    quality = good.found["quality"]
    assert (quality["rows"], quality["share"]) == (1_500, 0.75)
    assert quality["metrics"]["auc"]["value"] == pytest.approx(0.9, abs=0.03)
    low, high = quality["metrics"]["auc"]["interval"]
    assert low < quality["metrics"]["auc"]["value"] < high
    assert set(quality["slices"]) == {"carrier=AA", "carrier=B6", "carrier=UA"}
    bad = monitor(log, eval_config=EVAL_CONFIG, labels=str(labels_of(requests, tmp_path, wrong=0.5)))
    assert bad.parameters == {"verdict": "degraded"}
    assert re.match(r"auc is 0\.\d+ \(0\.\d+ to 0\.\d+\) in overall, asked for >= 0\.6", bad.found["reasons"][0])


def test_without_labels_the_scores_tell_what_to_expect(monitor, write_log):
    requests = rows(2_000)
    result = monitor(write_log(logged(requests)), eval_config=EVAL_CONFIG)
    scores = np.array([1 / (1 + np.exp(-(row["hour"] - 14) / 4)) for row in requests])
    pairs = np.outer(scores, 1 - scores)
    expected = float((pairs * ((scores[:, None] > scores) + 0.5 * (scores[:, None] == scores))).sum() / pairs.sum())
    assert result.found["quality"] is None
    assert result.found["estimate"]["auc"] == pytest.approx(expected, abs=1e-3)
    assert "Estimate, not a measurement" in result.outputs["report"].read_text()


@pytest.mark.parametrize(
    ("lines", "word", "reason"),
    [
        ("id,is_late\nx1,0\nx2,1\n", "not_enough_data", "no label has an id of the log: the log has 'r0', the labels have 'x"),
        ("id,is_late\nr1,0\nr2,1\n", "not_enough_data", "2 rows with labels are fewer than min_labels, 100"),
    ],
)
def test_labels_that_are_too_few(monitor, write_log, tmp_path, lines, word, reason):
    (tmp_path / "labels.csv").write_text(lines)
    result = monitor(write_log(logged(rows(500))), eval_config=EVAL_CONFIG, labels=str(tmp_path / "labels.csv"))
    assert result.parameters == {"verdict": word}
    assert result.found["reasons"][0].startswith(reason)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("id,is_late\nr1,0\nr1,1\n", "give 1 ids more than one label, such as 'r1'; give one for each"),
        (
            "flight,is_late\nr1,0\n",
            "have no column 'id' (they have: flight, is_late); correct label_key, label_column or label_time_column",
        ),
        ("id,is_late\n" + "".join(f"r{number},late\n" for number in range(300)), "the label column is_late holds string, not numbers"),
    ],
)
def test_labels_that_cannot_be_used(monitor, write_log, tmp_path, lines, message):
    (tmp_path / "labels.csv").write_text(lines)
    result = monitor(write_log(logged(rows(500))), eval_config=EVAL_CONFIG, labels=str(tmp_path / "labels.csv"))
    assert result.code == 1
    assert message in result.error
    assert "\n" not in result.error


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"reference_uri": "gone"}, "the reference gone does not exist; give existing Examples"),
        ({"reference_uri": ""}, "set exactly one of reference, reference_uri and reference_window"),
        ({"reference_split": "test"}, "have no Split 'test'"),
        ({"reference_uri": "", "reference_window": "yesterday"}, "reference_window is 'yesterday'; give START/END"),
        ({"window_start": "yesterday"}, "window_start is 'yesterday', which is not a time; give one such as"),
        ({"window_start": "2026-11-23"}, "is not before the window's end"),
        ({"window_start": "", "window_hours": 0.0}, "window_hours is 0; give a number above 0, or set window_start"),
        ({"labels": "labels.csv"}, "labels requires eval_config"),
        ({"monitoring_config": "{numbers: {measure: chi2}}"}, "monitoring_config: numbers.measure is 'chi2'; give kolmogorov_smirnov, "),
        ({"monitoring_config": "{numbers: {limit: 1}}"}, "monitoring_config: numbers has the key 'limit'; give measure and threshold"),
        ({"monitoring_config": "{min_row: 1}"}, "monitoring_config has the unknown key 'min_row'; the keys are numbers, "),
        ({"monitoring_config": "{max_invalid: 2}"}, "monitoring_config: max_invalid is 2; give a number of at least 0 and at most 1"),
        ({"monitoring_config": "{exclude: month}"}, "monitoring_config: exclude is not a list of names"),
        ({"monitoring_config": "{a: [}"}, "monitoring_config is not YAML"),
        ({"monitoring_config": "[1]\n"}, "monitoring_config is list, not an object"),
        (
            {"monitoring_config": "{features: {carrier: {measure: wasserstein}}}"},
            "carrier has categories, which wasserstein does not compare",
        ),
    ],
)
def test_what_cannot_be_used(monitor, write_log, tmp_path, monkeypatch, parameters, message):
    monkeypatch.chdir(tmp_path)
    result = monitor(write_log(logged(rows(300))), **parameters)
    assert result.code == 1
    assert message in result.error
    assert "\n" not in result.error
    assert not result.outputs["monitoring"].exists()


def test_a_log_of_other_features(monitor, write_log):
    lines = [line | {"instance": {"income": 1.0}} for line in logged(rows(300))]
    result = monitor(write_log(lines))
    assert result.code == 1
    assert "the log has no feature of the reference (it has income); give the log of the model that was trained on it" in result.error


def test_a_feature_that_the_reference_lacks_is_never_ok(monitor, write_log):
    lines = [line | {"instance": line["instance"] | {"wind": 3.0}} for line in logged(rows(300))]
    result = monitor(write_log(lines))
    assert result.parameters == {"verdict": "not_enough_data"}
    assert result.found["reasons"] == ["wind is not in the reference; exclude it in monitoring_config, or give a reference that has it"]
    assert monitor(write_log(lines), monitoring_config="{exclude: [wind]}").parameters == {"verdict": "ok"}


def test_the_figures_for_prometheus(monitor, write_log):
    text = (monitor(write_log(logged(rows(300))), model_name="flights").outputs["monitoring"] / "monitoring.prom").read_text()
    sample = re.compile(r'[a-z_]+\{([a-z_]+="[^"\\\n]*",?)+\} [0-9.e+-]+')
    assert all(line.startswith("# ") or sample.fullmatch(line) for line in text.splitlines())
    assert f'penstock_monitoring_verdict{{model_name="flights",fingerprint="{FINGERPRINT}",verdict="ok"}} 1.0' in text
    assert f'penstock_monitoring_drifted{{model_name="flights",fingerprint="{FINGERPRINT}",feature="distance"}} 0.0' in text


def test_drift_alone_needs_neither_pandas_nor_tensorflow(monkeypatch, run_task, write_log, reference):
    """Importing them takes more than half of the time and of the memory."""
    monkeypatch.setenv("PYTHONPROFILEIMPORTTIME", "1")
    parameters = WINDOW | {"logs": str(write_log(logged(rows(200)))), "reference_uri": str(reference), "schema_file": SCHEMA}
    result = run_task(NAME, parameters, subprocess=True)
    assert result.code == 0, result.error
    imported = set(re.findall(r"^import time: .* (\S+)$", result.error, re.MULTILINE))
    assert "pyarrow.compute" in imported
    assert not imported & {"pandas.core", "tensorflow.python", "requests.models"}


def test_examples_as_an_artifact(run_task, write_log, reference):
    parameters = {"logs": str(write_log(logged(rows(300)))), "window_start": "2026-11-21", "window_end": "2026-11-22"}
    result = run_task(NAME, parameters, {"reference": (reference, {"format": "parquet"})})
    assert result.code == 0, result.error


def test_a_reference_whose_kinds_differ(monitor, write_log, tmp_path):
    """Whole numbers that the Schema calls categories, in the log as they are."""
    schema = SCHEMA.replace("min: 0 max: 23 }", "min: 0 max: 23 is_categorical: true }")
    folder = write_examples(tmp_path / "few", rows(5_000, seed=1))
    result = monitor(write_log(logged(rows(2_000))), schema_file=schema, reference_uri=str(folder))
    assert result.found["features"]["hour"]["kind"] == "category"
    assert result.found["features"]["hour"]["new"] == 0
    assert result.parameters == {"verdict": "ok"}


def test_features_by_slice(monitor, write_log):
    requests = rows(6_000)
    for row in requests:
        row["distance"] += 20 if row["carrier"] == "UA" else 0
    lines = logged(requests) + logged(rows(1_000, shift=3), CANARY)
    result = monitor(write_log(lines), eval_config=EVAL_CONFIG, fingerprint=FINGERPRINT)
    slices, of_canary = (model["slices"] for model in result.found["models"])
    assert {title: found["drifted"] for title, found in slices.items()} == {"carrier=AA": [], "carrier=B6": [], "carrier=UA": ["distance"]}
    assert sum(found["rows"] for found in slices.values()) == 6_000
    assert set(slices["carrier=UA"]["features"]) == {"distance", "hour"}
    assert {title: found["drifted"] for title, found in of_canary.items()} == {key: ["distance"] for key in slices}
    assert sum(found["rows"] for found in of_canary.values()) == 1_000
    assert result.outputs["report"].read_text().count("<td>carrier=UA</td>") == 2
