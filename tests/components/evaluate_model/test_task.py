"""evaluate_model through its command: verdicts, the evidence, and what it says of bad input."""

import base64
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
from tensorflow_model_analysis.api import model_eval_lib

from penstock.components.evaluate_model.blessing import slice_title
from penstock.components.evidence.scores import read_scores
from penstock.components.protocol import fingerprint

from .. import kubeflow_pages

VALUE = "value_threshold { lower_bound { value: 0.5 } }"
ON_BEAM = {"beam_pipeline_args": ["--runner=apache_beam.runners.portability.fn_api_runner.FnApiRunner"]}
CHANGE = "change_threshold { direction: HIGHER_IS_BETTER absolute { value: -0.05 } }"


def eval_config(threshold: str = f"threshold {{ {VALUE} }}", more: str = "", spec: str = 'label_key: "is_late"') -> str:
    return (
        f"""
model_specs {{ {spec} }}
slicing_specs {{}}
slicing_specs {{ feature_keys: "carrier" }}
metrics_specs {{
  metrics {{ class_name: "AUC" per_slice_thresholds {{ slicing_specs {{}} {threshold} }} }}
  metrics {{ class_name: "BinaryAccuracy" }}
  metrics {{ class_name: "ExampleCount" }}
  {more}
}}
"""
        if threshold
        else eval_config(f"threshold {{ {VALUE} }}", more, spec).replace(
            f"per_slice_thresholds {{ slicing_specs {{}} threshold {{ {VALUE} }} }}", ""
        )
    )


@dataclass
class Flights:
    """Runs evaluate_model on flights; what a test does not say is good."""

    run_task: Callable[..., Any]
    models: Callable[..., Path]
    schema: Path
    no_baseline: Path
    examples: Path

    def __call__(self, text: str = "", *, subprocess: bool = False, parameters: dict | None = None, **inputs: Any) -> Any:
        given = {"examples": self.examples, "model": self.models(), "baseline": self.no_baseline, "schema": self.schema} | inputs
        given = {name: path for name, path in given.items() if path is not None}
        return self.run_task("evaluate_model", {"eval_config": text or eval_config()} | (parameters or {}), given, subprocess=subprocess)


@pytest.fixture
def evaluate(
    run_task: Callable[..., Any],
    models: Callable[..., Path],
    schema: Path,
    no_baseline: Path,
    write_examples: Callable[..., Path],
    flights: Callable[..., pa.Table],
) -> Flights:
    return Flights(run_task, models, schema, no_baseline, write_examples(flights(400)))


def blessing(result: Any) -> dict[str, Any]:
    assert result.code == 0, result.error
    return json.loads((result.outputs["evaluation"] / "blessing.json").read_text())


def assert_error(result: Any, *texts: str) -> None:
    assert result.code == 1
    assert "\n" not in result.error.strip()
    for words in texts:
        assert words in result.error
    assert not any(path.exists() for path in result.outputs.values())


def test_blesses_a_good_model_in_its_own_process(evaluate: Flights) -> None:
    result = evaluate(
        eval_config(f"threshold {{ {VALUE} {CHANGE} }}"), subprocess=True, baseline=(evaluate.models("binary", 0.9), {"version": "3"})
    )
    verdict = blessing(result)
    assert result.parameters == {"verdict": "blessed"}
    assert verdict["verdict"] == "blessed"
    assert verdict["reasons"] == []
    assert verdict["model"]["fingerprint"] == fingerprint(evaluate.models()) == result.metadata["evaluation"]["model_fingerprint"]
    assert verdict["baseline"]["fingerprint"] == fingerprint(evaluate.models("binary", 0.9))
    assert verdict["baseline"]["version"] == "3"
    assert verdict["examples"]["rows"] == 400
    value, change = sorted(verdict["thresholds"], key=lambda threshold: threshold["kind"], reverse=True)
    assert value["bounds"] == {"lower_bound": 0.5}
    assert value["candidate"] == pytest.approx(result.metadata["metrics"]["auc"])
    assert change["difference"] == pytest.approx(change["candidate"] - change["baseline"])
    assert "baseline: blessed" in result.metadata["evaluation"]["summary"]


