"""From a destination's URI to the destination."""

from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from penstock.components.protocol.errors import TaskError

from ..names import check_kserve_name, check_model_name, longest_kserve_name
from .destination import Destination

FORMS = {
    "local": "local://DIR?port=8501",
    "kserve": "kserve://NAMESPACE/NAME?mode=standard",
    "vertex": "vertex://PROJECT/LOCATION/ENDPOINT",
}


def parse(destination: str, model_name: str, serving_options: dict[str, Any] | None = None) -> Destination:
    """Finds the destination that a URI names.

    Args:
        destination: One of `FORMS`; options follow `?`.
        model_name: The name under which the model is registered, and serves where the destination has no name of its own.
        serving_options: How the model is to be served: resources, replicas and the like, in the words of the destination's module.

    Raises:
        TaskError: The scheme, a part of the URI, an option or the name is none.
    """
    check_model_name(model_name)
    scheme, path, options = split(destination)
    serving = dict(serving_options or {})
    if scheme == "kserve":  # each with clients of its own, which take seconds to import
        from .kserve.destination import KServeDestination

        return KServeDestination.from_uri(path, options, model_name, serving)
    if scheme == "vertex":
        from .vertex.destination import VertexDestination

        return VertexDestination.from_uri(path, options, model_name, serving)
    from .local.destination import LocalDestination

    return LocalDestination.from_uri(path, options, model_name, serving)


def split(destination: str) -> tuple[str, str, dict[str, str]]:
    """Splits a destination's URI into its scheme, its path without escapes, and its options.

    Raises:
        TaskError: The scheme is none.
    """
    uri = urlsplit(destination)
    if uri.scheme not in FORMS or uri.fragment:
        raise TaskError(f"destination {destination!r} is none; give one of {', '.join(FORMS.values())}")
    return uri.scheme, unquote(uri.netloc + uri.path), dict(parse_qsl(uri.query, keep_blank_values=True))


def check_destination_name(destination: str) -> None:
    """Refuses a destination whose scheme or name is none, as far as this can be told without its clients.

    Raises:
        TaskError: It is one.
    """
    scheme, path, options = split(destination)
    if scheme == "kserve":
        namespace, _, name = path.partition("/")
        check_kserve_name("namespace", namespace)
        check_kserve_name("InferenceService", name, longest_kserve_name(namespace, options["mode"]) if "mode" in options else 63)


def check_options(given: dict[str, Any], known: set[str], scheme: str, what: str = "destination option") -> None:
    """Refuses options that a destination does not know.

    Raises:
        TaskError: There is one.
    """
    if unknown := set(given) - known:
        raise TaskError(f"{what} {', '.join(sorted(unknown))} is unknown to {scheme}://, which takes {', '.join(sorted(known)) or 'none'}")
