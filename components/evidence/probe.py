"""The probe: requests with known answers that check a served model."""

from typing import Any


def is_probe(probe: dict[str, Any]) -> bool:
    """Tells whether this has as many `predictions` as `instances`, at least one, and a `tolerance`, below 1: within that every answer would be."""
    instances, predictions, tolerance = (probe.get(key) for key in ("instances", "predictions", "tolerance"))
    is_paired = isinstance(instances, list) and isinstance(predictions, list) and len(instances) == len(predictions) > 0
    return is_paired and isinstance(tolerance, (int, float)) and not isinstance(tolerance, bool) and 0 <= tolerance < 1
