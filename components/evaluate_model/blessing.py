"""The blessing: thresholds, measured values and the verdict. It identifies models by their fingerprints, not by names."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from google.protobuf import json_format
from tensorflow_model_analysis.proto import config_pb2, validation_result_pb2

from penstock.components.evidence.evaluation.figures import Measured, metric_values, slice_title
from penstock.components.evidence.evaluation.results import Results, by_cross_slice, by_slice
from penstock.components.evidence.evaluation.slicing import CrossSliceKey, SliceKey
from penstock.components.evidence.tfma import metric_specs, metric_types, model_util, slicer_lib

BLESSED, NOT_BLESSED = "blessed", "not_blessed"
_NO_ROWS = "no rows"


def bless(
    asked: config_pb2.EvalConfig, eval_config: config_pb2.EvalConfig, results: Results, *, baseline_note: str, rubber_stamp: bool
) -> dict[str, Any]:
    """Gives the verdict on an evaluation: blessed is what has met at least one threshold, and every other that there was.

    Args:
        asked: What the user asks of a model that has a Baseline.
        eval_config: As evaluated: without a Baseline, its change thresholds are gone.
        results: What was found.
        baseline_note: Why there is no Baseline; empty if there is one.
        rubber_stamp: Whether a model without a Baseline is blessed although nothing was measured, for there are change thresholds only.

    Returns:
        `verdict`, `reasons` (why it is not blessed), `notes` (what was left out), `rubber_stamp` (whether it is blessed and nothing was
        measured) and `thresholds`: each with its slice, bounds, measured values, 95 % confidence interval and whether it passed; null
        where it was not measured for want of a Baseline. A value that is not a finite number is null.
    """
    measured = {wanted.identity: list(entries) for wanted, entries in _measured_thresholds(eval_config, results)}
    thresholds = []
    for wanted in _wanted_thresholds(asked):
        thresholds += measured.get(wanted.identity) or [wanted.unmeasured(excused=bool(baseline_note) and wanted.is_change)]
    failed = [threshold for threshold in thresholds if threshold["passed"] is False]
    is_measured = any(threshold["passed"] for threshold in thresholds)
    is_stamped = rubber_stamp and bool(thresholds) and bool(baseline_note) and not is_measured
    is_valid = _is_valid(results.validation)
    passed = is_valid and not failed and (is_measured or is_stamped)
    reasons = [_failure(threshold) for threshold in failed]
    if not thresholds:
        reasons.append("eval_config has no thresholds, so no model can be blessed: add a threshold to a metric")
    elif not is_valid and not failed:
        reasons.append("TFMA's validation failed; see the validations")
    elif not failed and not is_measured:
        stamped = "rubber_stamp blesses the model anyway" if passed else "add a value threshold, or set rubber_stamp"
        reasons.append(f"nothing was measured, because all thresholds are changes from a Baseline: {stamped}")
    checked = "only value thresholds were checked" if is_measured or failed else "change thresholds were not checked"
    notes = [f"no Baseline ({baseline_note}): {checked}"] if baseline_note else []
    verdict = BLESSED if passed else NOT_BLESSED
    return {"verdict": verdict, "reasons": reasons, "notes": notes, "rubber_stamp": passed and not is_measured, "thresholds": thresholds}


@dataclass(frozen=True)
class _Wanted:
    """A threshold for a metric of the candidate, in the slices of a spec; None: in every slice."""

    metric: metric_types.MetricKey
    spec: config_pb2.SlicingSpec | config_pb2.CrossSlicingSpec | None
    limit: config_pb2.GenericValueThreshold | config_pb2.GenericChangeThreshold

    @property
    def identity(self) -> tuple[bytes, ...]:
        """The same with a Baseline and without, when the candidate has no name."""
        metric = self.metric._replace(model_name="").to_proto()
        kinds = type(self.spec).__name__.encode(), type(self.limit).__name__.encode()
        return *kinds, *(part.SerializeToString(deterministic=True) if part else b"" for part in (metric, self.spec, self.limit))

    @property
    def is_change(self) -> bool:
        return isinstance(self.limit, config_pb2.GenericChangeThreshold)

    def applies_to(self, key: SliceKey | CrossSliceKey, is_cross: bool) -> bool:
        if isinstance(self.spec, config_pb2.CrossSlicingSpec):
            return is_cross and slicer_lib.is_cross_slice_applicable(key, self.spec)
        return not is_cross and (self.spec is None or slicer_lib.SingleSliceSpec(spec=self.spec).is_slice_applicable(key))

    def unmeasured(self, *, excused: bool) -> dict[str, Any]:
        """Describes a threshold for which there is no slice, or no Baseline."""
        message = "no Baseline" if excused else _NO_ROWS
        return _described(self, _spec_slice(self.spec), {}, None, message) | {"passed": None if excused else False}


def _wanted_thresholds(eval_config: config_pb2.EvalConfig) -> list[_Wanted]:
    baseline = model_util.get_baseline_model_spec(eval_config)
    thresholds = metric_specs.metric_thresholds_from_metrics_specs(eval_config.metrics_specs, eval_config=eval_config)
    return [
        _Wanted(metric, spec, limit)
        for metric, limits in thresholds.items()
        if baseline is None or metric.model_name != baseline.name
        for spec, limit in limits
    ]


def _measured_thresholds(eval_config: config_pb2.EvalConfig, results: Results) -> Iterator[tuple[_Wanted, list[dict[str, Any]]]]:
    """Yields every threshold with what was measured in each slice that it applies to."""
    baseline = model_util.get_baseline_model_spec(eval_config)
    failures = _failures(results.validation)
    slices: list[tuple[SliceKey | CrossSliceKey, bool, dict[str, Any], dict[metric_types.MetricKey, Measured]]] = []
    slices += [(key, False, dict(key), metric_values(figures)) for key, figures in by_slice(results).items()]
    slices += [(key, True, _cross_slice(key), metric_values(figures)) for key, figures in by_cross_slice(results).items()]
    for wanted in _wanted_thresholds(eval_config):
        failure = wanted.metric.to_proto().SerializeToString(deterministic=True), wanted.limit.SerializeToString()
        yield (
            wanted,
            [
                _described(wanted, where, values, baseline, failures.get((key, *failure)))
                for key, is_cross, where, values in slices
                if wanted.applies_to(key, is_cross)
            ],
        )


def _is_valid(validation: validation_result_pb2.ValidationResult) -> bool:
    """Whether TFMA found no fault; TFMA 0.52 looks for every comparison across slices without success, which `unmeasured` tells of."""
    return validation.validation_ok or not (validation.metric_validations_per_slice or validation.missing_slices)


def _failures(validation: validation_result_pb2.ValidationResult) -> dict[tuple[SliceKey | CrossSliceKey, bytes, bytes], str]:
    found = {}
    for failed in validation.metric_validations_per_slice:
        is_cross = failed.HasField("cross_slice_key")
        key = (
            slicer_lib.deserialize_cross_slice_key(failed.cross_slice_key)
            if is_cross
            else slicer_lib.deserialize_slice_key(failed.slice_key)
        )
        for failure in failed.failures:
            limit = failure.metric_threshold
            limit = limit.value_threshold if limit.HasField("value_threshold") else limit.change_threshold
            metric = failure.metric_key.SerializeToString(deterministic=True)
            found[key, metric, limit.SerializeToString()] = " ".join(failure.message.split())
    return found


def _described(
    wanted: _Wanted,
    where: dict[str, Any],
    values: dict[metric_types.MetricKey, Measured],
    baseline: config_pb2.ModelSpec | None,
    failure: str | None,
) -> dict[str, Any]:
    """Describes a threshold in a slice. What is not a finite number has not passed, whatever TFMA says of it."""
    own = wanted.metric._replace(is_diff=False)
    candidate, interval = values.get(own, (None, None))
    other = values.get(own.make_baseline_key(baseline.name), (None, None))[0] if baseline is not None else None
    difference, difference_interval = values.get(wanted.metric, (None, None)) if wanted.is_change else (None, None)
    is_measured = None not in ((candidate, other, difference) if wanted.is_change else (candidate,))
    return {
        "metric": wanted.metric.name,
        "sub_key": str(wanted.metric.sub_key) if wanted.metric.sub_key else None,
        "output": wanted.metric.output_name or None,
        "slice": where,
        "kind": "change" if wanted.is_change else "value",
        "bounds": json_format.MessageToDict(wanted.limit, preserving_proto_field_name=True),
        "candidate": candidate,
        "baseline": other,
        "difference": difference,
        "confidence_interval": difference_interval if wanted.is_change else interval,
        "passed": is_measured and failure is None,
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
    shown = f"{measured:.4g}" if measured is not None else "not measured (no rows)" if threshold["message"] == _NO_ROWS else "no number"
    what = f"{threshold['metric']} {threshold['sub_key'] or ''}".strip()
    return f"{what} is {shown}{' from the Baseline' if threshold['kind'] == 'change' else ''} in {slice_title(tuple(threshold['slice'].items()))}, but the threshold is {bounds_text(threshold)}"


def _cross_slice(key: CrossSliceKey) -> dict[str, Any]:
    return {"slice": slice_title(key[1]), "baseline_slice": slice_title(key[0])}


def _spec_slice(spec: config_pb2.SlicingSpec | config_pb2.CrossSlicingSpec | None) -> dict[str, Any]:
    """Names the slices of a spec, of which there are none."""
    if isinstance(spec, config_pb2.CrossSlicingSpec):
        compared = [slice_title(tuple(_spec_slice(other).items())) for other in spec.slicing_specs]
        return {"slice": " or ".join(compared), "baseline_slice": slice_title(tuple(_spec_slice(spec.baseline_spec).items()))}
    if spec is None:
        return {}
    sql = {"slice_keys_sql": spec.slice_keys_sql} if spec.slice_keys_sql else {}
    return dict.fromkeys(spec.feature_keys, "*") | dict(spec.feature_values) | sql
