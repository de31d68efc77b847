"""How many rows may fail."""

import threading

from penstock.components.protocol import TaskError


class Limit:
    """Counts the rows that could not be scored, from any thread.

    Args:
        rows: The number of all rows.
        share: The greatest share of them that may fail.

    Attributes:
        rows: The number of all rows.
        share: The greatest share of them that may fail.

    Raises:
        TaskError: The share is none.
    """

    def __init__(self, rows: int, share: float) -> None:
        if not 0 <= share <= 1:
            raise TaskError(f"max_error_share is {share}; give a share from 0 to 1")
        self.rows, self.share = rows, share
        self._count = 0
        self._lock = threading.Lock()

    def add(self, count: int, reason: str) -> None:
        """Counts rows.

        Raises:
            TaskError: They are more than may fail.
        """
        with self._lock:
            self._count += count
            if self._count > self.share * self.rows:
                raise TaskError(
                    f"more rows cannot be scored than max_error_share, {self.share:g} of {self.rows:,} rows, allows; "
                    f"the last one: {reason}; "
                    "correct the rows, or raise max_error_share"
                )
