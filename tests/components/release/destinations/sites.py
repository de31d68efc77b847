"""A destination with everything around it: where its models come from, who asks it, who registers them."""

import json
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import fsspec
from google.cloud.aiplatform_v1.types import PredictResponse
from google.protobuf import json_format

from penstock.components.release.destinations import Current, parse
from penstock.components.release.registry import Registry, open_registry

from ....doubles.vertex.double import VertexDouble
from ....doubles.vertex.errors import ApiError
from ...conftest import component_process, executor_input
from ...releasing import NAME, Push

SITES = ("local", "kserve-standard", "kserve-knative", "vertex")
WAIT_SECONDS = 90.0
PAUSE_SECONDS = 0.5  # between samples of the answers or of the state, which take the core that the rollout needs


@dataclass
class Site(Push):
    """Pushes registered models to one destination.

    Attributes:
        registry: Where the models are registered.
        versions: The version of each registered model.
        can_shadow: Whether the destination mirrors traffic.
        counts_errors: Whether the destination has metrics of its own.
        kept: Where the versions' files are kept.
        copies: Whether the destination serves from copies of its own.
    """

    registry: Registry = None  # type: ignore[assignment]
    versions: dict[str, str] = field(default_factory=dict)
    can_shadow: bool = False
    counts_errors: bool = True
    kept: str = ""
    copies: bool = False

    def __call__(self, name: str, *, parameters: dict[str, Any] | None = None, **evidence: Any) -> Any:
        return super().__call__(name, parameters={"model_version": self.version(name)} | (parameters or {}), **evidence)

    def version(self, name: str) -> str:
        """Returns a model's version; it is registered when it is needed first."""
        if name not in self.versions:
            self.versions[name] = self.registry.register(self.fingerprint(name), str(self.model(name)), {})
        return self.versions[name]

    def champion(self, alias: str = "champion") -> str | None:
        """Returns the model behind an alias."""
        version = self.registry.aliases().get(alias)
        return next((name for name, known in self.versions.items() if known == version), None)

    def state(self) -> Current:
        """Asks the destination what it serves, with a reader's rights."""
        return parse(self.destination, NAME).current()

    def recorded(self) -> dict[str, str | None]:
        """Returns the names of the models that the destination itself says serve, and served before."""
        names = {self.fingerprint(name): name for name in self.versions}
        now = self.state()
        return {
            "serving": now.serving and names[now.serving.fingerprint],
            "previous": now.previous and names[now.previous.fingerprint],
        }  # type: ignore[dict-item]

    def set_mode(self, mode: str | None) -> None:
        """Changes how the fickle model answers: `0` right, any other number wrong, None with an error."""
        path = self.models / "fickle" / "mode"
        path.unlink(missing_ok=True)
        if mode is not None:
            path.write_text(mode)

    def damage(self, name: str) -> None:
        """Adds a file to what is kept of a model, which loads and answers all the same."""
        folder = f"{self.kept}/{self.version(name)}-{self.fingerprint(name)[:12]}/model"
        files, path = fsspec.core.url_to_fs(folder, **({"token": "anon"} if folder.startswith("gs://") else {}))
        assert files.exists(f"{path}/saved_model.pb")
        files.pipe_file(f"{path}/more", b"unapproved bytes")

    def fail_requests(self, count: int) -> None:
        """Sends requests at which the fickle model fails."""
        for _ in range(count):
            self.post([{"distance": -1.0, "carrier": "AA", "month": 1}])

    def serves_either(self, *names: str) -> None:
        assert any(self.answers_as(self.ask(name), name) for name in names)

    def wait(self, reached: Callable[[Current], bool]) -> None:
        """Waits until the destination has reached a state."""
        deadline = time.monotonic() + WAIT_SECONDS
        while not reached(self.state()):
            assert time.monotonic() < deadline, self.state()
            time.sleep(PAUSE_SECONDS)

    @contextmanager
    def when(self, reached: Callable[[Current], bool], act: Callable[[], None]) -> Iterator[None]:
        """Acts once the destination has reached a state, while the block goes on."""
        errors: list[BaseException] = []

        def watch() -> None:
            try:
                self.wait(reached)
                act()
            except BaseException as error:
                errors.append(error)

        thread = threading.Thread(target=watch)
        thread.start()
        try:
            yield
        finally:
            thread.join()
        assert errors == []

    @contextmanager
    def watching(self) -> Iterator[dict[int, Counter[str]]]:
        """Asks for as long as the block runs; gives whose answers came, by the share that the candidate had before and after."""
        shares: dict[int, Counter[str]] = {}
        before = self.state().percent

        def ask() -> None:
            nonlocal before
            seen = Counter(self.who() for _ in range(20))
            now = self.state().percent
            if now == before:
                shares.setdefault(now, Counter()).update(seen)
            before = now

        ask()  # what it was like before
        with again_and_again(ask, PAUSE_SECONDS):
            yield shares

    def asking(self, instances: list[Any]) -> AbstractContextManager[None]:
        """Asks for as long as the block runs, whatever the answers."""
        return again_and_again(lambda: self.post(instances), 0.005)  # errors are judged by the rate of many requests

    def who(self) -> str:
        """Asks once; returns the name of the model that answered."""
        error, predictions = self.post(self.probe("first")["instances"])
        known = (name for name in self.versions if self.answers_as(predictions, name))
        return error or next(known, "unknown")

    def start(self, name: str, parameters: dict[str, Any], output: int = subprocess.DEVNULL) -> subprocess.Popen:
        """Starts a push as a process of its own."""
        folder = self.root / f"process-{time.monotonic_ns()}"
        values = self.values(model_version=self.version(name), **parameters)
        spec = executor_input("push_model", folder, values, self.inputs(name))
        process = component_process("penstock.components.push_model", json.dumps(spec))
        return subprocess.Popen(**process, stdout=output, stderr=subprocess.DEVNULL, text=True)

    def kill(self, name: str, step: str) -> None:
        """Kills a canary push as it begins a step, such as `check at 25 %`."""
        process = self.start(
            name, {"strategy": "canary", "traffic_steps": [25, 100], "bake_seconds": 0 if "100" in step else 60}, subprocess.PIPE
        )
        with process.stdout:
            assert any(step in line for line in process.stdout)
            process.send_signal(signal.SIGKILL)
            process.stdout.read()  # until it has ended: it may be a fork of another one
        assert process.wait() == -signal.SIGKILL


