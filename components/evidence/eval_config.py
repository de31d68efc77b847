"""TFMA's EvalConfig: read, checked, and made ready for a candidate with or without a Baseline."""

import difflib
import math
from collections.abc import Collection, Iterator
from pathlib import Path

import pyarrow as pa
from google.protobuf import json_format, text_format
from tensorflow_model_analysis.proto import config_pb2

from penstock.components.data.examples import count_rows, read_batches, read_schema
from penstock.components.data.source import read_text
from penstock.components.protocol.errors import TaskError

from .tfma import config_util, confusion_matrix_metrics, metric_specs, metric_types, rouge, tf_keras

# All of them are called by a signature.
_MODEL_TYPES = ("", "tf_keras", "tf_generic", "tf_estimator")


def parse_eval_config(value: str) -> config_pb2.EvalConfig:
    """Reads an EvalConfig.

    Args:
        value: A text proto or JSON, as `data.read_text` takes it.

    Raises:
        TaskError: It does not parse, or names no label, no metrics, or a metric that does not exist.
    """
    text = read_text(value, "eval_config")
    config = config_pb2.EvalConfig()
    try:
        if text.lstrip().startswith("{"):
            json_format.Parse(text, config)
        else:
            text_format.Parse(text, config)
    except (text_format.ParseError, json_format.ParseError, RecursionError) as error:
        raise TaskError(f"eval_config is not a valid EvalConfig of TFMA (line:column {error}); correct it there") from error
    if not config.metrics_specs or not any(spec.metrics for spec in config.metrics_specs):
        raise TaskError("eval_config has no metrics: add metrics_specs { metrics { class_name: ... } }")
    if not all(spec.label_key or spec.label_keys for spec in config.model_specs) or not config.model_specs:
        raise TaskError("eval_config has no label: add label_key to its model_specs")
    if sum(not spec.is_baseline for spec in config.model_specs) != 1 or len(config.model_specs) > 2:
        raise TaskError("eval_config must describe one candidate, and at most one Baseline (is_baseline: true); correct its model_specs")
    _refuse_unsupported(config)
    for spec in config.metrics_specs:
        _move_thresholds(spec)
        for metric_config in spec.metrics:
            _check_slices(metric_config)
    for metric, threshold in _thresholds(config):
        _check_threshold(metric, threshold)
    try:
        config_util.verify_eval_config(config)
        completed = with_defaults(config, has_baseline=True)
        metric_specs.to_computations(list(completed.metrics_specs), eval_config=completed)
    except (ValueError, NotImplementedError) as error:  # in TFMA's words
        raise TaskError(f"eval_config: {str(error).splitlines()[0]}; correct it") from error
    return config


def _refuse_unsupported(config: config_pb2.EvalConfig) -> None:
    """Refuses, by name, what TFMA does and this component does not; the component's page has the list."""
    names = {spec.name for spec in config.model_specs}
    for spec in config.model_specs:
        if spec.model_type not in _MODEL_TYPES:
            raise TaskError(
                f"eval_config: model_type {spec.model_type!r} is not supported, because models are called by a signature of a SavedModel; "
                f"remove it, or give {' or '.join(filter(None, _MODEL_TYPES))}"
            )
        if of_tfma := [name for name in spec.preprocessing_function_names if "@" in name]:
            raise TaskError(
                f"eval_config: preprocessing_function_names has {of_tfma[0]!r}, which is a function of TFMA and not supported; export a "
                "signature of the model instead"
            )
    if unknown := [name for spec in config.metrics_specs for name in spec.model_names if len(names) > 1 and name not in names]:
        raise TaskError(
            f"eval_config: model_names has {unknown[0]!r}, which is not a name in model_specs ({', '.join(sorted(names))}); correct it"
        )
    if config.options.include_default_metrics.value:
        raise TaskError(
            "eval_config: include_default_metrics is not supported, because a SavedModel does not contain the metrics of Keras 3; remove "
            "it, and list the metrics in metrics_specs"
        )
    if config.options.disabled_outputs.values:
        raise TaskError("eval_config: disabled_outputs is not supported, because the blessing needs every output; remove it")


def has_thresholds(config: config_pb2.EvalConfig) -> bool:
    """Says whether an EvalConfig sets any threshold."""
    return any(True for _ in _thresholds(config))


