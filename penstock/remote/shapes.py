"""The shapes of values in a settings file, and errors that name the place, the mistake and the correction.

A shape is a type (`str`, `int`, `bool`; `object` for anything that JSON has), a list of one shape, a dict from `str` to one shape, or
one of the classes below.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ..errors import UserError
from ..spec.pipeline_file import did_you_mean

_WORDS = {str: "text in quotes", int: "a whole number", bool: "true or false"}


@dataclass(frozen=True)
class Record:
    """A mapping with certain keys.

    Attributes:
        required: The shapes of keys that must be there.
        optional: The shapes of keys that may be there.
    """

    required: dict[str, Any] = field(default_factory=dict)
    optional: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Choice:
    """One of several texts."""

    values: tuple[str, ...]


@dataclass(frozen=True)
class Text:
    """A text for which something holds; `said` is what it must be."""

    holds: Callable[[str], bool]
    said: str


@dataclass(frozen=True)
class Either:
    """A short form and a full one, which is a mapping."""

    short: Any
    full: Any


def check(value: Any, shape: Any, where: str = "") -> None:
    """Checks a value of a settings file.

    Args:
        value: The value.
        shape: The shape that it must have.
        where: The keys that lead to the value.

    Raises:
        UserError: It has another one.
    """
    if isinstance(shape, Either):
        check(value, shape.full if isinstance(value, dict) else shape.short, where)
    elif isinstance(shape, Record):
        _check_record(value, shape, where)
    elif isinstance(shape, list):
        for number, item in enumerate(_typed(value, list, "a list", where)):
            check(item, shape[0], f"{where}[{number}]")
    elif isinstance(shape, dict):
        for key, item in _typed(value, dict, "`name: value` lines", where).items():
            check(key, str, _below(where, key))
            check(item, shape[str], _below(where, key))
    elif shape is object:
        _check_json(value, where)
    else:
        _check_scalar(value, shape, where)


def _check_record(value: Any, shape: Record, where: str) -> None:
    known = shape.required | shape.optional
    for key, item in _typed(value, dict, f"`name: value` lines of {', '.join(known)}", where).items():
        if key not in known:
            raise UserError(f"{where or 'the file'} has no setting {key}{did_you_mean(str(key), list(known))}")
        check(item, known[key], _below(where, key))
    for key in shape.required:
        if key not in value:
            raise UserError(f"{where} lacks {key}")


def _check_json(value: Any, where: str) -> None:
    if isinstance(value, (dict, list)):
        check(value, {str: object} if isinstance(value, dict) else [object], where)
    elif not isinstance(value, (str, int, float, bool)):
        raise UserError(f"{where} must be a JSON value (text, number, true, false, or a list or mapping of these), not {value}")


def _check_scalar(value: Any, shape: Any, where: str) -> None:
    if isinstance(shape, Choice):
        if value not in shape.values:
            raise UserError(f"{where} must be one of {', '.join(shape.values)}, not {value!r}")
    elif isinstance(shape, Text):
        if not shape.holds(_typed(value, str, shape.said, where)):
            raise UserError(f"{where} must be {shape.said}, not {value!r}")
    elif isinstance(value, bool) and shape is int:
        raise UserError(f"{where} must be {_WORDS[shape]}, not {value!r}")
    else:
        _typed(value, shape, _WORDS[shape], where)


def _typed(value: Any, kind: type, said: str, where: str) -> Any:
    if not isinstance(value, kind):
        raise UserError(f"{where or 'the file'} must be {said}, not {value!r}")
    return value


def _below(where: str, key: Any) -> str:
    return f"{where}.{key}" if where else str(key)
