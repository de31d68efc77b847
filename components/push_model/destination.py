"""Where a model can be pushed to, and the five verbs that every such place has."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qsl, unquote, urlsplit

from penstock.components.runtime import TaskError
from penstock.components.runtime.serving import Release

DEFAULT_PORT = 8501
_MODEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


class StepFailed(Exception):
    """A step of a rollout that went wrong at the destination: a reason to roll back."""


@dataclass(frozen=True)
class Current:
    """What a destination serves.

    Attributes:
        serving: What serves now; None if nothing does.
        previous: What served before it, and would after a rollback; None if nothing did.
    """

    serving: Release | None
    previous: Release | None


class Destination(Protocol):
    """A place where one model serves. Use it as a context manager: nobody else pushes there meanwhile.

    Attributes:
        url: The URL that answers predictions.
        stop_command: The command that ends the serving.
    """

    url: str
    stop_command: str

    def __enter__(self) -> "Destination":
        """Keeps other pushes out.

        Raises:
            TaskError: Another push is under way.
        """

    def __exit__(self, *_: Any) -> None:
        """Lets other pushes in."""

    def current(self) -> Current:
        """Returns what serves now, and clears away what an interrupted push has left."""

    def stage(self, model: Path, release: Release) -> None:
        """Puts a model beside the one that serves, whole and loaded, without traffic.

        Raises:
            StepFailed: The model does not load, or does not answer.
            TaskError: The destination itself is in no state to take a model; nothing was changed.
        """

    def shift(self, percent: int) -> None:
        """Gives the staged model this share of the traffic; at 100 it is what serves, and the one before the rollback point.

        Raises:
            StepFailed: It did not take the traffic.
        """

    def probe(self, instances: list[Any]) -> list[Any]:
        """Returns the predictions of the staged model, or of the one that serves if none is staged.

        Raises:
            StepFailed: It does not answer.
        """

    def rollback(self) -> Release | None:
        """Takes the staged model away, or, if none is staged, goes back to the version before.

        Returns:
            What serves then; None if nothing does.

        Raises:
            StepFailed: It does not serve.
        """


def parse(destination: str, model_name: str) -> Destination:
    """Finds the destination that a URI names.

    Args:
        destination: `local://DIR?port=8501`; a relative DIR is relative to the working directory.
        model_name: The name under which the model serves there.

    Raises:
        TaskError: The scheme, the folder, the port or the name is none.
    """
    if not _MODEL_NAME.fullmatch(model_name):
        raise TaskError(f"model_name {model_name!r} cannot be part of a URL: use letters, digits, '-', '_' and '.'")
    uri = urlsplit(destination)
    if uri.scheme != "local":
        raise TaskError(f"destination {destination!r} has an unknown scheme; give local://DIR?port={DEFAULT_PORT}")
    options = dict(parse_qsl(uri.query, keep_blank_values=True))
    port = options.pop("port", str(DEFAULT_PORT))
    if options or uri.fragment:
        raise TaskError(f"destination {destination!r} has options that local:// does not know; it takes port only")
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise TaskError(f"destination {destination!r} has no valid port: give a number from 1 to 65535")
    folder = unquote(uri.netloc + uri.path)
    if not folder:
        raise TaskError(f"destination {destination!r} names no folder; give local://DIR?port={port}")
    from .local import LocalDestination

    return LocalDestination(Path(folder).absolute(), int(port), model_name)