def _thresholds(config: config_pb2.EvalConfig) -> Iterator[tuple[str, config_pb2.MetricThreshold]]:
    """Yields every threshold with its metric's class."""
    for spec in config.metrics_specs:
        for metric in spec.metrics:
            if metric.HasField("threshold"):
                yield metric.class_name, metric.threshold
            for sliced in (*metric.per_slice_thresholds, *metric.cross_slice_thresholds):
                yield metric.class_name, sliced.threshold


def _check_slices(metric: config_pb2.MetricConfig) -> None:
    """Refuses a threshold for slices that names none: no model would be measured by it."""
    if any(not sliced.slicing_specs for sliced in metric.per_slice_thresholds):
        raise TaskError(
            f"eval_config: a per_slice_threshold of {metric.class_name} has no slice; add slicing_specs, with {{}} for all rows"
        )
    if any(not sliced.cross_slicing_specs for sliced in metric.cross_slice_thresholds):
        raise TaskError(f"eval_config: a cross_slice_threshold of {metric.class_name} has no slices; add cross_slicing_specs")


def _check_threshold(metric: str, threshold: config_pb2.MetricThreshold) -> None:
    """Refuses a threshold that any model would pass, or that has no sense of better."""
    value, change = threshold.value_threshold, threshold.change_threshold
    has_value, has_change = threshold.HasField("value_threshold"), threshold.HasField("change_threshold")
    unbound = has_value and not (value.HasField("lower_bound") or value.HasField("upper_bound"))
    unbound |= has_change and not (change.HasField("absolute") or change.HasField("relative"))
    bounds = [value.lower_bound.value, value.upper_bound.value, change.absolute.value, change.relative.value]
    if not all(map(math.isfinite, bounds)):
        raise TaskError(f"eval_config: a threshold of {metric} has a bound that is not a finite number; correct it")
    if unbound or not (has_value or has_change):
        raise TaskError(f"eval_config: a threshold of {metric} has no bound; set lower_bound, upper_bound, absolute or relative")
    if has_change and not change.direction:
        raise TaskError(f"eval_config: the change threshold of {metric} has no direction; set HIGHER_IS_BETTER or LOWER_IS_BETTER")


def _class_metrics(config: config_pb2.EvalConfig) -> list[str]:
    """Names the metrics that mean something only where labels differ: those of classifiers."""
    kinds = (confusion_matrix_metrics.ConfusionMatrixMetricBase, tf_keras.metrics.AUC, tf_keras.metrics.SensitivityAtSpecificity)
    metrics = [_metric(metric) for spec in config.metrics_specs for metric in spec.metrics]
    return [metric.name for metric in metrics if isinstance(metric, kinds) or "entropy" in type(metric).__name__.lower()]


def spec_columns(spec: config_pb2.ModelSpec) -> set[str]:
    """Returns the label and weight columns that a model's spec names."""
    names = {spec.label_key, spec.example_weight_key, *spec.label_keys.values(), *spec.example_weight_keys.values()}
    return names - {""}


def slicing_columns(eval_config: config_pb2.EvalConfig) -> set[str]:
    """Returns the columns that slices are cut by; those in SQL are TFMA's own business."""
    crossed = [spec for cross in eval_config.cross_slicing_specs for spec in (cross.baseline_spec, *cross.slicing_specs)]
    return {name for spec in (*eval_config.slicing_specs, *crossed) for name in (*spec.feature_keys, *spec.feature_values)}


def require_columns(names: Collection[str], examples: Path, split: str, made: Collection[str] = ()) -> None:
    """Makes sure that a Split has rows and some columns.

    Args:
        names: The columns that an EvalConfig names.
        examples: The Examples.
        split: The Split.
        made: What the models' preprocessing functions make beside its columns; for the message.

    Raises:
        TaskError: It lacks one, or has no rows.
    """
    has = read_schema(examples, split).names
    if missing := sorted(set(names) - set(has)):
        and_made = f", and preprocessing functions make: {', '.join(sorted(made))}" if made else ""
        raise TaskError(
            f"eval_config names the column(s) {', '.join(missing)}, which Split {split!r} of the Examples lacks (it has: {', '.join(has)}{and_made})"
        )
    if not count_rows(examples, split):
        raise TaskError(f"Split {split!r} of the Examples at {examples} is empty; provide rows to evaluate")