def test_what_is_too_bad_is_a_result(evaluate: Flights) -> None:
    result = evaluate(eval_config("threshold { value_threshold { lower_bound { value: 0.99 } } }"))
    assert result.parameters == {"verdict": "not_blessed"}
    assert any("auc is 0." in reason and "the threshold is >= 0.99" in reason for reason in blessing(result)["reasons"])


def test_a_worse_candidate_is_not_blessed(evaluate: Flights) -> None:
    result = evaluate(eval_config(f"threshold {{ {CHANGE} }}"), model=evaluate.models("binary", -1.0), baseline=evaluate.models())
    verdict = blessing(result)
    assert verdict["verdict"] == "not_blessed"
    assert not verdict["thresholds"][0]["passed"]
    assert "from the Baseline" in verdict["reasons"][0]


def test_no_thresholds_no_blessing(evaluate: Flights) -> None:
    verdict = blessing(evaluate(eval_config("")))
    assert verdict["verdict"] == "not_blessed"
    assert "no thresholds" in verdict["reasons"][0]


@pytest.mark.parametrize(("bound", "expected"), [("0.5", "blessed"), ("0.99", "not_blessed")])
def test_without_a_baseline_only_value_thresholds_count(evaluate: Flights, bound: str, expected: str) -> None:
    verdict = blessing(evaluate(eval_config(f"threshold {{ {VALUE} {CHANGE} }}".replace("0.5 ", f"{bound} "))))
    assert verdict["verdict"] == expected
    assert verdict["baseline"] is None
    assert "the registry has no champion" in verdict["notes"][0]
    assert {threshold["kind"]: threshold["passed"] for threshold in verdict["thresholds"]} == {
        "value": expected == "blessed",
        "change": None,
    }


def test_a_note_is_not_counted_as_a_failure(evaluate: Flights) -> None:
    result = evaluate(eval_config("threshold { value_threshold { lower_bound { value: 0.99 } } }"), baseline=None)
    verdict = blessing(result)
    assert len(verdict["reasons"]) == sum(threshold["passed"] is False for threshold in verdict["thresholds"]) == 1
    assert "more" not in result.metadata["evaluation"]["summary"]


def test_no_threshold_measured_no_blessing(evaluate: Flights) -> None:
    text = eval_config(f"threshold {{ {CHANGE} }}")
    result = evaluate(text, model=evaluate.models("binary", -1.0))
    verdict = blessing(result)
    assert verdict["verdict"] == "not_blessed"
    assert verdict["reasons"][0].startswith("nothing was measured")
    assert [(entry["kind"], entry["passed"], entry["candidate"], entry["message"]) for entry in verdict["thresholds"]] == [
        ("change", None, None, "no Baseline")
    ]
    assert "set rubber_stamp" in result.metadata["evaluation"]["summary"]


def test_a_rubber_stamp_is_seen(evaluate: Flights) -> None:
    stamp = {"rubber_stamp": True}
    result = evaluate(eval_config(f"threshold {{ {CHANGE} }}"), parameters=stamp)
    verdict = blessing(result)
    assert (verdict["verdict"], verdict["rubber_stamp"]) == ("blessed", True)
    assert "blessed: nothing was measured" in result.metadata["evaluation"]["summary"]
    assert "Nothing was measured." in result.outputs["report"].read_text()
    assert "not measured" in result.outputs["report"].read_text()


