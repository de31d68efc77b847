"""How good a model is where labels have come: the EvalConfig's metrics by evaluate_model's engine, against the evaluation that blessed it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from tensorflow_metadata.proto.v0 import schema_pb2
from tensorflow_model_analysis.proto import config_pb2

from penstock.components.evidence.eval_config import slicing_columns, spec_columns, with_defaults
from penstock.components.evidence.evaluation import engine
from penstock.components.evidence.evaluation.figures import Measured, metric_title, metric_values, slice_title
from penstock.components.evidence.evaluation.results import Results, by_slice, read_results
from penstock.components.evidence.evaluation.rows import Rows
from penstock.components.evidence.evaluation.slicing import SliceKey
from penstock.components.evidence.evaluation.unsupported import NotVectorized
from penstock.components.evidence.tfma import metric_specs, slicer_lib
from penstock.components.protocol import TaskError

from .config import MonitoringConfig
from .labels import LABEL, LabeledRows

_MODEL = ""
Figures = dict[SliceKey, dict[str, Measured]]


@dataclass(frozen=True)
class _Asked:
    """A threshold of the EvalConfig: which way is better, and what must be kept."""

    metric: str
    spec: config_pb2.SlicingSpec | None
    higher_is_better: bool
    bound: float | None
    tolerance: float

    def is_worse(self, found: Measured, bound: float) -> bool:
        """Tells whether a figure is worse than a bound by more than chance: the better end of its interval is."""
        return max(_ends(found)) < bound if self.higher_is_better else min(_ends(found)) > bound


def needed_columns(eval_config: config_pb2.EvalConfig, label_key: str) -> set[str]:
    """Returns the features that the metrics need: those that slices are cut by, and weights."""
    return (slicing_columns(eval_config) | spec_columns(_spec(eval_config))) - {label_key}


def label_key_of(eval_config: config_pb2.EvalConfig) -> str:
    """Returns the label that the EvalConfig names.

    Raises:
        TaskError: It names one for each output.
    """
    spec = _spec(eval_config)
    if not spec.label_key:
        raise TaskError("eval_config has label_keys, but only one label can be joined to the log; set label_key instead")
    return spec.label_key


def read_evaluation(folder: Path) -> Figures:
    """Reads what evaluate_model found of the model that it blessed.

    Raises:
        TaskError: Its metrics are gone or damaged.
    """
    try:
        found = figures_of(read_results(folder), is_evaluation=True)
    except Exception as error:  # TFMA, TensorFlow and protobuf have exceptions of their own
        raise TaskError(
            f"the metrics of the Evaluation at {folder} cannot be read ({_one_line(error)}); evaluate the model again"
        ) from error
    if not found.get(()):
        raise TaskError(f"the Evaluation at {folder} has no metrics of all rows; evaluate the model again")
    return found


def _one_line(error: Exception) -> str:
    return f"{type(error).__name__}{': ' if str(error) else ''}{' '.join(str(error).split())[:160]}"


def measure(
    eval_config: config_pb2.EvalConfig,
    labeled: LabeledRows,
    fingerprint: str,
    before: Figures | None,
    schema: schema_pb2.Schema | None,
    config: MonitoringConfig,
) -> dict[str, Any]:
    """Measures a model.

    Args:
        eval_config: What to measure.
        labeled: The rows that have labels.
        fingerprint: The model.
        before: What the evaluation that blessed it found; None where none was given.
        schema: The Schema, for the types of slices.
        config: How many labels are needed.

    Returns:
        `rows` with labels and their `share`; `metrics`, each with its value, interval and what the evaluation had; `slices`; `reasons`
        why it is degraded; and `unknown`, what could not be computed.
    """
    table = labeled.of(fingerprint)
    total = labeled.rows.get(fingerprint, 0)
    found: dict[str, Any] = {"rows": table.num_rows, "share": table.num_rows / total if total else 0.0, "metrics": {}, "slices": {}}
    if not table.num_rows:
        ids = f"the log has {labeled.log_id!r:.60}" if labeled.log_id else "the log has no ids"
        return found | {"reasons": [], "unknown": [f"no label has an id of the log: {ids}, the labels have {labeled.label_id!r:.60}"]}
    if table.num_rows < config.min_labels:
        return found | {"reasons": [], "unknown": [f"{table.num_rows:,} rows with labels are fewer than min_labels, {config.min_labels:,}"]}
    doubts = []
    if found["share"] < config.min_labeled_share:
        doubts.append(f"labels of {found['share']:.1%} of the rows have come, fewer than min_labeled_share, {config.min_labeled_share:.1%}")
    if labeled.early:
        doubts.append(f"{labeled.early:,} labels are older than their rows: the clocks of log and labels differ; correct one")
    try:
        now = figures_of(evaluated(eval_config, table, schema))
    except NotVectorized as reason:
        return found | {"reasons": [], "unknown": [f"eval_config asks for {reason}, which is computed on Beam alone"]}
    then = before or {}
    asked = list(asked_of(eval_config))
    overall = {title: _described(title, at, then.get((), {}), asked) for title, at in now.get((), {}).items()}
    slices = {
        slice_title(key): {title: _described(title, at, then.get(key, {}), []) for title, at in figures.items()}
        for key, figures in now.items()
        if key
    }
    unknown = doubts + [
        f"{one.metric} could not be computed on the rows with labels"
        for one in asked
        if now.get((), {}).get(one.metric, (None, None))[0] is None
    ]
    if before is not None:
        unknown += _not_evaluated(asked, then)
    reasons = [*_bounds(asked, now), *_changes(asked, now, then)]
    return found | {"metrics": overall, "slices": slices, "reasons": reasons, "unknown": list(dict.fromkeys(unknown))}


def _spec(eval_config: config_pb2.EvalConfig) -> config_pb2.ModelSpec:
    return next(spec for spec in eval_config.model_specs if not spec.is_baseline)


def evaluated(
    eval_config: config_pb2.EvalConfig, table: pa.Table, schema: schema_pb2.Schema | None, predictions: np.ndarray | None = None
) -> Results:
    """Computes the metrics on rows that have labels.

    Args:
        eval_config: Which.
        table: The rows, with the logged predictions.
        schema: The Schema, for the types of slices.
        predictions: Another model's predictions of the rows, instead of the logged ones.

    Raises:
        NotVectorized: A metric is computed on Beam alone.
        TaskError: A column is missing, or labels or predictions cannot be used.
    """
    asked = config_pb2.EvalConfig()
    asked.CopyFrom(eval_config)
    asked.options.compute_confidence_intervals.value = True
    asked = with_defaults(asked, has_baseline=False)
    spec = asked.model_specs[0]
    columns = {spec.label_key: table.column(LABEL).combine_chunks()}
    for name in needed_columns(eval_config, spec.label_key):
        if name not in table.column_names:
            raise TaskError(f"eval_config names the column {name}, which the log lacks; log it, or leave it out of eval_config")
        columns[name] = whole(table.column(name).combine_chunks())
    rows = Rows(
        columns,
        {_MODEL: {}},
        {_MODEL: {"": _predictions(table, spec) if predictions is None else predictions}},
        {_MODEL: spec},
        table.num_rows,
    )
    _require_like_label(rows.label(_MODEL), spec.label_key)
    return engine.evaluate(asked, rows, schema or schema_pb2.Schema(), rubber_stamp=True)


def whole(column: pa.Array) -> pa.Array:
    """Returns whole numbers as such, for slices are named by them: JSON does not tell 7 from 7.0."""
    if not pa.types.is_floating(column.type):
        return column
    values = column.drop_null().to_numpy(zero_copy_only=False)
    return column.cast(pa.int64()) if bool(np.all(values == np.floor(values))) and bool(np.all(np.isfinite(values))) else column


def _require_like_label(labels: np.ndarray, key: str) -> None:
    if not len(labels):
        raise TaskError(f"the label {key} has no values; correct labels")


def _predictions(table: pa.Table, spec: config_pb2.ModelSpec) -> np.ndarray:
    names = [name.removeprefix("prediction/") for name in table.column_names if name.startswith("prediction/")]
    name = spec.prediction_key if spec.prediction_key in names else names[0] if len(names) == 1 else ""
    if not name:
        raise TaskError(f"the log has the predictions {', '.join(names)}; set prediction_key in eval_config's model_specs to one of them")
    column = table.column(f"prediction/{name}").combine_chunks()
    if pa.types.is_list(column.type):
        return np.array(column.to_pylist(), np.float64)
    if not pa.types.is_floating(column.type):
        raise TaskError(f"the logged prediction {name} holds {column.type}, not numbers; set prediction_key in eval_config's model_specs")
    return column.to_numpy(zero_copy_only=False)


def figures_of(results: Results, is_evaluation: bool = False) -> Figures:
    """Returns each slice's numbers by the metric's title; of an evaluation, the candidate's."""
    models = {"", "candidate"} if is_evaluation else {""}
    return {
        key: {
            metric_title(metric): at for metric, at in metric_values(figures).items() if not metric.is_diff and metric.model_name in models
        }
        for key, figures in by_slice(results).items()
    }


