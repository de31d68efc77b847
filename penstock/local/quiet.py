"""kfp.local prints its messages, and patches `print` while a task runs; here they go to the logging handlers that are set."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from kfp.local import logging_utils

from .replacing import replaced


@contextmanager
def mend() -> Iterator[None]:
    """Silences kfp.local."""
    with (
        replaced(logging_utils, "local_logger_context", nullcontext),
        replaced(logging_utils, "indented_print", nullcontext),
        replaced(logging_utils, "print_horizontal_line", lambda: None),
    ):
        yield
