"""Warming a model up: its first answers initialize and compile, and take far longer than the next."""

import logging
from typing import Any

import numpy as np
import tensorflow as tf
from kserve.errors import InvalidInput

from penstock.components.runtime.release import Release

from .saved_model import SavedModel

logger = logging.getLogger(__name__)
# One row, and as many as meet in a batch under load.
_TIMES = (1, 32)


def warm_up(model: SavedModel, release: Release) -> None:
    """Has a model answer its probe, or a row that its signature allows, before anybody waits for it.

    Raises:
        InvalidInput: The model refuses its own probe.
    """
    rows = release.probe.get("instances")
    try:
        for times in _TIMES if model.takes_batches else (1,):
            model.predict_rows([model.check_rows(rows)] * times) if rows else model.predict_arrays([_made_up(model, times)])
    except InvalidInput as refusal:
        if rows:
            raise
        logger.info("the model was not warmed up: it refuses a row of zeros (%s)", refusal)


def _made_up(model: SavedModel, rows: int) -> dict[str, np.ndarray]:
    return {name: _zeros(spec, rows) for name, spec in model.inputs.items()}


def _zeros(spec: tf.TensorSpec, rows: int) -> np.ndarray:
    sizes: list[Any] = spec.shape.as_list() if spec.shape.rank is not None else [None]
    shape = [(rows if axis == 0 else 1) if size is None else size for axis, size in enumerate(sizes)]
    return np.full(shape, b"" if spec.dtype == tf.string else 0, dtype=spec.dtype.as_numpy_dtype)
