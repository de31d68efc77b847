"""What URIs of tables say of their version, in words that all formats share."""

import datetime

from penstock.components.data.times import moment
from penstock.components.data.uri_options import check_options, read_options
from penstock.components.protocol import TaskError, redact

ICEBERG_METADATA = ".metadata.json"
_QUERY = "query="


def option_of(uri: str, known: tuple[str, ...]) -> tuple[str, str]:
    """Returns the one option of a table's URI, each of which names a version by itself; empty texts if there is none.

    A query has `%` and `&` of its own: it is all that follows `?query=`, as it is.

    Args:
        uri: The URI: `SCHEME://TABLE?OPTION=VALUE`.
        known: The options of its format.

    Raises:
        TaskError: There are several, or it is unknown or has no value.
    """
    scheme, (_, _, query) = uri.partition("://")[0], uri.partition("?")
    options = {"query": query.removeprefix(_QUERY)} if query.startswith(_QUERY) else read_options(query)
    check_options(options, known, redact(uri), scheme)
    if len(options) > 1 or not all(options.values()):
        raise TaskError(f"input_uri gives {' and '.join(options)} of {scheme}://; give one of them, with a value")
    return next(iter(options.items()), ("", ""))


def time_of(text: str) -> datetime.datetime:
    """Reads the time whose version is wanted.

    Raises:
        TaskError: It is no time, or not yet over: what is the latest until then may change.
    """
    try:
        found = moment(text).astimezone(datetime.timezone.utc)
    except ValueError:
        raise TaskError(f"the timestamp in input_uri is {text!r:.60}; give an ISO 8601 time, such as 2026-11-01T06:00:00Z") from None
    if found > datetime.datetime.now(datetime.timezone.utc):
        raise TaskError(f"the timestamp {text} in input_uri is in the future, in which the table may change; give a time that is past")
    return found


def instant(milliseconds: int) -> str:
    """Returns a time since 1970 as the metadata has it: ISO 8601, in UTC."""
    return datetime.datetime.fromtimestamp(milliseconds / 1000, datetime.timezone.utc).isoformat(timespec="milliseconds")
