"""From a destination's URI to the destination: the scheme names the module, which is imported when it is asked for."""

import importlib
from typing import Any

from ..names import check_model_name
from .destination import Destination
from .uri import split

# Each has clients of its own, which take seconds to import.
_DESTINATIONS = {"local": "LocalDestination", "kserve": "KServeDestination", "vertex": "VertexDestination"}


def parse(destination: str, model_name: str, serving_options: dict[str, Any] | None = None) -> Destination:
    """Finds the destination that a URI names.

    Args:
        destination: One of `uri.FORMS`; options follow `?`.
        model_name: The name under which the model is registered, and serves where the destination has no name of its own.
        serving_options: How the model is to be served: resources, replicas and the like, in the words of the destination's module.

    Raises:
        TaskError: The scheme, a part of the URI, an option or the name is invalid.
    """
    check_model_name(model_name)
    scheme, path, options = split(destination)
    module = importlib.import_module(f".{scheme}.destination", __package__)
    return getattr(module, _DESTINATIONS[scheme]).from_uri(path, options, model_name, dict(serving_options or {}))
