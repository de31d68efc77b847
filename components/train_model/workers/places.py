"""From the parameter `workers_at` to the place where workers run."""

import re
from dataclasses import fields
from typing import Any, Protocol
from urllib.parse import parse_qsl, urlsplit

from penstock.components.data.uri_options import check_options
from penstock.components.protocol import TaskError, redact

from .call import Call
from .options import START_SECONDS, read_number
from .vertex_options import VertexOptions

_FORMS = "local://, kubeflow://NAMESPACE or vertex://PROJECT/LOCATION"
# By scheme: what follows it, and the options.
_NAMES = {"local": "/*", "kubeflow": "([^/]+)/*", "vertex": "([^/]+)/([^/]+)/*"}
_OPTIONS = {
    "local": set[str](),
    "kubeflow": {"runtime", "start_seconds"},
    "vertex": {option.name for option in fields(VertexOptions)},
}


class Place(Protocol):
    """A place where workers run."""

    def train(self, call: Call, workers: int) -> dict[str, Any]:
        """Trains, and ends the workers, in whatever way the training ends.

        Returns:
            The chief's `ExecutorOutput`; the outputs are where the call has them.

        Raises:
            TaskError: The training failed, for the reason that it gives.
        """


def open_place(workers_at: str) -> Place:
    """Returns the place that a URI names; connects to nothing.

    Raises:
        TaskError: It names none.
    """
    uri = urlsplit(workers_at or "local://")
    options = dict(parse_qsl(uri.query))
    names = re.fullmatch(_NAMES[uri.scheme], uri.netloc + uri.path) if uri.scheme in _NAMES else None
    if names is None:
        raise TaskError(f"workers_at is {redact(workers_at)!r:.80}; give {_FORMS}")
    check_options(options, sorted(_OPTIONS[uri.scheme]), "workers_at", uri.scheme)
    if uri.scheme == "vertex":
        from .vertex import Vertex

        return Vertex(names[1], names[2], VertexOptions.read(options))
    if uri.scheme == "kubeflow":
        from .kubeflow import Kubeflow

        seconds = read_number("start_seconds", options.get("start_seconds", str(START_SECONDS)), "seconds")
        return Kubeflow(names[1], options.get("runtime", "penstock"), seconds)
    from .here import Here

    return Here()
