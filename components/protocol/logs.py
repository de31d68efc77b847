"""The log of a process of Penstock's: the standard library's logging, a time and a level on each line, and no secret in any.

Records go to stderr; figures go to stdout, which Vertex AI does not take for errors. `PENSTOCK_LOG_LEVEL` says from which level on: INFO,
unless it is set, and WARNING for libraries. DEBUG adds what libraries say from INFO on, and each HTTP request that is made through urllib3.
"""

import contextlib
import functools
import logging
import os
import sys
import threading
import traceback
import warnings
from typing import Any

from . import marks
from .errors import TaskError
from .redacting import redact

LEVEL = "PENSTOCK_LOG_LEVEL"
FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
_FIGURE_FORMAT = f"%(asctime)s %(levelname)s {marks.FIGURE}%(message)s"
# Its records are what a run shows of a task: no level leaves them out.
_figures = logging.getLogger("penstock.figure")


def configure_logging() -> None:
    """Sends records to stderr and figures to stdout, each with its time and level.

    Raises:
        TaskError: The level is invalid.
    """
    level = os.environ.get(LEVEL, "INFO").upper()
    if level not in _LEVELS:
        raise TaskError(f"{LEVEL} is {level!r}, which is not a level; set it to {', '.join(_LEVELS[:-1])} or {_LEVELS[-1]}")
    _attach(logging.getLogger(), "stderr", FORMAT, {"DEBUG": "INFO", "ERROR": "ERROR"}.get(level, "WARNING"))
    _attach(_figures, "stdout", _FIGURE_FORMAT, "INFO")
    _figures.propagate = False
    logging.getLogger("penstock").setLevel(level)
    # not on `urllib3`, whose level the clients of Kubernetes and Kubeflow set
    logging.getLogger("urllib3.connectionpool").setLevel("DEBUG" if is_verbose() else "NOTSET")
    logging.captureWarnings(True)


def is_verbose() -> bool:
    """Tells whether the user wants to see everything."""
    return os.environ.get(LEVEL, "").upper() == "DEBUG"


def log_figure(text: str) -> None:
    """Logs the one figure that matters now."""
    _figures.info("%s", text)


@functools.cache  # once per process
def redact_logging() -> None:
    """Keeps secrets out of what libraries log, warn of and let fail in a thread: an HTTP client names the URL that it asks again."""

    def redacted(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = make(*args, **kwargs)
        if isinstance(record.msg, str):
            with contextlib.suppress(TypeError, ValueError, KeyError):  # it does not fit its arguments; `logging` says so itself
                record.msg, record.args = redact(record.getMessage()), None
        if record.exc_info:
            record.exc_text = redact(logging.Formatter().formatException(record.exc_info))
        return record

    def warn(*args: Any, **kwargs: Any) -> str:
        return redact(format_warning(*args, **kwargs))

    def tell(failure: threading.ExceptHookArgs) -> None:
        if failure.exc_type is not SystemExit:
            lines = traceback.format_exception(failure.exc_type, failure.exc_value, failure.exc_traceback)
            sys.stderr.write(redact("".join(["Exception in a thread:\n", *lines])))

    make = logging.getLogRecordFactory()
    logging.setLogRecordFactory(redacted)
    format_warning, warnings.formatwarning = warnings.formatwarning, warn
    threading.excepthook = tell


def say(line: str) -> None:
    """Prints a line, also where it has characters that no encoding knows."""
    print(_encodable(line), flush=True)


def _encodable(text: str) -> str:
    return text.encode(errors="backslashreplace").decode()


class _Handler(logging.StreamHandler):
    """Writes to what stdout or stderr is now: a module of a user's may put something else there."""

    def __init__(self, name: str, format: str) -> None:
        logging.Handler.__init__(self)
        self._name = name
        self.setFormatter(_Formatter(format))

    @property
    def stream(self) -> Any:
        return getattr(sys, self._name)


class _Formatter(logging.Formatter):
    """Writes out what no encoding knows."""

    def format(self, record: logging.LogRecord) -> str:
        return _encodable(super().format(record))


def _attach(logger: logging.Logger, stream: str, format: str, level: str) -> None:
    if not any(isinstance(handler, _Handler) for handler in logger.handlers):
        logger.addHandler(_Handler(stream, format))
    logger.setLevel(level)
