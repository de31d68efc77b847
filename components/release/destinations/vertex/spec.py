"""How a version is served on Vertex AI: the container of the Model, the machines of its deployment."""

from dataclasses import dataclass, field, fields
from typing import Any

from google.cloud.aiplatform_v1.types import (
    AcceleratorType,
    AutoscalingMetricSpec,
    DedicatedResources,
    EnvVar,
    MachineSpec,
    ModelContainerSpec,
)

from penstock.components.protocol import TaskError
from penstock.components.release.vertex import check_accelerator

from .. import server_options
from ..server_options import ServerOptions
from ..uri import check_options

# https://cloud.google.com/vertex-ai/docs/predictions/pre-built-containers
_PREBUILT = "{area}-docker.pkg.dev/vertex-ai/prediction/tf2-{kind}.2-15:latest"
_PREBUILT_AREAS = {"europe": "europe", "asia": "asia", "australia": "asia"}
_UTILIZATION = "aiplatform.googleapis.com/prediction/online/{}"
_CPU, _ACCELERATOR = _UTILIZATION.format("cpu/utilization"), _UTILIZATION.format("accelerator/duty_cycle")


@dataclass(frozen=True)
class Serving:
    """The serving options of Vertex AI.

    Attributes:
        machine_type: A machine type of Compute Engine.
        accelerator_type: One of Vertex AI's AcceleratorType, such as `NVIDIA_L4`; empty for none.
        accelerator_count: How many of them each machine has.
        min_replicas: How many machines there are at least; Vertex AI wants one.
        max_replicas: How many there are at most; 0 for as many as at least.
        scale_target: The utilization of CPU and accelerators, in percent, above which machines are added; 0 for Vertex AI's own.
        service_account: Who the server runs as; empty for one of Vertex AI's.
        image: A copy of Penstock's serve image, in Artifact Registry. Empty: Vertex AI's prebuilt TensorFlow container.
        server: What Penstock's server does besides (see `ServerOptions`).
    """

    machine_type: str = "n1-standard-2"
    accelerator_type: str = ""
    accelerator_count: int = 0
    min_replicas: int = 1
    max_replicas: int = 0
    scale_target: int = 0
    service_account: str = ""
    image: str = ""
    server: ServerOptions = field(default_factory=ServerOptions)

    @classmethod
    def from_options(cls, options: dict[str, Any]) -> "Serving":
        """Reads serving options.

        Raises:
            TaskError: One is unknown, or has a value that Vertex AI would refuse.
        """
        known = {each.name: type(each.default) for each in fields(cls) if each.name != "server"}
        check_options(options, {*known, *server_options.OPTIONS}, "vertex", "serving option")
        plain = {name: value for name, value in options.items() if name in known}
        for name, value in plain.items():
            if isinstance(value, bool) or not isinstance(value, known[name]):
                raise TaskError(f"serving option {name} is {value!r}; give a {'text' if known[name] is str else 'whole number'}")
        serving = cls(**plain, server=ServerOptions.from_options(options))
        serving._check()
        return serving

    def _check(self) -> None:
        check_accelerator(self.accelerator_type, self.accelerator_count, "serving option")
        if self.min_replicas < 1:
            raise TaskError(f"serving option min_replicas is {self.min_replicas}; Vertex AI cannot scale to zero; give 1 or more")
        if self.max_replicas and self.max_replicas < self.min_replicas:
            raise TaskError(f"serving option max_replicas is {self.max_replicas}, less than min_replicas={self.min_replicas}")
        if not 0 <= self.scale_target <= 100:
            raise TaskError(f"serving option scale_target is {self.scale_target}; give a percentage of 1 to 100")
        for name in self.server.given():
            if not self.image:
                raise TaskError(f"serving option {name} needs image, because Vertex AI's prebuilt container does not have it")

    def container(self, location: str, model_name: str, version: str = "", fingerprint: str = "") -> ModelContainerSpec:
        """Returns the serving container: the prebuilt one, or Penstock's server with the routes on which it answers.

        Source: https://cloud.google.com/vertex-ai/docs/predictions/custom-container-requirements

        Args:
            location: The region.
            model_name: The name under which Penstock's server knows the model.
            version: The model's version in the registry; empty if it has none.
            fingerprint: The fingerprint that Penstock's server requires to start. The prebuilt server does not support it.
        """
        if not self.image:
            kind = "gpu" if self.accelerator_count else "cpu"
            return ModelContainerSpec(image_uri=_PREBUILT.format(area=_PREBUILT_AREAS.get(location.partition("-")[0], "us"), kind=kind))
        return ModelContainerSpec(
            image_uri=self.image,
            command=["python", "-m", "penstock.server"],
            args=["--model_name", model_name, *(["--fingerprint", fingerprint] if fingerprint else []), *self.server.arguments()],
            env=[EnvVar(name="PENSTOCK_MODEL_VERSION", value=version)] if version else [],
            predict_route=f"/v1/models/{model_name}:predict",
            health_route="/v2/health/ready",
            ports=[{"container_port": 8080}],
        )

    def resources(self) -> DedicatedResources:
        """Returns the machines of one deployment."""
        metrics = [_CPU, _ACCELERATOR] if self.accelerator_count else [_CPU]
        machine = MachineSpec(machine_type=self.machine_type)
        if self.accelerator_count:
            machine.accelerator_type, machine.accelerator_count = AcceleratorType.__members__[self.accelerator_type], self.accelerator_count
        return DedicatedResources(
            machine_spec=machine,
            min_replica_count=self.min_replicas,
            max_replica_count=self.max_replicas or self.min_replicas,
            autoscaling_metric_specs=[
                AutoscalingMetricSpec(metric_name=name, target=self.scale_target) for name in metrics if self.scale_target
            ],
        )
