"""Removes secrets from URIs before they are shown."""

import re
from typing import Any

_HIDDEN = "***"
_MARKS = ")];,.:"
# URIs whose queries are Penstock's own options.
_OPTIONS = ("local://", "kserve://", "vertex://", "pvc://", "delta://", "iceberg://", "bigquery://", "dvc://")
_SECRETS = re.compile(
    r"""(?P<scheme>[A-Za-z][A-Za-z0-9+.-]{0,30}://)
    (?P<user>[^\s/?#@:'"<>]{0,2000}:(?!\d{1,5}(?:[^\w%@:]|$))[^\s@]{0,2000}@(?:[^\s/?#@'"<>]{0,2000}@)*|[^\s/?#@'"<>]{1,2000}(?:@|%40))?
    (?P<rest>(?:[^\s?#'"<>;]|;(?![\w.~%-]{1,100}=))*)
    (?P<query>[?#;](?:[^\s'"<>]|['"](?=\w))*)?
    |(?P<path>(?<=[\w/.~%\s'"(-]))\?(?=[\w.~%-]{1,100}=)(?:[^\s'"<>]|['"](?=\w))*
    |(?P<escaped>[A-Za-z][A-Za-z0-9+.-]{0,30}%3[Aa]%2[Ff]%2[Ff])(?=[^\s'"<>&]{0,300}%(?:40|3[Ff]))[^\s'"<>&]*
    |(?P<bare>(?<![\w.%+~@-])[\w.%+~-]{1,200}:[^\s/@'"<>]{1,500}@(?!sha\d+:)(?=[\w\[]))""",
    re.VERBOSE,
)


def redact(text: str) -> str:
    """Returns a text in which no URI tells its user, password, query or fragment.

    Every message, log line, page and metadata of Penstock's goes through here; what a URI is opened with does not.
    """
    return _SECRETS.sub(_without_secret, text)


def redact_all(value: Any) -> Any:
    """Returns JSON values with every text in them redacted, also the names."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {redact_all(name): redact_all(item) for name, item in value.items()}
    if isinstance(value, list):
        return [redact_all(item) for item in value]
    return value


def _without_secret(match: re.Match[str]) -> str:
    if match["escaped"]:
        return f"{match['escaped']}{_HIDDEN}"
    if match["bare"]:
        return f"{_HIDDEN}@"
    if match["scheme"] is None:
        return _hidden(match[0])
    query = match["query"] or ""
    query = redact(query) if match["scheme"] in _OPTIONS else _hidden(query)
    return f"{match['scheme']}{_HIDDEN + '@' if match['user'] else ''}{match['rest']}{query}"


def _hidden(query: str) -> str:
    """Returns a query or fragment with its content hidden; punctuation of the sentence behind it stays."""
    kept = query.rstrip(_MARKS)
    return f"{query[0]}{_HIDDEN}{query[len(kept) :]}" if len(kept) > 1 else query