@pytest.mark.parametrize(
    ("text", "inputs"),
    [
        (eval_config(""), {}),
        (eval_config(f"threshold {{ {VALUE.replace('0.5', '0.99')} {CHANGE} }}"), {}),
        (eval_config(f"threshold {{ {CHANGE} }}"), {"model": ("binary", -1.0), "baseline": ("binary", 1.0)}),
        (eval_config(f'slicing_specs {{ feature_values {{ key: "carrier" value: "XX" }} }} threshold {{ {VALUE} }}'), {}),
    ],
)
def test_a_rubber_stamp_stands_for_nothing_but_a_baseline(evaluate: Flights, text: str, inputs: dict[str, Any]) -> None:
    models = {name: evaluate.models(*model) for name, model in inputs.items()}
    verdict = blessing(evaluate(text, parameters={"rubber_stamp": True}, **models))
    assert (verdict["verdict"], verdict["rubber_stamp"]) == ("not_blessed", False)


def test_every_threshold_is_in_the_verdict(evaluate: Flights) -> None:
    more = f"""metrics {{ class_name: "Precision"
      threshold {{ {VALUE} {CHANGE} }}
      per_slice_thresholds {{ slicing_specs {{ feature_values {{ key: "carrier" value: "XX" }} }} threshold {{ {VALUE} {CHANGE} }} }}
      cross_slice_thresholds {{
        cross_slicing_specs {{ baseline_spec {{}} slicing_specs {{ feature_keys: "carrier" }} }} threshold {{ {VALUE} }} }} }}"""
    for baseline in (evaluate.no_baseline, evaluate.models()):
        verdict = blessing(evaluate(eval_config(more=more), baseline=baseline))
        thresholds = {
            (entry["metric"], entry["kind"], slice_title(tuple(entry["slice"].items()))): entry for entry in verdict["thresholds"]
        }
        carriers = [("precision", kind, f"carrier={name}") for kind in ("value", "change") for name in ("AA", "B6", "UA", "ZZ")]
        unmeasured = {
            ("precision", "value", "carrier=XX"): False,
            ("precision", "value", "slice=carrier=*, baseline_slice=overall"): False,
            ("precision", "change", "carrier=XX"): None if baseline == evaluate.no_baseline else False,
        }
        assert {key: thresholds[key]["passed"] for key in unmeasured} == unmeasured
        assert {*thresholds} >= {("auc", "value", "overall"), ("precision", "value", "overall"), ("precision", "change", "overall")}
        assert {*thresholds} >= {*carriers} or baseline == evaluate.no_baseline
        assert verdict["verdict"] == "not_blessed"
        assert any("precision is not measured (no rows) in carrier=XX" in reason for reason in verdict["reasons"])


def test_a_slice_without_rows_that_has_a_threshold_is_not_blessed(evaluate: Flights) -> None:
    text = eval_config(f'slicing_specs {{ feature_values {{ key: "carrier" value: "XX" }} }} threshold {{ {VALUE} }}')
    verdict = blessing(evaluate(text))
    assert verdict["verdict"] == "not_blessed"
    assert any("carrier=XX" in reason for reason in verdict["reasons"])


def test_an_undefined_figure_fails_closed(evaluate: Flights) -> None:
    more = 'metrics { class_name: "Specificity" threshold { value_threshold { lower_bound { value: 0.0 } } } }'
    verdict = blessing(evaluate(eval_config(more=more)))
    undefined = [threshold for threshold in verdict["thresholds"] if threshold["slice"] == {"carrier": "ZZ"}]  # late, every one
    assert [(threshold["candidate"], threshold["passed"]) for threshold in undefined] == [(None, False)]
    assert verdict["verdict"] == "not_blessed"


@pytest.mark.parametrize(("bound", "expected"), [("-1.0", True), ("0.9", False)])
def test_a_threshold_across_slices(evaluate: Flights, bound: str, expected: bool) -> None:
    compared = 'baseline_spec {} slicing_specs { feature_values { key: "carrier" value: "AA" } }'
    threshold = f"threshold {{ value_threshold {{ lower_bound {{ value: {bound} }} }} }}"
    text = f"cross_slicing_specs {{ {compared} }}" + eval_config(
        more=f'metrics {{ class_name: "MeanLabel" cross_slice_thresholds {{ cross_slicing_specs {{ {compared} }} {threshold} }} }}'
    )
    verdict = blessing(evaluate(text))
    (across,) = [entry for entry in verdict["thresholds"] if entry["metric"] == "mean_label"]
    assert across["slice"] == {"slice": "carrier=AA", "baseline_slice": "overall"}
    assert across["passed"] is expected
    assert abs(across["candidate"]) < 0.5
    assert verdict["verdict"] == ("blessed" if expected else "not_blessed")


