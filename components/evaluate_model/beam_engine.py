"""Evaluating with TFMA itself, on Beam, with predictions made in bulk."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
from apache_beam.transforms.window import GlobalWindows
from tensorflow_metadata.proto.v0 import schema_pb2
from tensorflow_model_analysis.proto import config_pb2

from penstock.components.data.beam import Engine, fetched
from penstock.components.data.beam_errors import without_step
from penstock.components.data.tensors import Tensors
from penstock.components.evidence.eval_config import slicing_columns
from penstock.components.evidence.evaluation.predict import Batch, ModelError
from penstock.components.evidence.evaluation.results import Results, read_results
from penstock.components.evidence.scores import Scores
from penstock.components.evidence.tfma import (
    constants,
    evaluators,
    extractors,
    materialized_predictions_extractor,
    model_eval_lib,
    sql_slice_key_extractor,
    writers,
)
from penstock.components.protocol import TaskError, redact
from penstock.components.protocol.disk_space import is_disk_full

from .rows import batches_for_models, load, model_outputs, model_title, transformed_columns

_MADE, _SCORES = "evaluation", "scores"


def evaluate(
    engine: Engine,
    eval_config: config_pb2.EvalConfig,
    files: list[str],
    models: dict[str, str],
    transformed: dict[str, frozenset[str]],
    schema: schema_pb2.Schema,
    folder: Path,
    *,
    rubber_stamp: bool,
) -> tuple[Results, Scores]:
    """Evaluates Parquet Examples with TFMA's own engine.

    Args:
        engine: What runs it.
        eval_config: With TFMA's defaults filled in.
        files: The Split's Parquet files, as workers see them.
        models: The SavedModels by their names in the EvalConfig, as workers see them.
        transformed: By the same names, the features that the models' preprocessing functions make.
        schema: The Schema.
        folder: The folder that TFMA's files go to.
        rubber_stamp: Whether change thresholds were left out for want of a Baseline.

    Returns:
        What TFMA found, and how the candidate's answers are distributed.

    Raises:
        TaskError: TFMA cannot compute a metric.
    """
    config = _with_own_columns(eval_config, transformed)
    made = f"{engine.scratch_for_tensorflow()}/{_MADE}"
    paths = {key: f"{made}/{key}" for key in (constants.METRICS_KEY, constants.PLOTS_KEY, constants.VALIDATIONS_KEY)}
    writer = writers.MetricsPlotsAndValidationsWriter(paths, config, rubber_stamp=rubber_stamp, output_file_format="tfrecord")
    try:
        with engine.pipeline() as pipeline:
            rows = pipeline | "Rows" >> engine.row_groups(files)
            predicted = rows | "Predict" >> beam.ParDo(_Predict(models, eval_config, schema)).with_outputs(_SCORES, main="rows")
            _ = predicted[_SCORES] | "Add up" >> beam.CombineGlobally(_added_up) | engine.gather(_SCORES)
            _ = (
                predicted.rows
                | "Extracts" >> model_eval_lib.BatchedInputsToExtracts()
                | "Evaluate"
                >> model_eval_lib.ExtractAndEvaluate(
                    extractors=_extractors(config), evaluators=[evaluators.MetricsPlotsAndValidationsEvaluator(config, schema=schema)]
                )
                | "Write" >> model_eval_lib.WriteResults(writers=[writer])
            )
    except TaskError:
        raise
    except Exception as error:  # whatever a runner, a worker or TFMA raises
        if is_disk_full(error):
            raise
        raise _explained(error) from error
    engine.fetch(_MADE, folder)
    return read_results(folder), Scores.sum(engine.gathered(_SCORES))


def _extractors(eval_config: config_pb2.EvalConfig) -> list[extractors.Extractor]:
    """TFMA's extractors for Examples that hold predictions; its `default_extractors` would drop the Baseline's spec."""
    sql = (
        [sql_slice_key_extractor.SqlSliceKeyExtractor(eval_config)]
        if any(spec.slice_keys_sql for spec in eval_config.slicing_specs)
        else []
    )
    return [
        extractors.FeaturesExtractor(eval_config=eval_config),
        extractors.LabelsExtractor(eval_config=eval_config),
        extractors.ExampleWeightsExtractor(eval_config=eval_config),
        materialized_predictions_extractor.MaterializedPredictionsExtractor(eval_config=eval_config),
        *sql,
        extractors.UnbatchExtractor(),
        extractors.SliceKeyExtractor(eval_config=eval_config, materialize=False),
    ]


class _Predict(beam.DoFn):
    """Adds every model's predictions to a batch of Examples, as columns, and counts the candidate's."""

    def __init__(self, models: dict[str, str], eval_config: config_pb2.EvalConfig, schema: schema_pb2.Schema) -> None:
        self._models, self._eval_config, self._schema = models, eval_config, schema

    def setup(self) -> None:
        self._tensors = Tensors(self._schema)
        specs = {spec.name: spec for spec in self._eval_config.model_specs}
        self._predictors = [(specs[name], load(specs[name], fetched(path))) for name, path in self._models.items()]

    def start_bundle(self) -> None:
        self._scores = Scores()

    def finish_bundle(self) -> Iterator[Any]:
        yield beam.pvalue.TaggedOutput(_SCORES, GlobalWindows.windowed_value_at_end_of_window(self._scores.as_json()))

    def process(self, table: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        for part in batches_for_models(table, self._eval_config):
            yield self._predicted(part)

    def _predicted(self, table: pa.RecordBatch) -> pa.RecordBatch:
        batch = Batch(table, self._tensors)
        lists = self._tensors.to_lists(table)
        columns = dict(zip(lists.schema.names, lists.columns, strict=True))
        slicing = slicing_columns(self._eval_config)
        for spec, predictor in self._predictors:
            predictor.check_columns(table.schema)
            answers = predictor.predict(batch)
            if not spec.is_baseline:
                self._scores.add(answers)
            for output, values in model_outputs(answers, spec).items():
                columns[_column("prediction", spec, output)] = _lists(values)
            for name, values in predictor.transform(batch, transformed_columns(self._eval_config, spec)).items():
                columns |= {_column("transformed", spec, name): _lists(values)} | ({name: _lists(values)} if name in slicing else {})
        return pa.RecordBatch.from_pydict(columns)


def _added_up(scores: Iterable[dict[str, Any]]) -> dict[str, Any]:
    return Scores.sum(scores).as_json()


def _lists(values: np.ndarray) -> pa.Array:
    return pa.array(list(values.reshape(len(values), -1)))


def _column(what: str, spec: config_pb2.ModelSpec, name: str) -> str:
    return f"{what} of {model_title(spec)} {name}".strip()


def _with_own_columns(eval_config: config_pb2.EvalConfig, transformed: dict[str, frozenset[str]]) -> config_pb2.EvalConfig:
    """Points every model's prediction keys, and the labels and weights that it transforms, to the columns that `_Predict` adds."""
    config = config_pb2.EvalConfig()
    config.CopyFrom(eval_config)
    for spec in config.model_specs:
        outputs = list(spec.prediction_keys or spec.label_keys)
        spec.ClearField("prediction_keys")
        spec.prediction_key = "" if outputs else _column("prediction", spec, "")
        for output in outputs:
            spec.prediction_keys[output] = _column("prediction", spec, output)
        for keys in (spec.label_keys, spec.example_weight_keys):
            for output, key in keys.items():
                keys[output] = _column("transformed", spec, key) if key in transformed[spec.name] else key
        for field in ("label_key", "example_weight_key"):
            if (key := getattr(spec, field)) in transformed[spec.name]:
                setattr(spec, field, _column("transformed", spec, key))
    return config


def _explained(error: Exception) -> TaskError:
    """Finds the error that a user can fix in an exception of Beam, which returns a worker's exception as text."""
    text = redact(str(error))  # before anything is cut short
    if found := re.search(r"ModelError: (.*)", text):
        name = constants.BASELINE_KEY if f"the {constants.BASELINE_KEY}" in found[1] else constants.CANDIDATE_KEY
        return ModelError(name, without_step(found[1]))
    line = next((line for line in text.splitlines() if line.strip()), "")
    return TaskError(f"TFMA on Beam failed ({type(error).__name__}: {line[:300]}); correct eval_config or beam_pipeline_args")
