"""The server's log: one line per record, and in a folder files of limited size."""

import logging
import os
import sys
import threading
import time
import warnings
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

from penstock.components.protocol.logs import FORMAT
from penstock.components.release.modes import group_readable
from penstock.components.release.serving import ERRORS, LOG

_MIB = 2**20
_LOG_BYTES, _OLD_LOGS = 10 * _MIB, 3
_ERRORS_BYTES, _LOOK_SECONDS = 10 * _MIB, 30.0
# A traceback's lines, so that none can pass for a record.
_INDENT = "    "


class LineFormatter(logging.Formatter):
    """Escapes what is not text to read: a request may have line ends, a terminal's control sequences and the like in it."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Returns a record as one line."""
        return escaped(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:
        """Returns a traceback, indented."""
        return _indented(super().formatException(ei))

    def formatStack(self, stack_info: str) -> str:
        """Returns a stack, indented."""
        return _indented(super().formatStack(stack_info))


def escaped(text: str) -> str:
    r"""Returns a text in which everything that cannot be seen is written out, such as `\n` and `\x1b`."""
    return text if text.isprintable() else "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)


def configure_logging(folder: Path | None) -> None:
    """Logs warnings and the server's own start; KServe, uvicorn and TensorFlow keep a configuration that they find.

    Args:
        folder: The folder whose `server.log` takes it, and the terminal where there is one; None: stderr, which a container's runtime keeps.
    """
    handlers: list[logging.Handler] = [_LogFile(folder / LOG)] if folder else []
    if folder is None or sys.stderr.isatty():
        handlers.append(logging.StreamHandler(sys.stderr))
    for handler in handlers:
        handler.setFormatter(LineFormatter(FORMAT))
    logging.basicConfig(level=logging.WARNING, handlers=handlers)
    logging.captureWarnings(True)
    logging.raiseExceptions = False  # a full disk would have the record that it cannot take written to stderr as it is
    logging.getLogger("penstock").setLevel(logging.INFO)
    warnings.filterwarnings("ignore", message="ORJSONResponse is deprecated")  # KServe's own code causes it on every start
    # TensorFlow's C++ code writes to stderr by itself, and as warnings what it could not read in a request.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if folder and _is_stderr(folder / ERRORS):
        threading.Thread(target=_keep_short, name="stderr", daemon=True).start()


class _LogFile(RotatingFileHandler):
    """A log that begins anew at 10 MiB; the last three are kept."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, maxBytes=_LOG_BYTES, backupCount=_OLD_LOGS, encoding="utf-8")

    def _open(self) -> TextIOWrapper:
        return open(self.baseFilename, "a", encoding=self.encoding, opener=group_readable)


def _indented(text: str) -> str:
    return "\n".join(_INDENT + escaped(line) for line in text.splitlines())


def _is_stderr(path: Path) -> bool:
    return path.exists() and os.path.samestat(path.stat(), os.fstat(sys.stderr.fileno()))


def _keep_short() -> None:
    """Empties the file that stderr goes to whenever it has become large; the process that started the server has opened it for appending."""
    while True:
        time.sleep(_LOOK_SECONDS)
        if os.fstat(sys.stderr.fileno()).st_size > _ERRORS_BYTES:
            os.ftruncate(sys.stderr.fileno(), 0)
