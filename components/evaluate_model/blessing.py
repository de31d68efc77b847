"""The blessing: what was asked of a model, what was measured, and the verdict. It speaks of bytes: fingerprints, not names."""

import math
from collections.abc import Iterator
from typing import Any

from google.protobuf import json_format
from tensorflow_model_analysis.metrics import metric_specs, metric_types
from tensorflow_model_analysis.proto import config_pb2, metrics_for_slice_pb2, validation_result_pb2
from tensorflow_model_analysis.slicer import slicer_lib
from tensorflow_model_analysis.utils import model_util

from .results import Results, by_slice
from .slicing import SliceKey

BLESSED, NOT_BLESSED = "blessed", "not_blessed"
Value = float | None


def bless(eval_config: config_pb2.EvalConfig, results: Results, *, has_thresholds: bool, baseline_note: str) -> dict[str, Any]:
    """Gives the verdict on an evaluation.

    Args:
        eval_config: As evaluated: without a Baseline, its change thresholds are gone.
        results: What was found.
        has_thresholds: Whether the user's EvalConfig sets any threshold.
        baseline_note: Why there is no Baseline; empty if there is one.

    Returns:
        `verdict`, `reasons` (why it is not blessed, and what was left out), and `thresholds`: each with its slice, bounds, measured
        values, 95 % confidence interval and whether it passed. A value that is no finite number is null.
    """
    thresholds = list(measured_thresholds(eval_config, results))
    failed = [_failure(threshold) for threshold in thresholds if not threshold["passed"]]
    missing = [f"no rows in the slice {_spec_title(spec)}, which has a threshold" for spec in results.validation.missing_slices]
    passed = results.validation.validation_ok and has_thresholds and not failed
    reasons = failed + missing
    if not has_thresholds:
        reasons.append("eval_config sets no thresholds, so nothing can be blessed: add a threshold to a metric")
    elif not passed and not reasons:
        reasons.append("TFMA's validation failed in a comparison across slices; see the validations")
    if baseline_note:
        checked = "only value thresholds were checked" if thresholds else "change thresholds were not checked, and there are no others"
        reasons.append(f"no Baseline ({baseline_note}): {checked}")
    return {"verdict": BLESSED if passed else NOT_BLESSED, "reasons": reasons, "thresholds": thresholds}


def measured_thresholds(eval_config: config_pb2.EvalConfig, results: Results) -> Iterator[dict[str, Any]]:
    """Yields every threshold in every slice that it applies to, with what was measured there."""
    baseline = model_util.get_baseline_model_spec(eval_config)
    thresholds = metric_specs.metric_thresholds_from_metrics_specs(eval_config.metrics_specs, eval_config=eval_config)
    failures = _failures(results.validation)
    for key, figures in by_slice(results).items():
        values = metric_values(figures)
        for metric, limits in thresholds.items():
            if baseline is not None and metric.model_name == baseline.name:
                continue
            for spec, limit in limits:
                if isinstance(spec, config_pb2.CrossSlicingSpec):
                    continue  # TFMA's validation speaks for it
                if spec is None or slicer_lib.SingleSliceSpec(spec=spec).is_slice_applicable(key):
                    message = failures.get((key, metric.to_proto().SerializeToString(deterministic=True), limit.SerializeToString()))
                    yield _measured(key, metric, limit, values, baseline, message)


def metric_values(figures: metrics_for_slice_pb2.MetricsForSlice) -> dict[metric_types.MetricKey, tuple[Value, list[Value] | None]]:
    """Returns a slice's numbers: each metric's value and its 95 % confidence interval, if it has one."""
    values = {}
    for entry in figures.metric_keys_and_values:
        if entry.value.WhichOneof("type") == "double_value":
            interval = None
            if entry.HasField("confidence_interval"):
                bounds = entry.confidence_interval
                interval = [_finite(bounds.lower_bound.double_value.value), _finite(bounds.upper_bound.double_value.value)]
            values[metric_types.MetricKey.from_proto(entry.key)] = (_finite(entry.value.double_value.value), interval)
    return values


def slice_title(key: SliceKey) -> str:
    """Names a slice for people."""
    return ", ".join(f"{name}={value}" for name, value in key) or "overall"


def _failures(validation: validation_result_pb2.ValidationResult) -> dict[tuple[SliceKey, bytes, bytes], str]:
    found = {}
    for failed in validation.metric_validations_per_slice:
        if failed.HasField("cross_slice_key"):
            continue
        key = slicer_lib.deserialize_slice_key(failed.slice_key)
        for failure in failed.failures:
            limit = failure.metric_threshold
            limit = limit.value_threshold if limit.HasField("value_threshold") else limit.change_threshold
            metric = failure.metric_key.SerializeToString(deterministic=True)
            found[key, metric, limit.SerializeToString()] = " ".join(failure.message.split())
    return found


def _measured(
    key: SliceKey,
    metric: metric_types.MetricKey,
    limit: config_pb2.GenericValueThreshold | config_pb2.GenericChangeThreshold,
    values: dict[metric_types.MetricKey, tuple[Value, list[Value] | None]],
    baseline: config_pb2.ModelSpec | None,
    failure: str | None,
) -> dict[str, Any]:
    own = metric._replace(is_diff=False)
    candidate, interval = values.get(own, (None, None))
    other = values.get(own.make_baseline_key(baseline.name), (None, None))[0] if baseline is not None else None
    is_change = isinstance(limit, config_pb2.GenericChangeThreshold)
    difference, difference_interval = values.get(metric, (None, None)) if is_change else (None, None)
    return {
        "metric": metric.name,
        "sub_key": str(metric.sub_key) if metric.sub_key else None,
        "output": metric.output_name or None,
        "slice": dict(key),
        "kind": "change" if is_change else "value",
        "bounds": json_format.MessageToDict(limit, preserving_proto_field_name=True),
        "candidate": candidate,
        "baseline": other,
        "difference": difference,
        "confidence_interval": difference_interval if is_change else interval,
        "passed": failure is None,
        "message": failure or "",
    }


def bounds_text(threshold: dict[str, Any]) -> str:
    """Says what a threshold asks for, such as `>= 0.68` or `change >= -0.01`."""
    bounds = threshold["bounds"]
    if threshold["kind"] == "value":
        parts = [f">= {bounds['lower_bound']:g}"] if "lower_bound" in bounds else []
        return " and ".join(parts + ([f"<= {bounds['upper_bound']:g}"] if "upper_bound" in bounds else []))
    sign = "<=" if bounds.get("direction") == "LOWER_IS_BETTER" else ">="
    parts = [f"change {sign} {bounds['absolute']:+g}"] if "absolute" in bounds else []
    return " and ".join(parts + ([f"relative change {sign} {100 * bounds['relative']:+g} %"] if "relative" in bounds else []))


def _failure(threshold: dict[str, Any]) -> str:
    measured = threshold["difference"] if threshold["kind"] == "change" else threshold["candidate"]
    shown = "no number" if measured is None else f"{measured:.4g}"
    what = f"{threshold['metric']} {threshold['sub_key'] or ''}".strip()
    return f"{what} is {shown}{' off the Baseline' if threshold['kind'] == 'change' else ''} in {slice_title(tuple(threshold['slice'].items()))}, asked for {bounds_text(threshold)}"


def _spec_title(spec: config_pb2.SlicingSpec) -> str:
    return ", ".join([*spec.feature_keys, *(f"{name}={value}" for name, value in spec.feature_values.items())]) or "overall"


def _finite(value: float) -> Value:
    return value if math.isfinite(value) else None
