"""What URIs of tables say of their version, in words that all formats share."""

import datetime

from penstock.components.protocol import TaskError

from .row_filter import moment


def single(options: dict[str, str], scheme: str) -> tuple[str, str]:
    """Returns the one option of a URI, each of which names a version by itself; empty texts if there is none.

    Raises:
        TaskError: There are several, or it has no value.
    """
    if len(options) > 1 or not all(options.values()):
        raise TaskError(f"input_uri gives {' and '.join(options)} of {scheme}://; give one of them, with a value")
    return next(iter(options.items()), ("", ""))


def time_of(text: str) -> datetime.datetime:
    """Reads the time whose version is wanted.

    Raises:
        TaskError: It is no time, or not yet over: what is the latest until then may change.
    """
    try:
        found = moment(text)
    except ValueError:
        raise TaskError(f"the timestamp in input_uri is {text!r:.60}; give an ISO 8601 time, such as 2026-11-01T06:00:00Z") from None
    if found > datetime.datetime.now(datetime.timezone.utc):
        raise TaskError(f"the timestamp {text} in input_uri is in the future, in which the table may change; give a time that is past")
    return found
