"""The numbers of an evaluation, out of TFMA's protos."""

import math

from tensorflow_model_analysis.proto import metrics_for_slice_pb2

from penstock.components.evidence.tfma import metric_types

from .slicing import SliceKey

Value = float | None
# A metric's value, and its 95 % confidence interval if it has one.
Measured = tuple[Value, list[Value] | None]


def metric_values(figures: metrics_for_slice_pb2.MetricsForSlice) -> dict[metric_types.MetricKey, Measured]:
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


def metric_title(key: metric_types.MetricKey) -> str:
    """Names a metric without its model: `auc`, `precision (classId:1)`, `price/mean_squared_error`."""
    parts = [str(part) for part in (key.sub_key, key.aggregation_type) if part]
    name = f"{key.output_name}/{key.name}" if key.output_name else key.name
    return f"{name} ({', '.join(parts)})" if parts else name


def _finite(value: float) -> Value:
    return value if math.isfinite(value) else None
