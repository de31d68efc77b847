"""Reads untrusted YAML (and JSON, which is YAML) within bounds."""

import re
from typing import Any

import yaml

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_LONGEST = 64 << 20  # characters
_DEEPEST = 100
_MOST_NODES = 2_000_000
_NUMBERS_AND_DATES = {f"tag:yaml.org,2002:{kind}" for kind in ("float", "int", "timestamp")}


class _TypedLoader(_LOADER):  # type: ignore[misc, valid-type]
    """Reads what the user types: numbers are those of YAML 1.2 (`1e-4` is one, `12:30` and `01234` are not), and a date is text."""


_TypedLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in _NUMBERS_AND_DATES]
    for first, resolvers in _LOADER.yaml_implicit_resolvers.items()
}
_TypedLoader.add_implicit_resolver(
    "tag:yaml.org,2002:int", re.compile(r"^(?:[-+]?(?:0|[1-9][0-9]*)|0x[0-9a-fA-F]+)$"), list("-+0123456789")
)
_TypedLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^(?:[-+]?(?:(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+|\.(?:inf|Inf|INF))|\.(?:nan|NaN|NAN))$"),
    list("-+.0123456789"),
)


def load_documents(text: str, loader: type = _LOADER) -> list[Any]:
    """Returns every document of a text that a program has written.

    Raises:
        YAMLError: It is not YAML, has invalid values, or expands to too much: anchors multiply what they name.
    """
    try:
        _check(text)
        return list(yaml.load_all(text, Loader=loader))
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError) as error:  # a date in month 13
        raise yaml.YAMLError(f"it has an invalid value ({error})") from error


def load_document(text: str) -> Any:
    """Returns the only document of a text that the user has typed, or None.

    Raises:
        YAMLError: As `load_documents`, or there are more.
    """
    documents = load_documents(text, _TypedLoader)
    if len(documents) > 1:
        raise yaml.YAMLError("it has more than one document")
    return documents[0] if documents else None


def _check(text: str) -> None:
    """Counts what a text stands for without building it, and looks for names that stand twice: which of them counts is no one's to say."""
    if len(text) > _LONGEST:
        raise yaml.YAMLError(f"it is longer than {_LONGEST >> 20} MiB")
    open_nodes: list[tuple[str | None, int]] = []  # the anchor, and how much had been counted before
    sizes: dict[str, int] = {}
    names: list[_Names] = []
    count = 0
    for event in yaml.parse(text, Loader=_LOADER):
        if names and isinstance(event, yaml.NodeEvent):
            names[-1].next(event)
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in sizes:
                raise yaml.YAMLError(f"*{event.anchor} is undefined, or refers to a value that contains it")
            count += sizes[event.anchor]
        elif isinstance(event, yaml.CollectionStartEvent):
            open_nodes.append((event.anchor, count))
            names.append(_Names(isinstance(event, yaml.MappingStartEvent)))
            count += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = open_nodes.pop()
            names.pop()
            if anchor:
                sizes[anchor] = count - before
        elif isinstance(event, yaml.ScalarEvent):
            count += 1
            if event.anchor:
                sizes[event.anchor] = 1
        elif isinstance(event, yaml.DocumentStartEvent):
            sizes = {}
        if len(open_nodes) > _DEEPEST:
            raise yaml.YAMLError(f"it is nested deeper than {_DEEPEST}")
        if count > _MOST_NODES:
            raise yaml.YAMLError(f"it expands to more than {_MOST_NODES:,} values")


class _Names:
    """The names in a mapping, or in a list, which has none."""

    def __init__(self, has_names: bool) -> None:
        self._has_names, self._is_name, self._seen = has_names, True, set[str]()

    def next(self, event: yaml.NodeEvent) -> None:
        """Takes in the start of the next name or value.

        Raises:
            YAMLError: It is a name that was there before.
        """
        if self._has_names and self._is_name and isinstance(event, yaml.ScalarEvent):
            if event.value in self._seen and event.value != "<<":
                line = getattr(event.start_mark, "line", 0) + 1
                raise yaml.YAMLError(f"{event.value[:80]!r} occurs twice, the second time in line {line}")
            self._seen.add(event.value)
        self._is_name = not self._is_name
