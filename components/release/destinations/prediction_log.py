"""The prediction log of Penstock's model server and its figures of monitor_model, as serving options wherever that server runs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penstock.components.protocol import TaskError

URI, SAMPLE, KEY = "prediction_log", "prediction_log_sample", "prediction_log_key"
MONITORING = "monitoring"
OPTIONS = {URI, SAMPLE, KEY, MONITORING}
_BUCKETS = ("gs://", "s3://")


@dataclass(frozen=True)
class PredictionLogOptions:
    """Where the model server keeps some of its requests and answers.

    Attributes:
        uri: A folder or a bucket; empty: it keeps none.
        sample: The share of the ids that it keeps, above 0 and up to 1.
        key: The field of a request that is the id of its row, and is not given to the model; empty: the server makes ids of its own.
        monitoring: The folder or bucket of monitor_model's figures (its `monitoring_uri`), which the server shows; empty: none.
    """

    uri: str = ""
    sample: float = 0.1
    key: str = ""
    monitoring: str = ""

    @classmethod
    def from_options(cls, options: dict[str, Any], *, in_container: bool = True) -> "PredictionLogOptions":
        """Reads the serving options `prediction_log`, `prediction_log_sample`, `prediction_log_key` and `monitoring`, and no others.

        Args:
            options: The serving options.
            in_container: Whether the server runs in a container, whose own folders are lost with it.

        Raises:
            TaskError: An option has the wrong type, or the server does not reach the location.
        """
        sample, key = options.get(SAMPLE, cls.sample), options.get(KEY, "")
        uri, monitoring = (_location(name, options.get(name, ""), in_container) for name in (URI, MONITORING))
        if isinstance(sample, bool) or not isinstance(sample, (int, float)) or not 0 <= sample <= 1:
            raise TaskError(f"serving option {SAMPLE}={sample!r} is not a share of the requests; give a number from 0 to 1")
        if not isinstance(key, str):
            raise TaskError(f"serving option {KEY}={key!r} is not a string; give the name of a field of the requests")
        for name in (SAMPLE, KEY):
            if name in options and not uri:
                raise TaskError(f"serving option {name} needs {URI}; set it to the location for the requests")
        if not uri or not sample:
            return cls(key=key, monitoring=monitoring)
        return cls(uri, float(sample), key, monitoring)

    def arguments(self) -> list[str]:
        """Returns the model server's command-line arguments."""
        log = ["--prediction_log", self.uri, "--prediction_log_sample", str(self.sample)] if self.uri else []
        log += ["--prediction_log_key", self.key] if self.key else []
        return log + (["--monitoring", self.monitoring] if self.monitoring else [])

    def __str__(self) -> str:
        """Describes the log, for messages."""
        log = f"at {self.uri}, of {self.sample:g} of the ids" + (f" in {self.key!r}" if self.key else "") if self.uri else "nowhere"
        return log + (f", and shows monitor_model's figures at {self.monitoring}" if self.monitoring else "")


def _location(name: str, uri: Any, in_container: bool) -> str:
    """Returns a folder or bucket; empty if none is given."""
    if not isinstance(uri, str):
        raise TaskError(f"serving option {name}={uri!r} is not a string; give the URI of a folder or bucket")
    if not uri or uri.startswith(_BUCKETS):
        return uri
    if in_container or "://" in uri:
        folder = "" if in_container else ", or a folder"
        raise TaskError(f"serving option {name}={uri!r} is not a location that the server reaches; give gs://… or s3://…{folder}")
    return str(Path(uri).absolute())
