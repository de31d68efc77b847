"""kfp.local prints its messages, and patches `print` while a task runs; here they go to the logging handlers that are set."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from ..kfp_adapter.orchestrator import HORIZONTAL_LINE, INDENTED_PRINT, LOGGER_CONTEXT


@contextmanager
def patch() -> Iterator[None]:
    """Silences kfp.local."""
    with LOGGER_CONTEXT.replaced(nullcontext), INDENTED_PRINT.replaced(nullcontext), HORIZONTAL_LINE.replaced(lambda: None):
        yield
