"""JSON objects that a later or an earlier version of Penstock can read.

Each has a `schema` number; one without was written by 0.1.0, and is read as schema 1. A reader ignores the keys that it does not know,
and writes them back unchanged when it writes the object again. A change that an older reader must not ignore raises the number, so that
the older reader refuses the object.
"""

import json
import types
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from penstock.components.protocol.errors import TaskError
from penstock.components.protocol.redacting import redact

SCHEMA = 1
_KEY = "schema"
_KEPT = "unknown"
_Kind = TypeVar("_Kind", bound="Stored")


class Malformed(TaskError):
    """A stored object is invalid: truncated, edited manually, or written by another program."""


class TooNew(TaskError):
    """A stored object has a schema that this version does not support."""


@dataclass(frozen=True)
class Stored:
    """A dataclass that is stored as a JSON object: a key for each field; keys that are missing have the fields' defaults.

    Attributes:
        unknown: The keys of a newer version, which are written as they were read.
    """

    unknown: dict[str, Any] = field(default_factory=dict, kw_only=True, repr=False)


def dump(content: Stored | Mapping[str, Any], **options: Any) -> str:
    """Returns the JSON of something to store, with its schema number.

    Args:
        content: A dataclass, or an object.
        options: Options of `json.dumps`.
    """
    plain = to_object(content) if isinstance(content, Stored) else content
    return json.dumps({_KEY: SCHEMA} | dict(plain), **options)


def to_object(value: Any) -> Any:
    """Returns a dataclass as a JSON object, with the keys of a newer version; so are those inside it."""
    if isinstance(value, Stored):
        known = {item.name: to_object(getattr(value, item.name)) for item in fields(value) if item.name != _KEPT}
        return known | value.unknown
    return [to_object(item) for item in value] if isinstance(value, tuple) else value


def load(text: str | bytes, what: str, remedy: str) -> dict[str, Any]:
    """Reads an object that was stored.

    Args:
        text: Its JSON.
        what: What it is and where, for messages.
        remedy: What to do where it cannot be read.

    Returns:
        The object, without its schema number.

    Raises:
        Malformed: It is not a JSON object.
        TooNew: Its schema is newer than this version of Penstock.
    """
    try:
        content = json.loads(text, object_pairs_hook=_unambiguous)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"{what} cannot be read ({error}); {remedy}") from error
    if not isinstance(content, dict):
        raise Malformed(f"{what} is not a JSON object; {remedy}")
    schema = content.pop(_KEY, SCHEMA)
    check_schema(schema, what, remedy)
    return content


def read(file: Path, what: str, remedy: str, source: str = "") -> dict[str, Any]:
    """Reads a stored object from a file.

    Args:
        file: The file.
        what: What it is, for messages.
        remedy: What to do where it is invalid.
        source: What to do where there is no such file; empty: the same.

    Returns:
        The object, as `load` does.

    Raises:
        TaskError: The file cannot be read, or is no such object.
    """
    try:
        text = file.read_bytes()
    except OSError as error:
        raise TaskError(f"{what} at {file} cannot be read ({error}); {source or remedy}") from error
    return load(text, f"{what} at {file}", remedy)


def _unambiguous(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Returns an object whose keys stand there once: readers differ in which of two counts.

    Raises:
        ValueError: One occurs twice.
    """
    content = dict(pairs)
    if len(content) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)!r:.40} occurs twice")
    return content


def check_schema(schema: Any, what: str, remedy: str) -> None:
    """Refuses what a newer version has stored in a way that this one must not pass over.

    Raises:
        Malformed: It is not a schema number.
        TooNew: It is newer than this version of Penstock.
    """
    if isinstance(schema, bool) or not isinstance(schema, int) or schema < 1:
        raise Malformed(f"{what} has the schema {schema!r:.40}, which is not a schema number; {remedy}")
    if schema > SCHEMA:
        raise TooNew(
            f"{what} has schema {schema}, but this version of Penstock supports only {SCHEMA}; it was written by a newer version: upgrade "
            "Penstock"
        )


def load_as(kind: type[_Kind], text: str | bytes, what: str, remedy: str) -> _Kind:
    """Reads a dataclass that was stored.

    Raises:
        Malformed: It is not a JSON object, lacks something, or has something of a wrong type.
        TooNew: Its schema is newer than this version of Penstock.
    """
    return from_object(kind, load(text, what, remedy), what, remedy)


def from_object(kind: type[_Kind], content: dict[str, Any], what: str, remedy: str) -> _Kind:
    """Makes a dataclass of an object that `load` has read.

    Raises:
        Malformed: The object lacks something, or has something of a wrong type.
    """
    try:
        return _built(kind, content, "")
    except ValueError as error:
        raise Malformed(f"{what} is malformed: {error}; {remedy}") from error


def growing(new: _Kind, before: _Kind | None) -> _Kind:
    """Returns what takes the place of something stored, with that one's keys of a newer version."""
    return replace(new, unknown=before.unknown | new.unknown) if before else new


def _built(kind: type[_Kind], content: Any, place: str) -> _Kind:
    if not isinstance(content, dict):
        raise _misfit(kind, content, place)
    kinds = get_type_hints(kind)
    known = [item for item in fields(kind) if item.name != _KEPT]
    inside = f"{place}." if place else ""
    if missing := [item.name for item in known if item.name not in content and item.default is item.default_factory is MISSING]:
        raise ValueError(f"{inside}{missing[0]} is missing")
    given = {item.name: _fitting(kinds[item.name], content[item.name], f"{inside}{item.name}") for item in known if item.name in content}
    return kind(**given, unknown={key: value for key, value in content.items() if key not in {item.name for item in known}})


def _fitting(kind: Any, value: Any, place: str) -> Any:
    """Returns a value as a field of this kind has it.

    Raises:
        ValueError: It is of another kind.
    """
    origin, inner = get_origin(kind), get_args(kind)
    if kind is Any:
        return value
    if origin in (Union, types.UnionType):
        return _fitting_one(inner, value, place)
    if _is_stored(kind):
        return _built(kind, value, place)
    if origin is dict and isinstance(value, dict):
        return {key: _fitting(inner[1], item, f"{place}.{key}") for key, item in value.items()}
    if origin in (list, tuple) and isinstance(value, list):
        return origin(_fitting(inner[0], item, f"{place}[{number}]") for number, item in enumerate(value))
    if type(value) is kind or (kind is float and type(value) is int):
        return value
    raise _misfit(kind, value, place)


def _fitting_one(kinds: tuple[Any, ...], value: Any, place: str) -> Any:
    """Returns a value as a field of one of these kinds has it; if only one is left beside None, its error tells more."""
    if value is None and type(None) in kinds:
        return None
    *others, last = [kind for kind in kinds if kind is not type(None)]
    for kind in others:
        try:
            return _fitting(kind, value, place)
        except ValueError:
            continue
    return _fitting(last, value, place)


def _misfit(kind: Any, value: Any, place: str) -> ValueError:
    origin = get_origin(kind) or kind
    name = "object" if _is_stored(kind) or origin is dict else "list" if origin is tuple else getattr(origin, "__name__", kind)
    return ValueError(f"{place or 'it'} is {redact(repr(value))[:60]}, not of type {name}")


def _is_stored(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Stored)
