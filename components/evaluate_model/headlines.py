"""The metrics of the overall slice: KFP's Metrics and the summary line."""

from dataclasses import dataclass, field
from typing import Any

from tensorflow_model_analysis.proto import config_pb2

from penstock.components.evidence.evaluation.figures import Value, metric_title, metric_values
from penstock.components.evidence.evaluation.results import Results, by_slice
from penstock.components.evidence.tfma import model_util

from .blessing import BLESSED

# What a reader looks for first, by name.
_FIRST = (
    "auc",
    "auc_precision_recall",
    "accuracy",
    "sparse_categorical_accuracy",
    "binary_accuracy",
    "mean_squared_error",
    "mean_absolute_error",
)


@dataclass
class Overall:
    """The finite numbers of the overall slice, by the metric's title."""

    candidate: dict[str, float] = field(default_factory=dict)
    baseline: dict[str, float] = field(default_factory=dict)


def overall_metrics(eval_config: config_pb2.EvalConfig, results: Results) -> Overall:
    """Collects the overall slice's finite numbers."""
    spec = model_util.get_baseline_model_spec(eval_config)
    overall = Overall()
    figures = by_slice(results).get(())
    for key, (value, _) in metric_values(figures).items() if figures is not None else ():
        if value is not None and not key.is_diff:
            side = overall.baseline if spec is not None and key.model_name == spec.name else overall.candidate
            side[metric_title(key)] = value
    return overall


def headline(overall: Overall, blessing: dict[str, Any]) -> str:
    """Says the figure that matters: `AUC 0.712 vs 0.709 baseline: blessed`, and the first reason if no threshold blesses the model."""
    reasons = blessing["reasons"]
    verdict = blessing["verdict"].replace("_", " ")
    if reasons and (blessing["verdict"] != BLESSED or blessing["rubber_stamp"]):
        verdict += f": {reasons[0]}" + (f"; and {len(reasons) - 1} more (see the report)" if len(reasons) > 1 else "")
    name = next((name for name in _FIRST if name in overall.candidate), next(iter(overall.candidate), None))
    if name is None:
        return verdict
    other = overall.baseline.get(name)
    return f"{_shown(name)} {_number(overall.candidate[name])}{'' if other is None else f' vs {_number(other)} baseline'}: {verdict}"


def _shown(name: str) -> str:
    return {"auc": "AUC", "auc_precision_recall": "AUC-PR"}.get(name, name.replace("_", " "))


def _number(value: Value) -> str:
    return "-" if value is None else f"{value:.4g}"
