"""Lists as the API server makes them: filtered, sorted, page by page.

Source of the rules and the words: kubeflow/pipelines, backend/src/apiserver/list, filter and server/list_request_util.go.
"""

import base64
import json
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import unquote_plus

from .errors import INVALID, KfpError, invalid

_DEFAULT_SIZE, _MOST = 20, 200
_VALUES = {"string": str, "int": int, "long": int, "timestamp": str}
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "EQUALS": lambda field, value: field == value,
    "NOT_EQUALS": lambda field, value: field != value,
    "GREATER_THAN": lambda field, value: field > value,
    "GREATER_THAN_EQUALS": lambda field, value: field >= value,
    "LESS_THAN": lambda field, value: field < value,
    "LESS_THAN_EQUALS": lambda field, value: field <= value,
    "IN": lambda field, value: field in value,
    "IS_SUBSTRING": lambda field, value: value.lower() in field.lower(),
}
# The server takes both spellings, and numbers.
_OPERATIONS = ["OPERATION_UNSPECIFIED", "EQUALS", "NOT_EQUALS", "GREATER_THAN", "GREATER_THAN_EQUALS", "LESS_THAN", "LESS_THAN_EQUALS"]
_OPERATIONS += ["IN", "IS_SUBSTRING"]

Row = dict[str, Any]


def page(rows: Iterable[Row], query: dict[str, str], fields: set[str], key: str, kind: str) -> tuple[list[Row], int, str]:
    """Returns a page of a list.

    Args:
        rows: The API's form of everything that the caller may see, oldest first.
        query: The call's `page_size`, `page_token`, `sort_by` and `filter`.
        fields: What can be sorted and filtered by.
        key: The field that is the id.
        kind: What the server calls the type.

    Returns:
        The page, how many there are on all pages, and the token for the next one; empty on the last.

    Raises:
        KfpError: The query asks something impossible.
    """
    criteria = {"sort_by": query.get("sort_by", ""), "filter": query.get("filter", "")}
    start = 0
    if token := query.get("page_token", ""):
        kept = _opened(token)
        if any(criteria.values()) and any(criteria[name] != kept[name] for name in criteria):
            raise invalid(
                "page token does not match the supplied sort by and/or filtering criteria. Either specify the same criteria or leave "
                "the latter empty if page token is specified"
            )
        criteria, start = {name: kept[name] for name in criteria}, kept["start"]
    matching = [row for row in rows if _matches(row, criteria["filter"], fields)]
    ordered = _sorted(matching, criteria["sort_by"], fields, key, kind)
    end = start + _size(query.get("page_size", "0"))
    following = _closed({**criteria, "start": end}) if end < len(ordered) else ""
    return ordered[start:end], len(ordered), following


def _size(text: str) -> int:
    size = int(text or 0)
    if size < 0:
        raise invalid(f"The page size should be greater than 0. Got {size}")
    return min(size or _DEFAULT_SIZE, _MOST)


def _sorted(rows: list[Row], sort_by: str, fields: set[str], key: str, kind: str) -> list[Row]:
    words = sort_by.lower().split()
    if len(words) > 2 or (len(words) == 2 and words[1] not in {"asc", "desc"}):
        shapes = '"field_name", "field_name desc", or "field_name asc"'
        raise invalid(f'Received invalid sort by format "{sort_by}". Supported format: {shapes}')
    field = words[0] if words else "created_at"
    if field not in fields:
        raise invalid(f'Invalid sorting field: "{field}" on listable type {kind}')
    # The server breaks ties by id, that is, by chance; here the older one comes first, and last where it is descending.
    order = sorted(range(len(rows)), key=lambda place: (rows[place].get(field, ""), place), reverse=words[1:] == ["desc"])
    return [rows[place] for place in order]


def _matches(row: Row, text: str, fields: set[str]) -> bool:
    return all(_holds(row, predicate, fields) for predicate in _predicates(text))


def _predicates(text: str) -> list[dict[str, Any]]:
    if not text:
        return []
    try:
        return json.loads(text if text.lstrip().startswith("{") else unquote_plus(text)).get("predicates", [])
    except (ValueError, AttributeError) as error:
        raise invalid(f'failed to parse valid filter from "{text}": {error}') from error


def _holds(row: Row, predicate: dict[str, Any], fields: set[str]) -> bool:
    name = predicate.get("key", "")
    if name not in fields:
        raise invalid(f'no support for filtering on unrecognized field "{name}"')
    operation = predicate.get("operation", 0)
    operation = _OPERATIONS[operation] if isinstance(operation, int) else operation
    if operation not in _COMPARE:
        raise invalid(f"invalid predicate operation: {operation}")
    value, is_list = _value(predicate)
    if is_list != (operation == "IN"):
        problem = (
            "cannot use IN operator with scalar type string" if not is_list else f"cannot use scalar operator {operation} on array type"
        )
        raise invalid(problem)
    return _COMPARE[operation](row.get(name, ""), value)


def _value(predicate: dict[str, Any]) -> tuple[Any, bool]:
    for word, convert in _VALUES.items():
        for spelling in (f"{word}_value", f"{word}Value"):
            if spelling in predicate:
                return convert(predicate[spelling]), False
        for spelling in (f"{word}_values", f"{word}Values"):
            if spelling in predicate:
                return [convert(value) for value in predicate[spelling]["values"]], True
    raise invalid(f"unknown value type of predicate {json.dumps(predicate)}")


def _closed(token: dict[str, Any]) -> str:
    return base64.b64encode(json.dumps(token).encode()).decode()


def _opened(text: str) -> dict[str, Any]:
    try:
        return json.loads(base64.b64decode(text, validate=True))
    except ValueError as error:
        raise KfpError(INVALID, f"InvalidInputError: Invalid page token: {error}", "Invalid page token") from error