def test_tfma_reads_what_was_written(evaluate: Flights) -> None:
    text = eval_config(more='metrics { class_name: "CalibrationPlot" }')
    folder = str(evaluate(text, baseline=evaluate.models("binary", 0.9)).outputs["evaluation"])
    result = model_eval_lib.load_eval_result(folder, model_name="candidate")
    metrics = {key: figures[""][""]["auc"]["doubleValue"] for key, figures in result.slicing_metrics}
    assert set(metrics) == {(), *((("carrier", carrier),) for carrier in ("AA", "B6", "UA", "ZZ"))}
    assert len(result.plots) == 5
    assert result.config.model_specs[1].is_baseline
    assert model_eval_lib.load_validation_result(folder).validation_ok
    assert len(list(model_eval_lib.load_metrics(folder))) == 5


def test_intervals_of_slices_too_small_to_resample(
    evaluate: Flights, write_examples: Callable[..., Path], flights: Callable[..., pa.Table]
) -> None:
    more = "".join(
        f'metrics {{ class_name: "{name}" }}' for name in ("Precision", "Calibration", "BinaryCrossentropy", "BinaryCrossEntropy")
    )
    text = eval_config(more=more) + "options { compute_confidence_intervals { value: true } }"
    verdict = blessing(evaluate(text, examples=write_examples(flights(12)), baseline=evaluate.models("binary", 0.9)))
    assert verdict["thresholds"][0]["confidence_interval"] is not None


