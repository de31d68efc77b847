"""The outcome of an evaluation in TFMA's protos, and TFMA's files."""

from dataclasses import dataclass, field
from pathlib import Path

import tensorflow as tf
from google.protobuf.message import Message
from tensorflow_model_analysis.proto import config_pb2, metrics_for_slice_pb2, validation_result_pb2

from penstock.components.evidence.tfma import EVAL_CONFIG_FILE, constants, serialize_eval_run, slicer_lib, writer

from .slicing import CrossSliceKey, SliceKey, slice_order


@dataclass
class Results:
    """What either engine finds.

    Attributes:
        metrics: The metrics of each slice.
        plots: The plots of each slice.
        validation: Which thresholds failed, where, and which slices are missing.
    """

    metrics: list[metrics_for_slice_pb2.MetricsForSlice] = field(default_factory=list)
    plots: list[metrics_for_slice_pb2.PlotsForSlice] = field(default_factory=list)
    validation: validation_result_pb2.ValidationResult = field(default_factory=validation_result_pb2.ValidationResult)


def by_slice(results: Results) -> dict[SliceKey, metrics_for_slice_pb2.MetricsForSlice]:
    """Returns the metrics of each slice, the overall one first; comparisons across slices are left out."""
    plain = [figures for figures in results.metrics if not figures.HasField("cross_slice_key")]
    found = {slicer_lib.deserialize_slice_key(figures.slice_key): figures for figures in plain}
    return {key: found[key] for key in sorted(found, key=slice_order)}


def by_cross_slice(results: Results) -> dict[CrossSliceKey, metrics_for_slice_pb2.MetricsForSlice]:
    """Returns the metrics of each comparison across slices."""
    crossed = [figures for figures in results.metrics if figures.HasField("cross_slice_key")]
    return {slicer_lib.deserialize_cross_slice_key(figures.cross_slice_key): figures for figures in crossed}


def write_results(results: Results, folder: Path) -> None:
    """Writes `metrics`, `plots` and `validations` as TFMA's writers name them, for `tfma.load_eval_result` and its like."""
    _write(folder / f"{constants.METRICS_KEY}-00000-of-00001.tfrecord", results.metrics)
    _write(folder / f"{constants.PLOTS_KEY}-00000-of-00001.tfrecord", results.plots)
    _write(folder / f"{constants.VALIDATIONS_KEY}.tfrecord", [results.validation])


def read_results(folder: str | Path) -> Results:
    """Reads what TFMA's writers wrote to a folder."""
    at = {name: f"{folder}/{name}" for name in (constants.METRICS_KEY, constants.PLOTS_KEY, constants.VALIDATIONS_KEY)}
    return Results(
        list(writer.load_and_deserialize_metrics(at[constants.METRICS_KEY], "tfrecord")),
        list(writer.load_and_deserialize_plots(at[constants.PLOTS_KEY], "tfrecord")),
        writer.load_and_deserialize_validation_result(f"{folder}", "tfrecord"),
    )


def write_eval_config(eval_config: config_pb2.EvalConfig, folder: Path, data: str, models: dict[str, str]) -> None:
    """Writes `eval_config.json`.

    Args:
        eval_config: The configuration as evaluated, defaults included.
        folder: Where TFMA's files lie.
        data: Where the Examples lie; for display.
        models: Where each model lies, by its name in the EvalConfig; for display.
    """
    text = serialize_eval_run(eval_config, data, "parquet", models)
    (folder / f"{EVAL_CONFIG_FILE}.json").write_text(text, encoding="utf-8")


def _write(path: Path, messages: list[Message]) -> None:
    with tf.io.TFRecordWriter(str(path)) as file:
        for message in messages:
            file.write(message.SerializeToString(deterministic=True))
