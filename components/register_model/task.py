"""Registers a blessed and checked model with its evidence."""

import json
from typing import Any, NamedTuple

import penstock
from penstock.components.evidence.blessing import field, require_blessing, require_check
from penstock.components.protocol import Input, figure
from penstock.components.release.registry import Lineage, open_registry


class Outputs(NamedTuple):
    """The output parameters of register_model."""

    version: str


def register_model(
    model: Input,
    evaluation: Input,
    serving_check: Input,
    model_name: str,
    alias: str = "challenger",
    tracking_run_id: str = "",
    reason: str = "",
    tags: dict = {},  # noqa: B006 - as in the interface; nothing changes it
    tracking_uri: str = "",
    registry_uri: str = "",
) -> Outputs:
    """Registers the model as a version, unless the same bytes are one already; see the interface for the parameters.

    Raises:
        TaskError: The Evaluation does not bless these bytes, they have not passed the serving check, or the registry refuses.
    """
    blessing = require_blessing(model, evaluation.path)
    bytes_ = blessing["model"]["fingerprint"]
    check = require_check(serving_check.path, bytes_)
    registry = open_registry(model_name, tracking_uri, registry_uri)
    source = model.uri if "://" in model.uri else str(model.path.resolve())
    lineage = _lineage(blessing, check, tracking_run_id, reason, _figures(evaluation.metadata))
    tags = {str(key): str(value) for key, value in tags.items()} | lineage.tags()
    version = registry.register(bytes_, source, tags, tracking_run_id)
    if registry.aliases().get(alias) != version:
        registry.point(alias, version)
    figure(f"{model_name} v{version} is the {alias}")
    return Outputs(version)


def _lineage(blessing: dict[str, Any], check: dict[str, Any], run_id: str, reason: str, metrics: dict[str, str]) -> Lineage:
    """Returns why this model may be released, and what it was made from."""
    return Lineage(
        run=f"runs:/{run_id}" if run_id else "",
        data_fingerprint=_text(blessing, "examples", "fingerprint"),
        data_uri=_text(blessing, "examples", "uri"),
        data_span=_text(blessing, "examples", "span"),
        source=_source(blessing),
        baseline_version=_text(blessing, "baseline", "version"),
        baseline_fingerprint=_text(blessing, "baseline", "fingerprint"),
        blessing=blessing["verdict"],
        serving_check=check["verdict"],
        penstock_version=penstock.__version__,
        reason=reason,
        metrics=metrics,
        measured=_measured(check),
    )


def _source(blessing: dict[str, Any]) -> dict[str, str]:
    """Returns which rows of which version of a table, or of files, the Examples have, as text."""
    found = field(blessing, "examples", "source")
    known = found if isinstance(found, dict) else {}
    return {str(name): value if isinstance(value, str) else json.dumps(value) for name, value in known.items()}


def _text(blessing: dict[str, Any], *names: str) -> str:
    value = field(blessing, *names)
    return "" if value is None else str(value)


def _measured(check: dict[str, Any]) -> dict[str, str]:
    """Returns the serving check's figures, each with its server and its protocol in front, such as `Penstock.v1.p99_ms`."""
    found: dict[str, str] = {}
    for server in _objects(check, "servers"):
        found |= _figures(server, f"{server.get('name', '')}.")
        for protocol in _objects(server, "protocols"):
            load = field(protocol, "load")
            found |= _figures(load if isinstance(load, dict) else {}, f"{server.get('name', '')}.{protocol.get('protocol', '')}.")
    return found


def _objects(content: dict[str, Any], key: str) -> list[dict[str, Any]]:
    """Returns the objects in a list, and skips other values."""
    value = content.get(key)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _figures(values: dict[str, Any], prefix: str = "") -> dict[str, str]:
    """Returns the numbers among some values, as text."""
    return {f"{prefix}{name}": str(value) for name, value in values.items() if isinstance(value, (int, float))}
