"""Filter, order and pages of the list calls (https://google.aip.dev/160, the part of it that Vertex AI documents)."""

import fnmatch
import operator
import re
from collections.abc import Callable, Collection, Iterable
from datetime import datetime, timezone
from typing import Any, TypeVar

from .errors import invalid

_TERM = re.compile(
    r"""\s*([A-Za-z_]+)(?:\.([\w-]+|"[^"]*"))?\s*(!=|>=|<=|=|:|<|>)\s*("[^"]*"|'[^']*'|[^\s"']+)\s*(?:(?:AND\b|and\b|,)|$)?"""
)
_OR = re.compile(r"\s+OR\s+")
_COMPARE = {"=": operator.eq, "!=": operator.ne, "<": operator.lt, ">": operator.gt, "<=": operator.le, ">=": operator.ge}
_ORDERS = ("display_name", "create_time", "update_time", "version_create_time", "version_update_time")
_DEFAULT_PAGE = 50
_NEVER = datetime.max.replace(tzinfo=timezone.utc)
Item = TypeVar("Item")
Readers = dict[str, Callable[[Any], str | datetime | None]]


def page(
    items: Iterable[Item],
    request: Any,
    fields: Readers,
    *,
    wildcards: Collection[str] = (),
    orders: Collection[str] = _ORDERS,
) -> tuple[list[Item], str]:
    """Returns one page of what a list call asks for, and the token of the next.

    Args:
        items: All there is.
        request: The call, with `filter`, `order_by`, `page_size` and `page_token`.
        fields: How to read the fields that can be filtered by, besides labels: texts, or times, which are compared.
        wildcards: Those of them that `:` takes a pattern for.
        orders: The fields that can be ordered by.
    """
    alternatives = [_terms(part) for part in _OR.split(request.filter)]
    found = [item for item in items if any(all(_holds(item, fields, wildcards, *term) for term in terms) for terms in alternatives)]
    for clause in reversed([clause for clause in getattr(request, "order_by", "").split(",") if clause.strip()]):
        name, direction = _order(clause, orders)
        found.sort(key=lambda item, name=name: _sortable(getattr(item, name)), reverse=direction == "desc")
    if request.page_token and not request.page_token.isdigit():
        raise invalid("page_token", "Invalid page token.")
    start = int(request.page_token or 0)
    end = start + (request.page_size or _DEFAULT_PAGE)
    return found[start:end], str(end) if end < len(found) else ""


def _order(clause: str, orders: Collection[str]) -> tuple[str, str]:
    name, _, direction = clause.strip().partition(" ")
    if _snake(name) not in orders or direction.strip() not in ("", "asc", "desc"):
        raise invalid("order_by", f"Ordering by '{clause.strip()}' is not supported.")
    return _snake(name), direction.strip()


def _terms(text: str) -> list[tuple[str, ...]]:
    """Reads terms of which each must hold: name, key, sign and value."""
    place, terms = 0, []
    while place < len(text.rstrip()):
        match = _TERM.match(text, place)
        if match is None:
            raise invalid("filter", f"Invalid filter '{text}'.")
        terms.append(match.groups())
        place = match.end()
    return terms


def _holds(item: Any, fields: Readers, wildcards: Collection[str], name: str, key: str | None, sign: str, text: str) -> bool:
    name, text = _snake(name), text.strip("\"'")
    if name == "labels":
        if key is None or (sign == ":" and text == "*"):
            return (key or text).strip('"') in item.labels
        return (item.labels.get(key.strip('"')) == text) == (sign == "=")
    if key is not None or name not in fields:
        raise invalid("filter", f"Filtering by '{name}' is not supported.")
    value = fields[name](item)
    if isinstance(value, str):
        return _text_holds(name, value, sign, text, wildcards)
    return value is not None and sign in _COMPARE and _COMPARE[sign](value, _time(text))


def _text_holds(name: str, value: str, sign: str, text: str, wildcards: Collection[str]) -> bool:
    if sign == ":" and name in wildcards:
        return fnmatch.fnmatchcase(value, text)
    if sign not in ("=", "!="):
        raise invalid("filter", f"Filtering by '{name}' with '{sign}' is not supported.")
    return (value == text) == (sign == "=")


def _time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError as error:
        raise invalid("filter", f"'{text}' is no time in RFC 3339 format.") from error


def _sortable(value: Any) -> Any:
    """Puts what has not happened yet last."""
    return _NEVER if value is None else value


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])([A-Z])", lambda match: "_" + match[1].lower(), name)
