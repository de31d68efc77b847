"""The instances of V1 requests as arrays by input, and arrays by output as the predictions of V1 responses."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from penstock.components.evidence import answers
from penstock.components.evidence.answers import map_leaves, to_json


@dataclass(frozen=True)
class InputSpec:
    """An input of a model, as its server describes it.

    Attributes:
        name: Its name.
        dtype: The type of its values; `object` for strings.
        rank: How many dimensions it has, the batch's among them.
    """

    name: str
    dtype: np.dtype
    rank: int


def to_arrays(instances: Sequence[Any], specs: Sequence[InputSpec]) -> dict[str, np.ndarray]:
    """Returns an array for each input, with the instances as its first dimension.

    Args:
        instances: A value by input name for each row; where the model has one input, its value alone will do.
        specs: The model's inputs.

    Raises:
        KeyError: An instance lacks an input.
        ValueError: The values do not fit the input's type.
    """
    rows = [_by_name(instance, specs) for instance in instances]
    return {spec.name: _column([row[spec.name] for row in rows], spec) for spec in specs}


def to_predictions(outputs: dict[str, np.ndarray]) -> list[Any]:
    """Returns a plain value for each row where there is one output, else values by output name."""
    return answers.to_predictions({name: to_json(values.tolist(), name) for name, values in outputs.items()})


def _by_name(instance: Any, specs: Sequence[InputSpec]) -> dict[str, Any]:
    is_value = not isinstance(instance, dict) or set(instance) == {"b64"}
    return {specs[0].name: instance} if len(specs) == 1 and is_value else instance


def _column(values: list[Any], spec: InputSpec) -> np.ndarray:
    array = np.array(map_leaves(values, _to_bytes) if spec.dtype == object else values, dtype=spec.dtype)
    return array[..., np.newaxis] if array.ndim == spec.rank - 1 else array


def _to_bytes(value: Any) -> bytes:
    return base64.b64decode(value["b64"]) if isinstance(value, dict) else str(value).encode()
