"""What Penstock's model server does beside predicting, as serving options wherever that server runs: its log, its figures, its features."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from penstock.components.protocol import TaskError

from ..feature_service import FORM, FeatureService

URI, SAMPLE, KEY = "prediction_log", "prediction_log_sample", "prediction_log_key"
MONITORING, FEATURE_SERVICE = "monitoring", "feature_service"
OPTIONS = {URI, SAMPLE, KEY, MONITORING, FEATURE_SERVICE}
_SAMPLE = 0.1
_BUCKETS = ("gs://", "s3://")


@dataclass(frozen=True)
class ServerOptions:
    """What a push asks of Penstock's model server.

    Attributes:
        prediction_log: The folder or bucket in which it keeps some of its requests and answers; empty: it keeps none.
        prediction_log_sample: The share of the ids that it keeps, up to 1; 0 where it keeps none.
        prediction_log_key: The field of a request that is the id of its row, and is not given to the model; empty: the server makes ids of its own.
        monitoring: The folder or bucket of monitor_model's figures (its `monitoring_uri`), which the server shows; empty: none.
        feature_service: Where it gets features that requests lack, as `FeatureService` reads it; empty: nowhere.
    """

    prediction_log: str = ""
    prediction_log_sample: float = 0.0
    prediction_log_key: str = ""
    monitoring: str = ""
    feature_service: str = ""

    @classmethod
    def from_options(cls, options: dict[str, Any], *, in_container: bool = True) -> "ServerOptions":
        """Reads the serving options in `OPTIONS`, and no others.

        Args:
            options: The serving options.
            in_container: Whether the server runs in a container, whose own folders are lost with it.

        Raises:
            TaskError: An option has the wrong type, or the server does not reach the location.
        """
        sample, key = options.get(SAMPLE, _SAMPLE), options.get(KEY, "")
        uri, monitoring = (_location(name, options.get(name, ""), in_container) for name in (URI, MONITORING))
        if isinstance(sample, bool) or not isinstance(sample, (int, float)) or not 0 <= sample <= 1:
            raise TaskError(f"serving option {SAMPLE}={sample!r} is not a share of the requests; give a number from 0 to 1")
        if not isinstance(key, str):
            raise TaskError(f"serving option {KEY}={key!r} is not a string; give the name of a field of the requests")
        for name in (SAMPLE, KEY):
            if name in options and not uri:
                raise TaskError(f"serving option {name} needs {URI}; set it to the location for the requests")
        if not uri or not sample:
            uri, sample = "", 0.0
        return cls(uri, float(sample), key, monitoring, _feature_service(options.get(FEATURE_SERVICE, "")))

    def arguments(self) -> list[str]:
        """Returns the model server's command-line arguments."""
        return [word for each in fields(self) if (value := getattr(self, each.name)) for word in (f"--{each.name}", str(value))]

    def given(self) -> list[str]:
        """Returns the names of the options that no other server has."""
        return [name for name in (URI, MONITORING, FEATURE_SERVICE) if getattr(self, name)]

    def __str__(self) -> str:
        """Describes them, for messages."""
        key = f" in {self.prediction_log_key!r}" if self.prediction_log_key else ""
        log = f"at {self.prediction_log}, of {self.prediction_log_sample:g} of the ids{key}" if self.prediction_log else "nowhere"
        log += f", and shows monitor_model's figures at {self.monitoring}" if self.monitoring else ""
        return log + (f", and adds the features of {self.feature_service}" if self.feature_service else "")


def _feature_service(uri: Any) -> str:
    """Returns the URI of a feature service; empty if none is given."""
    if not isinstance(uri, str):
        raise TaskError(f"serving option {FEATURE_SERVICE}={uri!r} is not a string; give {FORM}")
    return FeatureService.from_uri(uri).uri if uri else ""


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
