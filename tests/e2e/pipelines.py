"""The small training pipeline on Kubeflow, and the InferenceService that it releases to."""

import re
import time
from functools import cached_property
from pathlib import Path
from typing import Any

from ..small_training import SmallTraining
from .cluster import Cluster
from .commands import bucket_files, types
from .kubeflow import Kubeflow, Ran
from .settings import Settings


class Pipelines:
    """Runs of compiled pipelines that release to one InferenceService.

    Args:
        kubeflow: Where they run.
        cluster: Where the model serves.
        settings: The tests' settings.
        bucket: A folder in the bucket.
        folder: A folder for data and modules.

    Attributes:
        destination: The destination's URI, as the pods see it.
        model: The name under which the model is served.
        registered: The name under which it is registered: no other session's, whose models' files are gone.
        rows: The rows' URI.
    """

    def __init__(self, kubeflow: Kubeflow, cluster: Cluster, settings: Settings, bucket: str, folder: Path) -> None:
        self.kubeflow, self.settings = kubeflow, settings
        self._cluster, self._bucket, self._folder = cluster, bucket, folder
        self.model = "e2e-run"
        self.registered = f"{self.model}-{cluster.id}"
        self.destination = self._destination(self.model)
        small = SmallTraining(folder, 0)
        bucket_files("put", folder, f"{bucket}/small")
        self._values = {
            name: value.replace(str(folder), f"{bucket}/small") if isinstance(value, str) else value
            for name, value in small.values().items()
        }
        self.rows = self._values["input_uri"]
        self._serves: Ran | None = None

    @cached_property
    def first(self) -> Ran:
        """The first run, which releases the first model."""
        return self._trained()

    def serving_first(self) -> None:
        """Makes sure that the first run's model serves."""
        assert self.first.code == 0, self.first.output
        if self._serves is not self.first:
            ran = self._trained()
            assert ran.code == 0, ran.output
            self._serves = self.first

    def train(self, **parameters: Any) -> Ran:
        """Runs the pipeline, with other values for some parameters."""
        ran = self._trained(**parameters)
        if ran.code == 0 and parameters:
            self._serves = ran
        return ran

    def start(self, **parameters: Any) -> str:
        """Starts the pipeline; returns the run."""
        self._serves = None
        return self.kubeflow.start("training", self._parameters(parameters))

    def control(self, action: str) -> Ran:
        """Runs promote_or_rollback."""
        given = {
            "destination": self.destination,
            "action": action,
            "model_name": self.registered,
            "tracking_uri": self._cluster.tracking_uri,
        }
        ran = self.kubeflow.submit("promote_or_rollback", given)
        self._serves = self.first if ran.code == 0 else None
        return ran

    def flights(self, folder: Path) -> Ran:
        """Runs the pipeline of the flights."""
        bucket_files("put", folder, f"{self._bucket}/flights")
        name = "e2e-flights"
        own = {"destination": self._destination(name), "model_name": f"{name}-{self._cluster.id}"}
        given = self._parameters({"input_uri": f"{self._bucket}/flights/*.parquet"} | own)
        of_place = ("input_uri", "destination", "model_name", "serving_options", "tracking_uri")
        return self.kubeflow.submit("flight_delay_training", {name: given[name] for name in of_place})

    def serves_its(self, ran: Ran) -> None:
        """Makes sure that what serves is what a run has released."""
        version = re.search(r"^version +(\S+)", ran.output, re.MULTILINE)
        assert version, ran.output
        done = types("status", self.destination, folder=self._folder, seconds=self.settings.timeout)
        assert (done.returncode, f"v{version[1]} " in done.stdout) == (0, True), done.stdout

    def until_shared(self, percent: int) -> None:
        """Waits until a candidate has a share of the traffic."""
        deadline = time.monotonic() + self.settings.run_seconds
        while True:
            done = types("status", self.destination, folder=self._folder, seconds=self.settings.timeout)
            if f"{percent} % of the traffic" in done.stdout:
                return
            assert time.monotonic() < deadline, done.stdout
            time.sleep(2)

    def _trained(self, **parameters: Any) -> Ran:
        ran = self.kubeflow.submit("training", self._parameters(parameters))
        if ran.code == 0 and self._serves is None:
            self._serves = ran
        return ran

    def _parameters(self, changed: dict[str, Any]) -> dict[str, Any]:
        account = {"service_account": self._cluster.service_account} if self._cluster.service_account else {}
        of_place = {
            "destination": self.destination,
            "model_name": self.registered,
            "serving_options": self.settings.serving_options | account,
            "tracking_uri": self._cluster.tracking_uri,
        }
        return self._values | of_place | changed

    def _destination(self, name: str) -> str:
        return (
            f"kserve://{self._cluster.namespace}/{name}?mode=standard&storage={self._bucket}/released&lease=10"
            f"&timeout={self.settings['TIMEOUT']}"
        )
