"""The server's time formats."""

from datetime import datetime


def moment(time: datetime | None) -> datetime | None:
    """Returns a time; None for the start of 1970, which the server gives for one that is not set or not yet."""
    return time if time and time.timestamp() > 0 else None
