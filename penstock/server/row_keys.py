"""The keys of a request's rows: a field that the model need not take, for the prediction log or for the online store."""

from typing import Any

import numpy as np
from kserve.errors import InvalidInput

from .saved_model import Arrays, count_rows

# A key for each row of a request; None where the client does not say.
Keys = list[str | int | None]


def keys_of_rows(instances: Any, field: str, is_input: bool) -> Keys:
    """Removes the keys from the rows of a V1 request; rows that cannot be read are left for later checks.

    Args:
        instances: The rows.
        field: The field that holds the key.
        is_input: Whether the model takes the field, too: then it stays where it is.

    Raises:
        InvalidInput: A key is neither text nor a whole number.
    """
    if not isinstance(instances, list):
        return []
    take = dict.get if is_input else dict.pop
    return [_key(field, take(row, field, None)) if isinstance(row, dict) else None for row in instances]


def keys_of_arrays(arrays: Arrays, field: str, is_input: bool) -> Keys:
    """Takes the keys out of the tensors of a V2 request.

    Args:
        arrays: The tensors.
        field: The tensor that holds the keys.
        is_input: Whether the model takes the tensor, too: then it stays where it is.

    Raises:
        InvalidInput: There is not one key for each row, or a key is neither text nor a whole number.
    """
    if field not in arrays:
        return []
    keys = arrays[field] if is_input else arrays.pop(field)
    rows = count_rows(arrays) if arrays else len(keys)
    if keys.shape not in ((rows,), (rows, 1)):
        raise InvalidInput(f"{field!r}, the key of each row, must have the shape {[rows]}, not {list(keys.shape)}")
    return [_key(field, _text(field, key)) for key in np.ravel(keys).tolist()]


def _text(field: str, key: Any) -> Any:
    try:
        return key.decode() if isinstance(key, bytes) else key
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{field!r}, the key of each row, must be text or a whole number, not {key!r:.60}") from error


def _key(field: str, value: Any) -> str | int | None:
    if isinstance(value, list) and len(value) == 1:  # a dimension of 1 may be there or not, as in the features
        (value,) = value
    if value is None or type(value) is int or (type(value) is str and value):
        return value
    raise InvalidInput(f"{field!r}, the key of each row, must be text or a whole number, not {value!r:.60}")
