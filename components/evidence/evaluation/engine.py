"""Evaluating in-process: sums over whole columns for every slice and bootstrap sample, TFMA's own computations for the rest."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from tensorflow_metadata.proto.v0 import schema_pb2
from tensorflow_model_analysis.proto import config_pb2, validation_result_pb2

from penstock.components.evidence import tfma
from penstock.components.evidence.tfma import (
    confidence_intervals_util,
    constants,
    metric_specs,
    metric_types,
    metrics_validator,
    model_util,
    writer,
)
from penstock.components.protocol import figure

from .histogram import vectorized
from .results import Results
from .rows import Rows
from .slicing import slice_rows
from .sums import Terms, terms_of
from .unsupported import NotVectorized

BOOTSTRAP_SAMPLES = tfma.BOOTSTRAP_SAMPLES
_PIECE_ROWS = 1 << 18  # bounds what a sum holds beside its terms
_SEED = 20_130_101  # the same data give the same intervals, and so the same blessing


@dataclass
class _Plan:
    """What to compute, in order.

    Attributes:
        terms: The sums.
        derived: What follows from the sums, for the figures on all rows.
        sampled: The part of `derived` that the metrics need, without plots, for the bootstrap's samples.
        baseline: The Baseline's name in the EvalConfig, or None.
        skipped: The metrics that TFMA gives no interval.
    """

    terms: list[Terms]
    derived: list[Callable[[metric_types.MetricsDict], metric_types.MetricsDict]]
    sampled: list[Callable[[metric_types.MetricsDict], metric_types.MetricsDict]]
    baseline: str | None
    skipped: frozenset[metric_types.MetricKey]


def evaluate(eval_config: config_pb2.EvalConfig, rows: Rows, schema: schema_pb2.Schema, *, rubber_stamp: bool) -> Results:
    """Evaluates predicted rows as TFMA would.

    Args:
        eval_config: With TFMA's defaults filled in.
        rows: The rows with every model's predictions.
        schema: The Schema; plots take a label's range from it.
        rubber_stamp: Whether change thresholds were left out for want of a Baseline.

    Raises:
        NotVectorized: A metric, slice or option is left to TFMA on Beam.
    """
    plan = _plan(eval_config, rows, schema)
    slices = slice_rows(eval_config, rows.slicing_columns, rows.count)
    samples = BOOTSTRAP_SAMPLES if eval_config.options.compute_confidence_intervals.value else 0
    random = np.random.default_rng(_SEED)
    counts = np.stack([np.ones(rows.count, np.uint8), *(random.poisson(1.0, rows.count).astype(np.uint8) for _ in range(samples))], axis=1)
    validations = writer.CombineValidations(eval_config, rubber_stamp=rubber_stamp)
    validation: validation_result_pb2.ValidationResult | None = validations.create_accumulator()
    metrics, plots = [], []
    for done, (key, selected) in enumerate(slices.items(), 1):
        figures = _evaluate_slice(plan, selected, counts, samples)
        if key and len(selected) < eval_config.options.min_slice_size.value:
            figures = _too_small(eval_config.options.min_slice_size.value)
        values = {name: value for name, value in figures.items() if not isinstance(name, metric_types.PlotKey)}
        drawn = {name: value for name, value in figures.items() if isinstance(name, metric_types.PlotKey)}
        validation = validations.add_input(validation, metrics_validator.validate_metrics((key, values), eval_config))
        metrics.append(writer.convert_slice_metrics_to_proto((key, values), add_metrics_callbacks=[]))
        plots.append(writer.convert_slice_plots_to_proto((key, drawn), add_metrics_callbacks=[]))
        if done == len(slices) or not done % 10:
            figure(f"evaluated {done} of {len(slices)} slices")
    return Results(metrics, plots, validations.extract_output(validation))


def _plan(eval_config: config_pb2.EvalConfig, rows: Rows, schema: schema_pb2.Schema) -> _Plan:
    if any(spec.query_key for spec in eval_config.metrics_specs):
        raise NotVectorized("query_key")
    if any(spec.HasField("padding_options") for spec in eval_config.model_specs):
        raise NotVectorized("padding_options")
    intervals = eval_config.options.confidence_intervals.method
    if eval_config.options.compute_confidence_intervals.value and intervals != config_pb2.ConfidenceIntervalOptions.POISSON_BOOTSTRAP:
        raise NotVectorized("jackknife intervals")
    computations = tfma.separate_computations(
        metric_specs.to_computations(list(eval_config.metrics_specs), eval_config=eval_config, schema=schema)
    )
    if computations.cross_slice_computations or computations.ci_derived_computations:
        raise NotVectorized("metrics across slices")
    baseline = model_util.get_baseline_model_spec(eval_config)
    return _Plan(
        terms=[terms_of(computation, rows) for computation in computations.non_derived_computations],
        derived=[vectorized(computation) for computation in computations.derived_computations],
        sampled=[vectorized(computation) for computation in computations.derived_computations if not all(map(_is_plot, computation.keys))],
        baseline=baseline.name if baseline else None,
        skipped=metric_specs.metric_keys_to_skip_for_confidence_intervals(eval_config.metrics_specs, eval_config=eval_config),
    )


def _is_plot(key: metric_types.MetricKey) -> bool:
    return isinstance(key, metric_types.PlotKey) and not tfma.is_private_metric(key)


def _evaluate_slice(plan: _Plan, selected: np.ndarray, counts: np.ndarray, samples: int) -> metric_types.MetricsDict:
    """Computes a slice's figures, with intervals if there are samples."""
    pieces = np.split(selected, range(_PIECE_ROWS, len(selected), _PIECE_ROWS))
    sums = [sum(terms.add_up(piece, counts[piece].astype(np.float64)) for piece in pieces) for terms in plan.terms]
    figures = _derive(plan, sums, 0, plan.derived)
    if not samples:
        return figures
    intervals = tfma.BootstrapSamples(samples, plan.skipped)
    accumulator = intervals.create_accumulator()
    for sample in range(samples + 1):
        metrics = figures if sample == 0 else _derive(plan, sums, sample, plan.sampled)
        number = tfma.FULL_SAMPLE if sample == 0 else sample - 1
        intervals.add_input(accumulator, confidence_intervals_util.SampleMetrics(metrics, number))
    return intervals.extract_output(accumulator)


def _derive(plan: _Plan, sums: list[np.ndarray], sample: int, derived: Iterable[Callable[..., Any]]) -> metric_types.MetricsDict:
    """Computes one sample's public figures: what TFMA does after its combiners, differences to the Baseline included."""
    metrics: metric_types.MetricsDict = {}
    with np.errstate(all="ignore"):
        for terms, total in zip(plan.terms, sums, strict=True):
            metrics.update(terms.extract(total[sample]))
        for result in derived:
            metrics.update(result(metrics))
    public = {key: value for key, value in metrics.items() if not tfma.is_private_metric(key)}
    if plan.baseline is None:
        return public
    differences = {
        key.make_diff_key(): value - public[key.make_baseline_key(plan.baseline)]
        for key, value in public.items()
        if key.model_name != plan.baseline
        and not key.is_diff
        and key.make_baseline_key(plan.baseline) in public
        and tfma.is_diffable(value)
    }
    return public | differences


def _too_small(least: int) -> metric_types.MetricsDict:
    message = f"Example count for this slice key is lower than the minimum required value: {least}. No data is aggregated for this slice."
    return {constants.ERROR_METRIC_NAME: message}