def test_intervals_hold_the_truth_about_as_often_as_they_say(
    evaluate: Flights, write_examples: Callable[..., Path], flights: Callable[..., pa.Table]
) -> None:
    """The share of positives is known: 95 % intervals of many disjoint samples miss it about one time in twenty."""
    table = flights(4000, seed=1)
    month = pa.array(np.arange(4000) // 40)
    table = table.set_column(table.schema.get_field_index("month"), "month", month)
    text = (
        eval_config(more='metrics { class_name: "MeanLabel" }').replace('"carrier"', '"month"')
        + "options { compute_confidence_intervals { value: true } }"
    )
    folder = str(evaluate(text, examples=write_examples(table)).outputs["evaluation"])
    truth, held = float(np.mean(table["is_late"].to_numpy())), 0
    for figures in model_eval_lib.load_metrics(folder):
        for entry in figures.metric_keys_and_values:
            if entry.key.name == "mean_label" and figures.slice_key.single_slice_keys:
                bounds = entry.confidence_interval
                held += bounds.lower_bound.double_value.value <= truth <= bounds.upper_bound.double_value.value
    assert 85 <= held <= 100


def test_kfp_metrics_are_finite_and_drawable(evaluate: Flights) -> None:
    result = evaluate()
    assert result.metadata["metrics"]["example_count"] == 400
    drawn = result.metadata["classification_metrics"]
    assert [spec["displayName"] for spec in drawn["confusionMatrix"]["annotationSpecs"]] == ["0", "1"]
    assert sum(sum(row["row"]) for row in drawn["confusionMatrix"]["rows"]) == 400
    points = [(point["falsePositiveRate"], point["recall"]) for point in drawn["confidenceMetrics"]]
    assert points[0] == (0.0, 0.0)
    assert points[-1] == (1.0, 1.0)
    assert len(points) <= 100
    area = sum((b[0] - a[0]) * (a[1] + b[1]) / 2 for a, b in pairwise(points))
    assert area == pytest.approx(result.metadata["metrics"]["auc"], abs=0.01)
    assert "<polyline" in result.outputs["report"].read_text()


def test_kubeflows_pages_show_an_evaluation(evaluate: Flights) -> None:
    result = evaluate()
    shown = kubeflow_pages.scalar_metrics(result.metadata["metrics"])
    assert float(shown["auc"]) == result.metadata["metrics"]["auc"]
    drawn = result.metadata["classification_metrics"]
    assert kubeflow_pages.roc_curve(drawn)[-1][1:] == (1.0, 1.0)
    labels, cells = kubeflow_pages.confusion_matrix(drawn)
    assert (labels, sum(map(sum, cells))) == (["0", "1"], 400)
    kubeflow_pages.check_page(result.outputs["report"])


def test_probes_are_what_the_model_answers(evaluate: Flights) -> None:
    probe = json.loads((evaluate().outputs["evaluation"] / "probe.json").read_text())
    assert len(probe["instances"]) == len(probe["predictions"]) == 256
    serve = tf.saved_model.load(str(evaluate.models())).signatures["serving_default"]
    columns = {name: [row[name] for row in probe["instances"]] for name in probe["instances"][0]}
    answers = serve(
        distance=tf.constant(columns["distance"]), hour=tf.constant(columns["hour"], tf.int64), carrier=tf.constant(columns["carrier"])
    )
    np.testing.assert_allclose(probe["predictions"], answers["output_0"].numpy(), atol=probe["tolerance"])
    assert 1e-5 <= probe["tolerance"] < 1e-4
    assert probe["rows_together"] is True


def test_probes_of_a_model_that_mixes_rows_hold_its_answers_to_each_alone(evaluate: Flights) -> None:
    config = eval_config(spec='label_key: "is_late" prediction_key: "probability"')
    probe = json.loads((evaluate(config, model=evaluate.models("mixing")).outputs["evaluation"] / "probe.json").read_text())
    assert {row["share"] for row in probe["predictions"]} == {1.0}
    assert (probe["tolerance"], probe["rows_together"]) == (1e-5, False)


def test_probes_of_a_model_that_answers_text(evaluate: Flights) -> None:
    config = eval_config(spec='label_key: "is_late" prediction_key: "probability"')
    probe = json.loads((evaluate(config, model=evaluate.models("named")).outputs["evaluation"] / "probe.json").read_text())
    assert {row["answer"] for row in probe["predictions"]} == {"late", "on time"}


def test_probes_of_a_model_that_takes_examples_hold_examples(evaluate: Flights) -> None:
    model = evaluate.models("binary", 1.0, ("tfx",))
    probe = json.loads((evaluate(model=model).outputs["evaluation"] / "probe.json").read_text())
    examples = tf.constant([base64.b64decode(row["b64"]) for row in probe["instances"]])
    answers = tf.saved_model.load(str(model)).signatures["serving_default"](examples=examples)
    np.testing.assert_allclose(probe["predictions"], answers["output_0"].numpy(), atol=probe["tolerance"])


@pytest.mark.parametrize("signatures", [("serving_default",), ("serving_examples",), ("tfx",)])
def test_every_signature_answers_alike(evaluate: Flights, signatures: tuple[str, ...]) -> None:
    assert evaluate(model=evaluate.models("binary", 1.0, signatures)).metadata["metrics"] | {"summary": ""} == evaluate().metadata[
        "metrics"
    ] | {"summary": ""}


def test_a_metric_of_tfmas_own_engine_is_left_to_it(evaluate: Flights) -> None:
    result = evaluate(
        eval_config(more='metrics { class_name: "MinLabelPosition" }').replace("MinLabelPosition", "ExactMatch"),
        baseline=evaluate.models("binary", 0.9),
    )
    verdict = blessing(result)
    assert verdict["engine"] == "beam"
    assert verdict["verdict"] == "blessed"
    assert result.metadata["metrics"]["auc"] == pytest.approx(evaluate().metadata["metrics"]["auc"], rel=1e-6)
    assert "exact_match" in result.metadata["metrics"]


def test_a_named_runner_evaluates_on_beam(evaluate: Flights) -> None:
    result, here = evaluate(parameters=ON_BEAM), evaluate()
    assert blessing(result)["engine"] == "beam"
    assert result.metadata["metrics"]["auc"] == pytest.approx(here.metadata["metrics"]["auc"], rel=1e-6)
    ours, theirs = (read_scores(each.outputs["evaluation"]) for each in (here, result))
    assert ours
    assert theirs
    assert list(ours) == list(theirs) == ["output_0"]
    assert ours["output_0"].rows == 400
    assert (ours["output_0"].counts == theirs["output_0"].counts).all()
    assert ours["output_0"].mean == pytest.approx(theirs["output_0"].mean)


def test_a_worker_says_which_model_cannot_answer(
    evaluate: Flights, write_examples: Callable[..., Path], flights: Callable[..., pa.Table]
) -> None:
    table = flights(100)
    distance = pa.array([float("nan")] + [1.0] * 99, pa.float32())
    examples = write_examples(table.set_column(table.schema.get_field_index("distance"), "distance", distance))
    assert_error(evaluate(examples=examples, parameters=ON_BEAM), "output output_0 of the candidate is NaN for 1 of 100 rows")


def test_a_baseline_may_have_another_signature(evaluate: Flights) -> None:
    text = eval_config(f"threshold {{ {CHANGE} }}", spec='name: "flights" label_key: "is_late" signature_name: "serving_examples"')
    verdict = blessing(evaluate(text, baseline=evaluate.models("binary", 1.0, ("tfx",))))
    assert [threshold["difference"] for threshold in verdict["thresholds"]] == [0.0]


def test_a_broken_baseline_fails_or_is_ignored_and_recorded(evaluate: Flights, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "saved_model.pb").write_bytes(b"no model")
    assert_error(evaluate(baseline=broken), "baseline", "is not a loadable SavedModel")
    verdict = blessing(evaluate(baseline=broken, parameters={"on_broken_baseline": "ignore"}))
    assert verdict["baseline"] is None
    assert "is not a loadable SavedModel" in verdict["baseline_note"]
    assert verdict["verdict"] == "blessed"


def test_a_baseline_of_other_features_cannot_answer(
    evaluate: Flights, write_examples: Callable[..., Path], flights: Callable[..., pa.Table]
) -> None:
    class Other(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="humidity"), tf.TensorSpec([None], tf.float32, name="wind")])
        def answer(self, humidity: tf.Tensor, wind: tf.Tensor) -> dict[str, tf.Tensor]:
            return {"p": tf.sigmoid(humidity + wind)}

    path = evaluate.examples.parent / "other"
    other = Other()
    tf.saved_model.save(other, str(path), signatures={"serving_default": other.answer})
    assert_error(evaluate(baseline=path), "humidity, wind", "baseline")
    assert_error(evaluate(model=path), "humidity, wind", "candidate")
    assert "humidity" in blessing(evaluate(baseline=path, parameters={"on_broken_baseline": "ignore"}))["baseline_note"]


