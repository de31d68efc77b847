"""The in-process engine's figures against TFMA's own engine: every metric, every slice, weights, ties, empty and one-class slices."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import tensorflow as tf
from apache_beam.options.pipeline_options import PipelineOptions
from tensorflow_model_analysis.api import model_eval_lib
from tensorflow_model_analysis.metrics import metric_types
from tensorflow_model_analysis.slicer import slicer_lib

from penstock.components.data.beam import Engine
from penstock.components.data.examples import read_batches, split_files
from penstock.components.data.tensors import Tensors, load_schema
from penstock.components.evaluate_model import beam_engine
from penstock.components.evaluate_model.rows import load, read_rows
from penstock.components.evidence.eval_config import parse_eval_config, with_defaults
from penstock.components.evidence.evaluation import engine
from penstock.components.evidence.evaluation.predict import Batch
from penstock.components.evidence.evaluation.results import Results, read_results
from penstock.components.protocol import Output

RUNNER = "--runner=apache_beam.runners.portability.fn_api_runner.FnApiRunner"
TOLERANCE = 1e-6
SLICES = """
slicing_specs {}
slicing_specs { feature_keys: ["carrier"] }
slicing_specs { feature_keys: ["month", "carrier"] }
slicing_specs { feature_keys: ["month"] feature_values { key: "carrier" value: "UA" } }
slicing_specs { feature_values { key: "month" value: "10" } }
slicing_specs { feature_values { key: "carrier" value: "none" } }
"""
BINARY = dict.fromkeys(
    [
        "AUC",
        "AUCPrecisionRecall",
        "BinaryAccuracy",
        "Precision",
        "Recall",
        "Specificity",
        "F1Score",
        "FallOut",
        "MissRate",
        "NegativePredictiveValue",
        "FalseDiscoveryRate",
        "FalseOmissionRate",
        "Prevalence",
        "PrevalenceThreshold",
        "ThreatScore",
        "BalancedAccuracy",
        "MatthewsCorrelationCoefficient",
        "FowlkesMallowsIndex",
        "Informedness",
        "Markedness",
        "PositiveLikelihoodRatio",
        "NegativeLikelihoodRatio",
        "DiagnosticOddsRatio",
        "PredictedPositiveRate",
        "TruePositives",
        "TrueNegatives",
        "FalsePositives",
        "FalseNegatives",
        "TPR",
        "TNR",
        "FPR",
        "FNR",
        "PPV",
        "NPV",
        "MaxRecall",
        "BinaryCrossEntropy",
        "Calibration",
        "MeanLabel",
        "MeanPrediction",
        "ExampleCount",
        "WeightedExampleCount",
        "CoefficientOfDiscrimination",
        "RelativeCoefficientOfDiscrimination",
        "SquaredPearsonCorrelation",
        "MeanSquaredError",
        "MeanAbsoluteError",
        "CalibrationPlot",
        "ConfusionMatrixPlot",
        "BinaryCrossentropy",
        "Hinge",
        "LogCoshError",
        "RootMeanSquaredError",
        "Accuracy",
    ],
    "",
) | {
    "SensitivityAtSpecificity": '"specificity": 0.6',
    "SpecificityAtSensitivity": '"sensitivity": 0.6',
    "PrecisionAtRecall": '"recall": 0.7',
    "RecallAtPrecision": '"precision": 0.7',
    "RecallAtFalsePositiveRate": '"false_positive_rate": 0.2',
    "ThresholdAtRecall": '"recall": 0.7',
    "ConfusionMatrixAtThresholds": '"thresholds": [0.2, 0.5, 0.8]',
}
VARIANTS = """
metrics { class_name: "AUC" config: '"name": "few", "num_thresholds": 20' }
metrics { class_name: "AUC" config: '"name": "minoring", "summation_method": "minoring"' }
metrics { class_name: "AUC" config: '"name": "pr_majoring", "curve": "PR", "summation_method": "majoring"' }
metrics { class_name: "Precision" config: '"name": "precisions", "thresholds": [0.7, 0.3]' }
metrics { class_name: "AUC" module: "tf_keras.metrics" config: '"name": "keras_auc"' }
"""
REGRESSION = [
    "MeanSquaredError",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredLogarithmicError",
    "RootMeanSquaredError",
    "SquaredPearsonCorrelation",
    "MeanLabel",
    "MeanPrediction",
    "Calibration",
    "ExampleCount",
    "WeightedExampleCount",
    "LogCoshError",
]


def spec_of(metrics: dict[str, str], more: str = "") -> str:
    listed = " ".join(f"metrics {{ class_name: '{name}' config: '{settings}' }}" for name, settings in metrics.items())
    return f"metrics_specs {{ {listed} {more} }}"


Compare = Callable[..., tuple[Results, Results]]


@pytest.fixture
def compare(models: Callable[..., Path], schema: Path, write_examples: Callable[[pa.Table], Path], tmp_path: Path) -> Compare:
    """Returns a function that evaluates two models with both engines and compares every figure of every slice."""

    def run(
        table: pa.Table, text: str, kind: str = "binary", signatures: tuple[str, ...] = ("serving_examples",)
    ) -> tuple[Results, Results]:
        eval_config = with_defaults(parse_eval_config(text + "\n"), has_baseline=True)
        examples = write_examples(table)
        of_the_baseline = tuple(name for name in signatures if name != "serving_examples") or ("serving_default",)
        paths = {"candidate": str(models(kind, 1.0, signatures)), "baseline": str(models(kind, 0.7, of_the_baseline))}
        described = load_schema(schema)
        predictors = {spec.name: load(spec, paths[spec.name]) for spec in eval_config.model_specs}
        transformed = {name: predictor.transformed for name, predictor in predictors.items()}
        rows, _ = read_rows(eval_config, examples, "eval", Tensors(described), predictors)
        ours = engine.evaluate(eval_config, rows, described, rubber_stamp=False)
        files = [str(file) for file in split_files(examples, "eval")]
        theirs = on_beam(tmp_path / "tfma", eval_config, files, paths, transformed, described)
        assert_same(ours, theirs)
        return ours, theirs

    return run


def on_beam(folder: Path, *asked: Any) -> Results:
    """Evaluates on Beam in this process."""
    with Engine([], "", Output("evaluation", str(folder), folder)) as beam:
        results, _ = beam_engine.evaluate(beam, *asked, folder, rubber_stamp=False)
        return results


def assert_same(ours: Results, theirs: Results) -> None:
    """Compares metrics, plots and validation of every slice, to the tolerance."""
    expected, found = by_slice(theirs), by_slice(ours)
    assert set(found) == set(expected)
    assert len(expected) > 1
    for key, metrics in expected.items():
        assert set(found[key]) == set(metrics), key
        for name, value in metrics.items():
            assert_close(found[key][name], value, f"{name} in {key}")
    assert ours.validation.validation_ok == theirs.validation.validation_ok
    failed = {slicer_lib.deserialize_slice_key(entry.slice_key) for entry in theirs.validation.metric_validations_per_slice}
    assert {slicer_lib.deserialize_slice_key(entry.slice_key) for entry in ours.validation.metric_validations_per_slice} == failed


def by_slice(results: Results) -> dict:
    found: dict = {}
    for entry in results.metrics:
        values = {metric_types.MetricKey.from_proto(value.key): value.value for value in entry.metric_keys_and_values}
        found[slicer_lib.deserialize_slice_key(entry.slice_key)] = values
    for entry in results.plots:
        plots = {("plot", metric_types.PlotKey.from_proto(value.key)): value.value for value in entry.plot_keys_and_values}
        found[slicer_lib.deserialize_slice_key(entry.slice_key)] |= plots
    return found


def assert_close(ours: object, theirs: object, where: str) -> None:
    """Compares two protos: the same fields, numbers to the tolerance."""
    if isinstance(theirs, float):
        assert (math.isnan(ours) and math.isnan(theirs)) or ours == pytest.approx(theirs, rel=TOLERANCE, abs=TOLERANCE), where
    elif hasattr(theirs, "ListFields"):
        fields = {field.name: value for field, value in theirs.ListFields()}
        mine = {field.name: value for field, value in ours.ListFields()}
        for name in fields.keys() | mine.keys():
            assert_close(getattr(ours, name), getattr(theirs, name), f"{where}.{name}")
    elif hasattr(theirs, "__len__") and not isinstance(theirs, (str, bytes)):
        assert len(ours) == len(theirs), where
        for mine, other in zip(ours, theirs, strict=True):
            assert_close(mine, other, where)
    else:
        assert ours == theirs, where


@pytest.mark.parametrize("weighted", [pytest.param("", marks=pytest.mark.slow), 'example_weight_key: "weight"'])
def test_binary(compare: Compare, flights: Callable[..., pa.Table], weighted: str) -> None:
    text = f'model_specs {{ label_key: "is_late" {weighted} }}' + SLICES + spec_of(BINARY, VARIANTS)
    ours, _ = compare(flights(200), text)
    late = by_slice(ours)[(("carrier", "ZZ"),)]  # a slice of one class
    assert late


@pytest.mark.parametrize("weighted", ["", pytest.param('example_weight_key: "weight"', marks=pytest.mark.slow)])
def test_regression(compare: Compare, flights: Callable[..., pa.Table], weighted: str) -> None:
    text = f'model_specs {{ label_key: "delay" {weighted} }}' + SLICES + spec_of(dict.fromkeys(REGRESSION, ""))
    compare(flights(200), text, "regression")


def test_classes(compare: Compare, flights: Callable[..., pa.Table]) -> None:
    sparse = dict.fromkeys(
        ("SparseCategoricalAccuracy", "SparseCategoricalCrossentropy", "MultiClassConfusionMatrixPlot", "ExampleCount"), ""
    )
    sparse |= {"MultiClassConfusionMatrixAtThresholds": '"thresholds": [0.4, 0.6]'}
    binary = dict.fromkeys(("AUC", "Precision", "Recall", "F1Score", "Calibration", "MeanLabel"), "")
    text = f"""
    model_specs {{ label_key: "grade" example_weight_key: "weight" }}
    {SLICES}
    {spec_of(sparse)}
    {spec_of(binary, "binarize { class_ids { values: [0, 2] } }")}
    {spec_of(binary, "aggregate { micro_average: true }")}
    {spec_of(binary, "aggregate { macro_average: true class_weights { key: 0 value: 1 } class_weights { key: 1 value: 1 } class_weights { key: 2 value: 2 } }")}
    {spec_of(binary, "aggregate { weighted_macro_average: true class_weights { key: 0 value: 1 } class_weights { key: 1 value: 1 } }")}
    """
    compare(flights(200), text, "classes")


def test_two_outputs(compare: Compare, flights: Callable[..., pa.Table]) -> None:
    text = """
    model_specs { label_keys { key: "late" value: "is_late" } label_keys { key: "minutes" value: "delay" }
                  example_weight_keys { key: "late" value: "weight" } }
    """
    late = spec_of(
        dict.fromkeys(("AUC", "BinaryAccuracy", "Calibration", "BinaryCrossentropy", "WeightedExampleCount"), ""), 'output_names: "late"'
    )
    minutes = spec_of(dict.fromkeys(("MeanSquaredError", "RootMeanSquaredError"), ""), 'output_names: "minutes"')
    compare(flights(200), text + SLICES + late + minutes, "two")


def test_thresholds_fail_where_tfmas_do(compare: Compare, flights: Callable[..., pa.Table]) -> None:
    metrics = """
    metrics_specs {
      metrics { class_name: "AUC" threshold {
        value_threshold { lower_bound { value: 0.7 } }
        change_threshold { direction: HIGHER_IS_BETTER absolute { value: -1e-3 } relative { value: -0.05 } } } }
      metrics { class_name: "Precision" per_slice_thresholds {
        slicing_specs { feature_keys: ["carrier"] } threshold { value_threshold { lower_bound { value: 0.6 } upper_bound { value: 0.9 } } } } }
      metrics { class_name: "BinaryCrossentropy" threshold { change_threshold { direction: LOWER_IS_BETTER relative { value: 0.0 } } } }
    }
    options { min_slice_size { value: 20 } }
    """
    _, theirs = compare(flights(200), 'model_specs { label_key: "is_late" }' + SLICES + metrics)
    assert theirs.validation.metric_validations_per_slice


def test_a_single_row(compare: Compare, flights: Callable[..., pa.Table]) -> None:
    compare(flights(10).slice(5, 1), 'model_specs { label_key: "is_late" }' + SLICES.replace("none", "AA") + spec_of(BINARY))


@pytest.mark.parametrize(
    ("spec", "slices"),
    [
        pytest.param('label_key: "is_late" signature_name: "serving_examples"', SLICES, marks=pytest.mark.slow),
        (
            'label_key: "on_time_xf" example_weight_key: "weight" signature_name: "serving_examples" preprocessing_function_names: "transform_features"',
            SLICES + 'slicing_specs { feature_keys: ["half", "carrier"] }',
        ),
    ],
)
def test_tfmas_own_run_agrees(
    models: Callable[..., Path],
    schema: Path,
    write_examples: Callable[[pa.Table], Path],
    flights: Callable[..., pa.Table],
    tmp_path: Path,
    spec: str,
    slices: str,
) -> None:
    """The whole of TFMA, its readers and its inference included, on the same Examples as TFRecords."""
    text = f'model_specs {{ {spec} model_type: "tf_generic" }}{slices}'
    eval_config = with_defaults(
        parse_eval_config(text + spec_of(dict.fromkeys(("AUC", "BinaryAccuracy", "ExampleCount"), ""))), has_baseline=True
    )
    examples, described = write_examples(flights(200)), load_schema(schema)
    signatures = ("serving_examples", "transform_features")
    paths = {"candidate": str(models("binary", 1.0, signatures)), "baseline": str(models("binary", 0.7, signatures))}
    with tf.io.TFRecordWriter(str(tmp_path / "examples.tfrecord")) as file:
        for batch in read_batches(examples, "eval"):
            for record in Batch(batch, Tensors(described)).serialized:
                file.write(record)
    shared = [model_eval_lib.default_eval_shared_model(path, model_name=name, eval_config=eval_config) for name, path in paths.items()]
    model_eval_lib.run_model_analysis(
        shared,
        eval_config,
        str(tmp_path / "examples.tfrecord"),
        output_path=str(tmp_path / "tfma"),
        pipeline_options=PipelineOptions([RUNNER]),
    )
    predictors = {spec.name: load(spec, paths[spec.name]) for spec in eval_config.model_specs}
    rows, _ = read_rows(eval_config, examples, "eval", Tensors(described), predictors)
    theirs = read_results(tmp_path / "tfma")
    assert_same(engine.evaluate(eval_config, rows, described, rubber_stamp=False), theirs)
    transformed = {name: predictor.transformed for name, predictor in predictors.items()}
    files = [str(file) for file in split_files(examples, "eval")]
    assert_same(on_beam(tmp_path / "beam", eval_config, files, paths, transformed, described), theirs)
