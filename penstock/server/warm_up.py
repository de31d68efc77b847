"""Warms a model up, because its first answers are slow: they initialize and compile. They also show whether the model mixes rows."""

import logging
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf
from kserve.errors import InvalidInput

from penstock.components.release.release import Release

from .mixing import mixed_output
from .options import ALWAYS, NEVER
from .saved_model import Arrays, SavedModel

logger = logging.getLogger(__name__)
_PROBE_ROWS, _MADE_UP_ROWS = 16, 4


def warm_up(model: SavedModel, release: Release, batching: str) -> bool:
    """Has a model answer its probe, and rows that its signature allows, before anybody waits for it.

    Args:
        model: The model.
        release: What is known of it.
        batching: Whether requests may be computed together: `always`, `never`, or `auto`, if that changes no answer.

    Returns:
        Whether requests are to be computed together.

    Raises:
        InvalidInput: The model refuses its own probe.
    """
    groups = _answered(model, release)
    reason = _reason_against(model, groups) if model.takes_batches else "its signature fixes the number of rows"
    if batching == ALWAYS and model.takes_batches:
        return True
    if batching == NEVER:
        reason = "--batching never is set"
    if reason:
        logger.warning("each request is computed alone, because %s", reason)
    return not reason


def _answered(model: SavedModel, release: Release) -> list[list[tuple[Arrays, Arrays]]]:
    """Returns rows with their answers alone, those of the same shapes together."""
    groups: dict[tuple, list[tuple[Arrays, Arrays]]] = {}
    for request in _probe(model, release):
        groups.setdefault(_shapes(request), []).append((request, model.predict_arrays([request])[0]))
    for request in _made_up(model):
        try:
            groups.setdefault(_shapes(request), []).append((request, model.predict_arrays([request])[0]))
        except InvalidInput as refusal:
            logger.debug("the model rejects a synthetic row: %s", refusal)
    return [group for group in groups.values() if group]


def _reason_against(model: SavedModel, groups: list[list[tuple[Arrays, Arrays]]]) -> str:
    """Says why requests must not be computed together; empty if nothing speaks against it."""
    if not groups:
        return "the model has no probe and rejects rows of zeros, so the effect of batches on its answers is unknown"
    for group in groups:
        requests, alone = zip(*group, strict=True)
        if output := mixed_output(model, requests, alone):
            return f"the model gives different answers in a batch (output {output!r})"
    return ""


def _probe(model: SavedModel, release: Release) -> Iterator[Arrays]:
    """Yields rows of the probe, spread over it."""
    rows = release.probe.get("instances") or []
    for number in range(min(len(rows), _PROBE_ROWS)):
        row = rows[number * len(rows) // min(len(rows), _PROBE_ROWS)]
        yield model.columns(model.check_rows([row]))


def _made_up(model: SavedModel) -> Iterator[Arrays]:
    """Yields rows that differ: the first of zeros and empty strings, which nearly every model takes."""
    for number in range(_MADE_UP_ROWS):
        yield {name: _values(spec, number) for name, spec in model.inputs.items()}


def _values(spec: tf.TensorSpec, number: int) -> np.ndarray:
    sizes: list[Any] = spec.shape.as_list() if spec.shape.rank is not None else [None]
    value: Any = " ".join("a" * length for length in range(1, number + 1)).encode() if spec.dtype == tf.string else number
    return np.full([1 if size is None else size for size in sizes], value, dtype=spec.dtype.as_numpy_dtype)


def _shapes(request: Arrays) -> tuple:
    return tuple(values.shape for values in request.values())