def asked_of(eval_config: config_pb2.EvalConfig) -> Iterator[_Asked]:
    """Yields the thresholds, those in the slices of a spec with it."""
    completed = with_defaults(eval_config, has_baseline=True)
    thresholds = metric_specs.metric_thresholds_from_metrics_specs(completed.metrics_specs, eval_config=completed)
    for key, limits in thresholds.items():
        if key.model_name == "baseline":
            continue
        for spec, limit in limits:
            title = metric_title(key._replace(model_name="", is_diff=False))
            if isinstance(spec, config_pb2.CrossSlicingSpec):
                continue
            if isinstance(limit, config_pb2.GenericChangeThreshold):
                higher = limit.direction == config_pb2.MetricDirection.HIGHER_IS_BETTER
                # a change that must be a gain over the Baseline allows no loss
                yield _Asked(title, spec, higher, None, max(0.0, -limit.absolute.value if higher else limit.absolute.value))
                continue
            for name, higher in (("lower_bound", True), ("upper_bound", False)):
                if limit.HasField(name):
                    yield _Asked(title, spec, higher, getattr(limit, name).value, 0.0)


def _bounds(asked: list[_Asked], now: Figures) -> Iterator[str]:
    """Yields the bounds that are missed by more than chance."""
    for one in asked:
        for key, figures in now.items():
            found = figures.get(one.metric, (None, None))
            applies = one.spec is None or slicer_lib.SingleSliceSpec(spec=one.spec).is_slice_applicable(key)
            if applies and one.bound is not None and found[0] is not None and one.is_worse(found, one.bound):
                sign = ">=" if one.higher_is_better else "<="
                yield f"{one.metric} is {_shown(found)} in {slice_title(key)}, asked for {sign} {one.bound:g}"


