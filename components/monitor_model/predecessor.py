"""Whether the model that served before answers the labeled rows better than the one that serves."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from tensorflow_metadata.proto.v0 import schema_pb2
from tensorflow_model_analysis.proto import config_pb2

from penstock.components.evidence.baseline import NO_BASELINE
from penstock.components.evidence.evaluation.predict import Batch, ModelError, Predictor, resolve_output
from penstock.components.protocol import Input, TaskError, fingerprint

from .config import MonitoringConfig
from .labels import LABEL, LabeledRows
from .quality import asked_of, evaluated, figures_of, worse_end

_ROWS = 4096
# Only this signature takes what the log has: raw features by name.
_SIGNATURE = ("serving_default",)


def compare(
    predecessor: Input,
    eval_config: config_pb2.EvalConfig,
    labeled: LabeledRows,
    serving: str,
    schema: schema_pb2.Schema | None,
    config: MonitoringConfig,
) -> dict[str, Any]:
    """Measures the predecessor on the rows that have labels.

    Returns:
        Its `fingerprint`; `better`, whether a metric with a threshold is better than that of the model that serves by more than chance,
        and none is worse by more than chance; the `reason` why it is not; `metrics`, both models' values.
    """
    found: dict[str, Any] = {"fingerprint": "", "better": False, "reason": "", "metrics": {}}
    if (predecessor.path / NO_BASELINE).exists() or not predecessor.path.is_dir():
        return found | {"reason": "there is no predecessor"}
    found["fingerprint"] = fingerprint(predecessor.path)
    if found["fingerprint"] == serving:
        return found | {"reason": "the predecessor is the model that serves"}
    table = labeled.of(serving)
    if table.num_rows < max(config.min_labels, 1):
        return found | {"reason": f"{table.num_rows:,} rows with labels are fewer than min_labels, {config.min_labels:,}"}
    try:
        answers = _answers(predecessor.path, table, eval_config)
        now = figures_of(evaluated(eval_config, table, schema)).get((), {})
        theirs = figures_of(evaluated(eval_config, table, schema, answers)).get((), {})
    except (ModelError, TaskError) as error:
        return found | {"reason": str(error)}
    return found | _judged(eval_config, now, theirs)


def _answers(folder: Path, table: pa.Table, eval_config: config_pb2.EvalConfig) -> np.ndarray:
    predictor = Predictor("predecessor", folder, _SIGNATURE)
    if predictor.takes_examples and not set(predictor.inputs) <= set(table.column_names):
        raise TaskError("the predecessor takes serialized tf.Examples, which the log lacks")
    if missing := sorted(set(predictor.inputs) - set(table.column_names)):
        raise TaskError(f"the predecessor takes {missing[0]}, which the log lacks")
    spec = eval_config.model_specs[0]
    answers = []
    for batch in table.drop_columns(["__id__", "__fingerprint__", LABEL]).combine_chunks().to_batches(_ROWS):
        outputs = predictor.predict(Batch(batch))
        answers.append(outputs[resolve_output(outputs, spec.prediction_key, "predecessor")])
    joined = np.concatenate(answers)
    return joined[:, 0] if joined.ndim == 2 and joined.shape[1] == 1 else joined


def _judged(eval_config: config_pb2.EvalConfig, now: dict[str, Any], theirs: dict[str, Any]) -> dict[str, Any]:
    asked = {one.metric: one.higher_is_better for one in asked_of(eval_config)}
    metrics = {name: {"serving": now[name][0], "predecessor": theirs[name][0]} for name in asked if name in now and name in theirs}
    better, worse = [], []
    for name, higher in asked.items():
        if name not in metrics or None in metrics[name].values():
            return {"metrics": metrics, "reason": f"{name} could not be computed of both models"}
        sign = 1 if higher else -1
        value = sign * theirs[name][0]
        worst, best = sign * worse_end(now[name], higher), sign * worse_end(now[name], not higher)
        better += [name] if value > best else []
        worse += [name] if value < worst else []
    if worse:
        return {"metrics": metrics, "reason": f"{worse[0]} of the predecessor is worse"}
    if not better:
        return {"metrics": metrics, "reason": "no metric of the predecessor is better by more than chance"}
    return {"metrics": metrics, "better": True}
