"""From the parameter `workers_at` to the place where workers run."""

from typing import Any, Protocol
from urllib.parse import parse_qsl, urlsplit

from penstock.components.protocol import TaskError, redact

from .call import Call

_FORMS = "local:// or kubeflow://NAMESPACE"
_OPTIONS = {"local": set[str](), "kubeflow": {"runtime", "start_seconds"}}
_START_SECONDS = "1800"


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
    if uri.scheme not in _OPTIONS or uri.path.strip("/") or (uri.scheme == "kubeflow") != bool(uri.netloc):
        raise TaskError(f"workers_at is {redact(workers_at)!r:.80}; give {_FORMS}")
    if unknown := sorted(set(options) - _OPTIONS[uri.scheme]):
        known = ", ".join(sorted(_OPTIONS[uri.scheme])) or "none"
        raise TaskError(f"workers_at has the option {unknown[0]!r:.40}; {uri.scheme}:// has {known}")
    if uri.scheme == "local":
        from .here import Here

        return Here()
    from .kubeflow import Kubeflow

    seconds = options.get("start_seconds", _START_SECONDS)
    if not seconds.isdigit():
        raise TaskError(f"workers_at has start_seconds={seconds:.40}; give a whole number of seconds")
    return Kubeflow(uri.netloc, options.get("runtime", "penstock"), float(seconds))
