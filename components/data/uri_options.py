"""The options of URIs that parameters take."""

from collections.abc import Iterable
from urllib.parse import unquote

from penstock.components.protocol.errors import TaskError


def read_options(query: str) -> dict[str, str]:
    """Returns the options in a URI's query, without escapes. A `+` is no space, unlike in a form: times have one."""
    return {key: unquote(value) for key, _, value in (part.partition("=") for part in query.split("&") if part)}


def check_options(given: Iterable[str], known: Iterable[str], what: str, scheme: str) -> None:
    """Refuses options that URIs of a scheme do not have.

    Args:
        given: The names of the options.
        known: Those of the scheme, in the order in which people read them.
        what: The URI, or the parameter that it is, for messages.
        scheme: The scheme.

    Raises:
        TaskError: There is one.
    """
    names = list(known)
    if unknown := sorted(set(given) - set(names)):
        raise TaskError(f"{what} has the option {unknown[0]!r:.40}; {scheme}:// has {', '.join(names) or 'none'}")