@pytest.mark.parametrize("changed", ["examples", "model", "baseline", "schema"])
@pytest.mark.parametrize("on_broken_baseline", ["fail", "ignore"])
def test_what_is_not_what_its_metadata_says_is_refused(evaluate: Flights, tmp_path: Path, changed: str, on_broken_baseline: str) -> None:
    made = {"examples": evaluate.examples, "model": evaluate.models(), "baseline": evaluate.no_baseline, "schema": evaluate.schema}
    folder = tmp_path / changed
    shutil.copytree(made[changed], folder)
    given = {changed: (folder, {"fingerprint": fingerprint(folder)})}
    parameters = {"on_broken_baseline": on_broken_baseline}
    assert blessing(evaluate(parameters=parameters, **given))["verdict"] == "blessed"
    (folder / "more").touch()
    assert_error(evaluate(parameters=parameters, **given), str(folder), "does not match its metadata")


def test_the_evidence_names_the_bytes_that_were_evaluated_and_where_they_came_from(evaluate: Flights) -> None:
    source = {"uri": "delta:///flights?version=3", "version": 3, "row_filter": [["day", ">", "2026-01-01"]]}
    result = evaluate(examples=(evaluate.examples, {"span": 3, "source": source}))
    found = blessing(result)["examples"]
    assert (found["fingerprint"], found["source"]) == (fingerprint(evaluate.examples), source)
    page = result.outputs["report"].read_text()
    assert "uri <code>delta:///flights?version=3</code>, version <code>3</code>, row filter <code>[[" in page


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model_specs {\n label_kee: 'is_late' }", ["eval_config", "2:2", "label_kee"]),
        ('{"modelSpecs": [}\n', ["eval_config", "line 1"]),
        ("model_specs { label_key: 'is_late' }\n", ["no metrics"]),
        (eval_config().replace('label_key: "is_late"', ""), ["has no label"]),
        (eval_config(spec='label_key: "is_on_time"'), ["is_on_time", "lacks"]),
        (eval_config().replace('feature_keys: "carrier"', 'feature_keys: "carier"'), ["carier", "lacks"]),
        (eval_config(more='metrics { class_name: "AOC" }'), ["no metric 'AOC'", "AUC"]),
        (eval_config(more='metrics { class_name: "AUC" config: "bogus" }'), ["AUC", "cannot be created"]),
        (eval_config(more=f'thresholds {{ key: "auc_of_all" value {{ {VALUE} }} }}'), ["auc_of_all", "not among its metrics"]),
        (eval_config("threshold {}"), ["AUC", "no bound"]),
        (eval_config("threshold { value_threshold {} }"), ["AUC", "no bound"]),
        (eval_config("threshold { value_threshold { lower_bound { value: -inf } } }"), ["AUC", "not a finite number"]),
        (eval_config("threshold { value_threshold { upper_bound { value: nan } } }"), ["AUC", "not a finite number"]),
        (eval_config().replace("slicing_specs {} threshold", "threshold"), ["AUC", "has no slice"]),
        (eval_config(more=f'metrics {{ class_name: "Recall" cross_slice_thresholds {{ threshold {{ {VALUE} }} }} }}'), ["has no slices"]),
        (eval_config("threshold { change_threshold { absolute { value: 0.0 } } }"), ["AUC", "no direction"]),
        (eval_config(spec='label_key: "is_late" is_baseline: true'), ["one candidate"]),
        (eval_config(spec='label_key: "carrier"'), ["carrier", "numbers"]),
        (eval_config(spec='label_key: "grade"'), ["within 0 and 1"]),
        (eval_config(spec='label_key: "is_late" signature_name: "serve"'), ["signature serve", "serving_default"]),
        (eval_config(spec='label_key: "xf" preprocessing_function_names: "to_xf"'), ["signature to_xf", "preprocessing_function_names"]),
        (eval_config(spec='label_key: "is_late" preprocessing_function_names: "_plus_one@hour"'), ["'_plus_one@hour'", "not supported"]),
        (eval_config(spec='label_key: "is_late" model_type: "tf_lite"'), ["model_type 'tf_lite' is not supported"]),
        (eval_config() + "options { include_default_metrics { value: true } }", ["include_default_metrics is not supported"]),
        (eval_config() + 'options { disabled_outputs { values: "eval_config.json" } }', ["disabled_outputs is not supported"]),
        (eval_config() + "metrics_specs { metrics { class_name: 'NDCG' config: '\"gain_key\": \"hour\"' } }", ["query_key is required"]),
        (eval_config(more="aggregate { macro_average: true } binarize { class_ids { values: 0 } }"), ["class_weights are required"]),
        (
            eval_config().replace("model_specs", "model_specs { name: 'old' label_key: 'is_late' is_baseline: true } model_specs", 1)
            + "metrics_specs { model_names: 'older' metrics { class_name: 'AUC' } }",
            ["'older'", "not a name in model_specs"],
        ),
    ],
)
def test_bad_configurations(evaluate: Flights, text: str, message: list[str]) -> None:
    assert_error(evaluate(text), *message)


