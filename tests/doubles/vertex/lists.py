"""Filter, order and pages of the list calls (https://google.aip.dev/160, the part of it that Vertex AI documents)."""

import operator
import re
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from .errors import invalid

_TERM = re.compile(r"""\s*([A-Za-z_]+)(?:\.([\w-]+|"[^"]*"))?\s*(!=|=|:)\s*("[^"]*"|'[^']*'|[^\s"']+)\s*(?:(?:AND\b|and\b|,)|$)?""")
_ORDERS = ("display_name", "create_time", "update_time", "version_create_time", "version_update_time")
_DEFAULT_PAGE = 50
Item = TypeVar("Item")


def page(items: Iterable[Item], request: Any, fields: dict[str, Callable[[Item], str]]) -> tuple[list[Item], str]:
    """Returns one page of what a list call asks for, and the token of the next.

    Args:
        items: All there is.
        request: The call, with `filter`, `order_by`, `page_size` and `page_token`.
        fields: How to read the fields that can be filtered by, besides labels.
    """
    found = [item for item in items if _matches(item, request.filter, fields)]
    for clause in reversed([clause for clause in request.order_by.split(",") if clause.strip()]):
        name, direction = _order(clause)
        found.sort(key=operator.attrgetter(name), reverse=direction == "desc")
    if request.page_token and not request.page_token.isdigit():
        raise invalid("page_token", "Invalid page token.")
    start = int(request.page_token or 0)
    end = start + (request.page_size or _DEFAULT_PAGE)
    return found[start:end], str(end) if end < len(found) else ""


def _order(clause: str) -> tuple[str, str]:
    name, _, direction = clause.strip().partition(" ")
    if _snake(name) not in _ORDERS or direction.strip() not in ("", "asc", "desc"):
        raise invalid("order_by", f"Ordering by '{clause.strip()}' is not supported.")
    return _snake(name), direction.strip()


def _matches(item: Any, text: str, fields: dict[str, Callable[[Any], str]]) -> bool:
    place, verdict = 0, True
    while place < len(text.rstrip()):
        match = _TERM.match(text, place)
        if match is None:
            raise invalid("filter", f"Invalid filter '{text}'.")
        verdict = _holds(item, fields, *match.groups()) and verdict
        place = match.end()
    return verdict


def _holds(item: Any, fields: dict[str, Callable[[Any], str]], name: str, key: str | None, sign: str, value: str) -> bool:
    name, value = _snake(name), value.strip("\"'")
    if name == "labels":
        if key is None or (sign == ":" and value == "*"):
            return (key or value).strip('"') in item.labels
        return (item.labels.get(key.strip('"')) == value) == (sign == "=")
    if key is not None or name not in fields or sign == ":":
        raise invalid("filter", f"Filtering by '{name}' is not supported.")
    return (fields[name](item) == value) == (sign == "=")


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])([A-Z])", lambda match: "_" + match[1].lower(), name)
