"""The names of models: they become part of URLs, of paths and of metrics."""

import re

from .errors import TaskError
from .redacting import redact

# The longest display name that Vertex AI takes, and short enough for any file system.
LONGEST = 128
_NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9_.-]{{0,{LONGEST - 1}}}")


def is_model_name(name: str) -> bool:
    """Tells whether a model may have this name."""
    return _NAME.fullmatch(name) is not None


def check_model_name(name: str) -> None:
    """Refuses what no model may be called.

    Raises:
        TaskError: It is no name.
    """
    if not is_model_name(name):
        raise TaskError(
            f"model_name {redact(name)[:80]!r} cannot be part of a URL: use letters, digits, '-', '_' and '.', a letter or digit first, {LONGEST} at most"
        )