def test_labels_are_those_that_the_model_was_trained_on(evaluate: Flights) -> None:
    """The model answers how probable a delay is: by the label of its preprocessing, which says the opposite, it is a bad one."""
    signatures = ("serving_examples", "transform_features")
    spec = 'label_key: "on_time_xf" preprocessing_function_names: "transform_features"'
    done = blessing(evaluate(eval_config(spec=spec), model=evaluate.models("binary", 1.0, signatures)))
    of_the_column = blessing(evaluate())
    assert done["verdict"] == "not_blessed"
    assert done["thresholds"][0]["candidate"] == pytest.approx(1 - of_the_column["thresholds"][0]["candidate"], abs=1e-3)


def test_models_are_asked_in_batches_of_the_size_that_is_set(evaluate: Flights) -> None:
    sized = evaluate(eval_config(spec='label_key: "is_late" inference_batch_size: 7'))
    assert blessing(sized)["thresholds"] == blessing(evaluate())["thresholds"]


def test_a_baseline_may_be_left_out_and_a_configuration_stand_on_one_line(evaluate: Flights) -> None:
    verdict = blessing(evaluate(" ".join(eval_config(f"threshold {{ {VALUE} {CHANGE} }}").split()), baseline=None))
    assert (verdict["verdict"], verdict["baseline"], verdict["baseline_note"]) == ("blessed", None, "none given")
    assert "no Baseline (none given): only value thresholds were checked" in verdict["notes"]