@dataclass
class VertexSite(Site):
    """An endpoint of Vertex AI, which answers over gRPC.

    Attributes:
        vertex: Vertex AI.
    """

    vertex: VertexDouble = None  # type: ignore[assignment]

    def post(self, instances: list[Any]) -> tuple[str, list[Any]]:
        """Asks as any client does that may."""
        (endpoint,) = (endpoint.name for endpoint in self.vertex.endpoints() if endpoint.display_name == NAME)
        try:
            answer = self.vertex.predict(endpoint, instances)
        except ApiError as error:
            return f"error {error}", []
        return "", json_format.MessageToDict(PredictResponse.pb(answer))["predictions"]


@contextmanager
def again_and_again(act: Callable[[], Any], pause: float) -> Iterator[None]:
    """Acts in a thread of its own for as long as the block runs, with pauses of so many seconds."""
    stop = threading.Event()

    def run() -> None:
        while not stop.wait(pause):
            act()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def registered(tracking_uri: str) -> Registry:
    """Opens the registry of a test."""
    return open_registry(NAME, tracking_uri)


def make_broken(models: Path) -> None:
    """Adds a model that no server loads to a folder of models."""
    folder = models / "broken"
    if not folder.exists():
        (folder / "model").mkdir(parents=True)
        (folder / "model" / "saved_model.pb").write_bytes(b"this is no SavedModel")
        (folder / "probe.json").write_text((models / "first" / "probe.json").read_text())
