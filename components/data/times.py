"""Times that people write."""

from datetime import datetime, timezone


def moment(text: str) -> datetime:
    """Reads an ISO 8601 time; without an offset it is in UTC.

    Raises:
        ValueError: It is none.
    """
    found = datetime.fromisoformat(text.replace("Z", "+00:00"))  # Python 3.10 does not know the Z
    return found.replace(tzinfo=found.tzinfo or timezone.utc)