def test_thresholds_by_name_are_those_of_the_metric(evaluate: Flights) -> None:
    text = eval_config("", more='thresholds { key: "auc" value { value_threshold { lower_bound { value: 0.99 } } } }')
    verdict = blessing(evaluate(text))
    assert verdict["verdict"] == "not_blessed"
    assert len(verdict["thresholds"]) == 5  # the overall slice and four carriers


def test_bad_examples(evaluate: Flights, write_examples: Callable[..., Path], flights: Callable[..., pa.Table]) -> None:
    table = flights(100)
    index = table.schema.get_field_index("is_late")
    assert_error(evaluate(examples=write_examples(table.slice(0, 0))), "is empty")
    assert_error(evaluate(examples=write_examples(table.slice(0, 1))), "is_late is 1 in all 1 rows")
    assert_error(evaluate(examples=write_examples(table.set_column(index, "is_late", pa.array([0] * 100)))), "is_late is 0 in all")
    assert_error(
        evaluate(examples=write_examples(table.set_column(index, "is_late", pa.array([0, None] * 50)))),
        "is_late",
    )
    assert_error(evaluate(examples=write_examples(table), parameters={"eval_split": "test"}), "no Split 'test'", "eval")
    assert_error(evaluate(examples=write_examples(table.drop_columns(["hour"]))), "hour")


def test_a_model_that_answers_nan_is_an_error(
    evaluate: Flights, write_examples: Callable[..., Path], flights: Callable[..., pa.Table]
) -> None:
    table = flights(100)
    distance = pa.array([float("nan")] + [1.0] * 99, pa.float32())
    examples = write_examples(table.set_column(table.schema.get_field_index("distance"), "distance", distance))
    assert_error(evaluate(examples=examples), "NaN for 1 of 100 rows")


def test_a_model_without_signatures(evaluate: Flights, tmp_path: Path) -> None:
    tf.saved_model.save(tf.Module(), str(tmp_path / "mute"))
    assert_error(evaluate(model=tmp_path / "mute"), "no signature", "none")
