"""Packs files of this machine into the parameters of Penstock's components."""

import os
from typing import Any

from penstock.components.data.source import pack, read_text
from penstock.components.data.user_module import REPOSITORY_SUFFIXES, pack_module, split_name

from .values import Value, given_to_penstock

_TEXTS = {"schema_file", "eval_config"}
# Files with what belongs to them, and which files of a folder count.
_FOLDERS: dict[str, tuple[str, ...]] = {"module_file": (), "feature_repository": REPOSITORY_SUFFIXES}


def with_packed(spec: dict[str, Any], parameters: dict[str, Any]) -> dict[str, Any]:
    """Returns the parameters, with what lies at a path on this machine in the place of the path.

    Args:
        spec: The PipelineSpec in JSON form.
        parameters: The pipeline's parameters that were given.

    Raises:
        TaskError: A file cannot be read, or is too large to travel in a parameter.
    """
    packed = {
        value.parameter: _pack(name, value)
        for name, value in given_to_penstock(spec, parameters)
        if name in {*_TEXTS, *_FOLDERS} and _is_local(value.value)
    }
    return parameters | packed


def _pack(name: str, value: Value) -> str:
    if name in _FOLDERS:
        return pack_module(value.value, value.parameter, _FOLDERS[name])
    return pack(read_text(value.value, value.parameter), value.parameter)


def _is_local(value: Any) -> bool:
    return isinstance(value, str) and "://" not in value and os.path.exists(split_name(value)[1])  # noqa: PTH110 - takes any text
