"""The URIs of destinations: their schemes, their parts, their options."""

import math
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from penstock.components.protocol.errors import TaskError

from ..names import check_kserve_name, longest_kserve_name

FORMS = {
    "local": "local://DIR?port=8501",
    "kserve": "kserve://NAMESPACE/NAME?mode=standard",
    "vertex": "vertex://PROJECT/LOCATION/ENDPOINT",
}
KSERVE_MODES = ("knative", "standard")


def split(destination: str) -> tuple[str, str, dict[str, str]]:
    """Splits a destination's URI into its scheme, its path without escapes, and its options.

    Raises:
        TaskError: The scheme is invalid.
    """
    uri = urlsplit(destination)
    if uri.scheme not in FORMS or uri.fragment:
        raise TaskError(f"destination {destination!r} is invalid; give one of {', '.join(FORMS.values())}")
    return uri.scheme, unquote(uri.netloc + uri.path), dict(parse_qsl(uri.query, keep_blank_values=True))


def check_destination_name(destination: str) -> None:
    """Rejects a destination with an invalid scheme or name, as far as this is possible without its clients.

    Raises:
        TaskError: It is one.
    """
    scheme, path, options = split(destination)
    if scheme == "kserve":
        namespace, _, name = path.partition("/")
        check_kserve_name("namespace", namespace)
        check_kserve_mode(options)
        check_kserve_name("InferenceService", name, longest_kserve_name(namespace, options.get("mode", "")))


def check_kserve_mode(options: dict[str, str]) -> None:
    """Rejects an option `mode` that KServe does not have.

    Raises:
        TaskError: It is one.
    """
    if options.get("mode", KSERVE_MODES[0]) not in KSERVE_MODES:
        raise TaskError(
            f"destination option mode={options['mode']} is invalid; give {' or '.join(KSERVE_MODES)}, or omit it for the cluster's default"
        )


def read_seconds(option: str, text: str) -> float:
    """Reads an option that is a number of seconds.

    Raises:
        TaskError: It is not a number, or not above 0.
    """
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < math.inf:
        raise TaskError(f"destination option {option}={text} is not a number of seconds; give a number above 0")
    return seconds


def check_options(given: dict[str, Any], known: set[str], scheme: str, what: str = "destination option") -> None:
    """Refuses options that a destination does not know.

    Raises:
        TaskError: There is one.
    """
    if unknown := set(given) - known:
        raise TaskError(f"{what} {', '.join(sorted(unknown))} is unknown; {scheme}:// accepts {', '.join(sorted(known)) or 'none'}")