def check_labels(config: config_pb2.EvalConfig, examples: Path, split: str) -> None:
    """Checks that no label of the Examples is the same in every row, where there are metrics of classifiers.

    Raises:
        TaskError: One is.
    """
    metrics = _class_metrics(config)
    keys = {key for spec in config.model_specs for key in [spec.label_key, *spec.label_keys.values()] if key} if metrics else set()
    for key in sorted(keys & set(read_schema(examples, split).names)):
        column = pa.Table.from_batches(read_batches(examples, split, [key])).column(key)
        if not pa.types.is_nested(column.type) and len(values := column.unique()) == 1:
            raise TaskError(
                f"the label {key} is {values[0]} in all {len(column):,} rows of Split {split!r}: {', '.join(metrics)} cannot be computed;"
                " evaluate on rows of every class"
            )


def with_defaults(config: config_pb2.EvalConfig, *, has_baseline: bool) -> config_pb2.EvalConfig:
    """Fills in TFMA's defaults; without a Baseline, change thresholds are left out (TFX's "rubber stamp").

    Confidence intervals are Poisson bootstrap unless the method is set: TFMA's own default, the jackknife, knows no vectorized form.

    Returns:
        A new EvalConfig whose models are `candidate` and `baseline`, or one model without a name.
    """
    updated = config_pb2.EvalConfig()
    updated.CopyFrom(config)
    if len(updated.model_specs) == 1:  # a name of its own would keep TFMA from adding the Baseline's spec
        updated.model_specs[0].ClearField("name")
        for spec in updated.metrics_specs:
            spec.ClearField("model_names")
    if updated.options.compute_confidence_intervals.value and not updated.options.confidence_intervals.method:
        updated.options.confidence_intervals.method = config_pb2.ConfidenceIntervalOptions.POISSON_BOOTSTRAP
    return config_util.update_eval_config_with_defaults(updated, has_baseline=has_baseline, rubber_stamp=not has_baseline)


def _move_thresholds(spec: config_pb2.MetricsSpec) -> None:
    """Moves thresholds that a MetricsSpec sets by name to the metrics of that name.

    TFMA keeps the former for metrics saved in a model, and would not find them among those it computes.
    """
    metrics = {_metric(metric).name: metric for metric in spec.metrics}
    for thresholds in (spec.thresholds, spec.per_slice_thresholds, spec.cross_slice_thresholds):
        for name in list(thresholds):
            if name not in metrics:
                raise TaskError(
                    f"eval_config sets a threshold for the metric {name!r}, which is not among its metrics ({', '.join(metrics)}); add the metric, or correct the name"
                )
    for name, threshold in spec.thresholds.items():
        metrics[name].threshold.MergeFrom(threshold)
    for name, per_slice in spec.per_slice_thresholds.items():
        metrics[name].per_slice_thresholds.extend(per_slice.thresholds)
    for name, cross_slice in spec.cross_slice_thresholds.items():
        metrics[name].cross_slice_thresholds.extend(cross_slice.thresholds)
    for field in ("thresholds", "per_slice_thresholds", "cross_slice_thresholds"):
        spec.ClearField(field)


def _metric(config: config_pb2.MetricConfig) -> metric_types.Metric:
    if "rouge" in config.class_name.lower():
        metric_types.register_metric(rouge.Rouge)  # TFMA's module does so when it is loaded, and loading is put off (protocol/lazy.py)
    try:
        return metric_specs.metric_instance(config)
    except Exception as error:  # whatever a metric's module, class or arguments make it raise
        known = [*metric_types.registered_metrics(), *(name for name in dir(tf_keras.metrics) if name[0].isupper())]
        if config.class_name in known or config.module:
            raise TaskError(
                f"eval_config: the metric {config.class_name} cannot be created from config {config.config or '{}'} "
                f"({str(error).splitlines()[0]}); correct it"
            ) from error
        near = difflib.get_close_matches(config.class_name, set(known), n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else "use a class of tfma.metrics or tf.keras.metrics"
        raise TaskError(f"eval_config: there is no metric {config.class_name!r}; {hint}") from error
