"""What a recording leaves out: `managedFields`, which no test reads, and secrets."""

import re
from typing import Any

from penstock.components.protocol import redact

HIDDEN = "***"
_SECRET = re.compile(r"(password|passwd|token|authorization|cookie|api_?key|(secret|access)_?(access_?)?key(_?id)?)$", re.IGNORECASE)
_BEARER = re.compile(r"(?<=Bearer )\S+|\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*")


def cleaned(value: Any) -> Any:
    """Returns JSON values as they are recorded.

    Args:
        value: What a server has answered. A text is cleaned of secrets in its URIs and of tokens; what a name such as `password` or
            `AWS_SECRET_ACCESS_KEY` stands for is hidden, as a key's value and as an environment variable's.
    """
    if isinstance(value, str):
        return _BEARER.sub(HIDDEN, redact(value))
    if isinstance(value, list):
        return [cleaned(item) for item in value]
    if isinstance(value, dict):
        kept = {key: _cleaned(key, item) for key, item in value.items() if key != "managedFields"}
        return kept | {"value": _cleaned(str(value["name"]), value["value"])} if {"name", "value"} <= value.keys() else kept
    return value


def _cleaned(name: str, value: Any) -> Any:
    return HIDDEN if isinstance(value, str) and value and _SECRET.search(name) else cleaned(value)
