"""What `workers_at=vertex://PROJECT/LOCATION?...` says of a CustomJob's machines."""

import re
from dataclasses import dataclass, field
from typing import Any

from penstock.components.protocol import TaskError

from .options import START_SECONDS, read_number

# https://cloud.google.com/resource-manager/docs/labels-overview#requirements, without letters of other alphabets
_LABEL = re.compile(r"([a-z][a-z0-9_-]{0,62}):([a-z0-9_-]{0,63})")


@dataclass(frozen=True)
class VertexOptions:
    """The options.

    Attributes:
        machine_type: A machine type of Compute Engine.
        accelerator_type: One of Vertex AI's AcceleratorType, such as `NVIDIA_L4`; empty for none.
        accelerator_count: How many of them each worker has.
        strategy: One of Vertex AI's Scheduling.Strategy, in lower case, such as `spot`; empty for Vertex AI's own.
        service_account: Who the workers run as; empty for the service agent of Vertex AI's custom code.
        network: The VPC in which the workers have addresses, `projects/NUMBER/global/networks/NAME`; empty for none.
        encryption_key: The key of Cloud KMS that encrypts the job; empty for one of Google's.
        labels: The labels of the job.
        start_seconds: How long all workers may take until they run.
        api_endpoint: `HOST:PORT` to ask instead of `LOCATION-aiplatform.googleapis.com`.
    """

    machine_type: str = "n1-standard-4"
    accelerator_type: str = ""
    accelerator_count: int = 0
    strategy: str = ""
    service_account: str = ""
    network: str = ""
    encryption_key: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    start_seconds: int = START_SECONDS
    api_endpoint: str = ""

    @classmethod
    def read(cls, given: dict[str, str]) -> "VertexOptions":
        """Reads the options of a URI, whose names are known.

        Raises:
            TaskError: One has a value that it cannot have.
        """
        values: dict[str, Any] = dict(given)
        if "accelerator_count" in given:
            values["accelerator_count"] = read_number("accelerator_count", given["accelerator_count"], "accelerators")
        if "start_seconds" in given:
            values["start_seconds"] = read_number("start_seconds", given["start_seconds"], "seconds")
        if "labels" in given:
            values["labels"] = dict(map(_label, given["labels"].split(",")))
        return cls(**values)


def _label(text: str) -> tuple[str, str]:
    match = _LABEL.fullmatch(text)
    if match is None:
        raise TaskError(
            f"workers_at has the label {text!r:.80}; give labels=KEY:VALUE,KEY:VALUE of at most 63 lowercase letters, digits, `_` and `-` each"
        )
    return match[1], match[2]
