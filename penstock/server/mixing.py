"""Detects whether a model mixes the rows of a batch: pads to the longest, normalizes or ranks over the rows."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from kserve.errors import InvalidInput

from .saved_model import Arrays, SavedModel

# As many rows as meet in a batch under load.
_TOGETHER = 32
# Sums of another order: of the largest magnitude that the output has.
_NOISE, _HALF_NOISE = 1e-4, 1e-2


def mixed_output(model: SavedModel, requests: Sequence[Arrays], alone: Sequence[Arrays]) -> str | None:
    """Returns an output with different values for rows in a batch and for each row alone, or None.

    Args:
        model: The model.
        requests: Rows that may be computed together: arrays of one row each, of the same shapes.
        alone: The answer to each.
    """
    times = -(-_TOGETHER // len(requests))
    try:
        together = model.predict_arrays([*requests] * times)
    except (InvalidInput, ValueError, tf.errors.OpError):  # not a row for each, or none at all
        return next(iter(model.outputs))
    for name in model.outputs:
        if not _are_alike([answer[name] for answer in alone] * times, [answer[name] for answer in together]):
            return name
    return None


def _are_alike(alone: Sequence[np.ndarray], together: Sequence[np.ndarray]) -> bool:
    if any(one.shape != other.shape for one, other in zip(alone, together, strict=True)):
        return False
    known, found = np.stack(alone), np.stack(together)
    if known.dtype.kind in "OSbiu":
        return np.array_equal(known, found)
    noise = _HALF_NOISE if known.dtype.itemsize < 4 else _NOISE
    known, found = (values.astype(np.complex128) for values in (known, found))
    largest = np.max(np.abs(known), where=np.isfinite(known), initial=0.0)
    return np.allclose(found, known, rtol=0.0, atol=noise * float(largest), equal_nan=True)
