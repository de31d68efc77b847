"""Registers a blessed model with its evidence."""

from typing import Any, NamedTuple

import penstock
from penstock.components.runtime import Input, figure
from penstock.components.runtime.blessing import field, require_blessing
from penstock.components.runtime.registry import Registry


class Outputs(NamedTuple):
    """The output parameters of register_model."""

    version: str


def register_model(
    model: Input,
    evaluation: Input,
    model_name: str,
    alias: str = "challenger",
    tracking_run_id: str = "",
    tags: dict = {},  # noqa: B006 - as the interface has it; nobody changes it
    tracking_uri: str = "",
) -> Outputs:
    """Registers the model as a version; the same bytes keep the version that they have.

    Args:
        model: The model to register.
        evaluation: Its Evaluation.
        model_name: The registered model's name.
        alias: The alias that the version gets.
        tracking_run_id: The MLflow run that trained the model; empty: none.
        tags: Further tags.
        tracking_uri: MLflow's tracking server.

    Raises:
        TaskError: The Evaluation does not bless these bytes, or the registry refuses.
    """
    blessing = require_blessing(model.path, evaluation.path)
    registry = Registry(model_name, tracking_uri)
    source = model.uri if "://" in model.uri else str(model.path.resolve())
    evidence = {str(key): str(value) for key, value in tags.items()} | _evidence(blessing, evaluation.metadata, tracking_run_id)
    version = registry.register(blessing["model"]["fingerprint"], source, evidence, tracking_run_id)
    if registry.aliases().get(alias) != version:
        registry.point(alias, version)
    figure(f"{model_name} v{version} is the {alias}")
    return Outputs(version)


def _evidence(blessing: dict[str, Any], metrics: dict[str, Any], run_id: str) -> dict[str, str]:
    """Returns the tags that say why this model may be released; nothing known is an empty tag."""
    evidence = {
        "blessing": blessing["verdict"],
        "baseline_version": field(blessing, "baseline", "version"),
        "baseline_fingerprint": field(blessing, "baseline", "fingerprint"),
        "data_fingerprint": field(blessing, "examples", "fingerprint"),
        "data_span": field(blessing, "examples", "span"),
        "run": f"runs:/{run_id}" if run_id else "",
        "penstock_version": penstock.__version__,
    }
    evidence |= {f"metric.{name}": value for name, value in metrics.items() if isinstance(value, (int, float))}
    return {name: "" if value is None else str(value) for name, value in evidence.items()}