def _not_evaluated(asked: list[_Asked], then: Figures) -> Iterator[str]:
    """Yields the metrics with thresholds that the evaluation has not measured."""
    for one in asked:
        if then.get((), {}).get(one.metric, (None, None))[0] is None:
            yield f"{one.metric} is not in the evaluation; evaluate the model with this eval_config"


def _changes(asked: list[_Asked], now: Figures, then: Figures) -> Iterator[str]:
    """Yields what is worse on all rows than the evaluation had it, by more than chance and more than the change that is allowed."""
    allowed: dict[tuple[str, bool], float] = {}
    for one in asked:
        allowed[one.metric, one.higher_is_better] = max(one.tolerance, allowed.get((one.metric, one.higher_is_better), 0.0))
    for (metric, higher), tolerance in allowed.items():
        found, before = now.get((), {}).get(metric, (None, None)), then.get((), {}).get(metric, (None, None))
        if found[0] is None or before[0] is None:
            continue
        one = _Asked(metric, None, higher, None, tolerance)
        worst = worse_end(before, higher)
        if one.is_worse(found, worst - tolerance if higher else worst + tolerance):
            yield f"{metric} is {_shown(found)}, and was {before[0]:.4g} when the model was evaluated"


def worse_end(before: Measured, higher_is_better: bool) -> float:
    """Returns the end of a figure's interval that is worse."""
    return min(_ends(before)) if higher_is_better else max(_ends(before))


def _ends(found: Measured) -> list[float]:
    """Returns the ends of a figure's interval; the figure itself where it has none."""
    value, interval = found
    return [end for end in ([value] if interval is None or None in interval else interval) if end is not None]


def _described(title: str, now: Measured, then: dict[str, Measured], asked: list[_Asked]) -> dict[str, Any]:
    before = then.get(title, (None, None))
    bounds = [
        f"{'>=' if one.higher_is_better else '<='} {one.bound:g}"
        for one in asked
        if one.metric == title and one.bound is not None and one.spec is None
    ]
    return {"value": now[0], "interval": now[1], "evaluated": before[0], "evaluated_interval": before[1], "asked": " and ".join(bounds)}


def _shown(found: Measured) -> str:
    value, interval = found
    return f"{value:.4g}" + (f" ({interval[0]:.4g} to {interval[1]:.4g})" if interval and None not in interval else "")
