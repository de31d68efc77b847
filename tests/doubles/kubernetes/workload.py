"""The pods of one revision or one Deployment: what they do until a real model server stands behind them, and what goes wrong."""

import re
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..models import ModelDoesNotLoad, ModelServer, ModelServers
from . import webhook

Storage = Callable[[str], Path | None]
# The words of runc.
_NO_COMMAND = (
    "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: "
    'unable to start container process: exec: "{}": executable file not found in $PATH: unknown'
)


@dataclass
class Behavior:
    """How the pods of some models behave; the first in `double.behaviors` that matches counts, and may be changed at any time.

    Attributes:
        match: A part of the storage URI, of the image or of the revision's or Deployment's name; empty: all.
        ready_after: For how many seconds the pods start before they are ready.
        stale_for: For how many seconds after a change of the spec the controller has not looked: the old status stays.
        ready_though_broken: Whether the InferenceService is Ready although this revision is not.
        unscheduled: Why no node has room for the pods until they are ready, in the scheduler's words; empty: one has.
        pull_failure: Whether the image cannot be pulled.
        quota: The words of a quota that keeps the pods out, such as `exceeded quota: compute`; empty: none does.
        unresolved: Why Knative's controller cannot find out which digest the image's tag has, in its registry's words; empty: it can.
        crash: The last words of a container that crashes though the model would load; empty: it does not.
        serves: A model that is served instead of the one in the storage; None: no other.
        fails: The share of the predictions that are answered with 500, of 1.
        delay: By how many seconds each prediction is late.
        from_percent: From which share of the traffic on `serves`, `fails` and `delay` hold.
    """

    match: str = ""
    ready_after: float = 0.0
    stale_for: float = 0.0
    ready_though_broken: bool = False
    unscheduled: str = ""
    pull_failure: bool = False
    quota: str = ""
    unresolved: str = ""
    crash: str = ""
    serves: Path | None = None
    fails: float = 0.0
    delay: float = 0.0
    from_percent: int = 0


@dataclass(frozen=True)
class Trouble:
    """Why pods are not ready.

    Attributes:
        reason: The container's reason, such as `ImagePullBackOff`.
        message: What a person reads.
        exit_code: How the container ended; -1: it never ran.
        is_storage: Whether it is the storage initializer's.
    """

    reason: str
    message: str
    exit_code: int = -1
    is_storage: bool = False


def stored(models: Mapping[str, Path]) -> Storage:
    """Makes a storage of folders: the URI, or the start of it up to a `/`, and the folder that stands there."""

    def fetch(uri: str) -> Path | None:
        for prefix, folder in models.items():
            rest = uri.removeprefix(prefix)
            if (
                uri.startswith(prefix)
                and (not rest or prefix.endswith("/") or rest.startswith("/"))
                and (folder / rest.strip("/")).is_dir()
            ):
                return folder / rest.strip("/")
        return None

    return fetch


class Workload:
    """The pods of one pod template.

    Attributes:
        name: The revision's or the Deployment's name.
        pod: The name of the one pod that stands for all.
        template: What the pods are made from: `predictor`, `annotations`, `labels`.
        trouble: Why they are not ready; None if they are, or may become so.
        server: The model server; None before it is there.
    """

    def __init__(self, name: str, template: dict[str, Any], service: str, behavior: Behavior, fetch: Storage, servers: ModelServers):
        self.name = name
        self.pod = f"{name}-{uuid.uuid4().hex[:10]}"
        self.template = template
        self.behavior = behavior
        self.trouble: Trouble | None = None
        self.server: ModelServer | None = None
        self.requests = 0
        self.failures = 0
        self.counted_before: dict[str, float] = {}
        self._ready_at = 0.0
        self._has_ended = False
        self._fault: Exception | None = None
        self._service = service
        self._fetch = fetch
        self._servers = servers
        threading.Thread(target=self._run, daemon=True).start()

    @property
    def is_ready(self) -> bool:
        """Whether they answer.

        Raises:
            Exception: What has gone wrong here, and not in the pods that these stand for.
        """
        if self._has_ended:
            return False
        if self._fault:
            raise self._fault
        return self.server is not None and time.monotonic() >= self._ready_at

    def end(self) -> None:
        """Ends them: they no longer answer."""
        self._has_ended = True

    @property
    def labels(self) -> dict[str, str]:
        """Their labels, but for those that name what made them."""
        own = {"serving.kserve.io/inferenceservice": self._service, "component": "predictor"}
        return self.template["labels"] | (self.template["predictor"].get("labels") or {}) | own

    @property
    def annotations(self) -> dict[str, str]:
        """Their annotations: the InferenceService's, the predictor's, and where the storage initializer finds the model."""
        predictor = self.template["predictor"]
        stored = {"internal.serving.kserve.io/storage-initializer-sourceuri": webhook.storage_uri(predictor)}
        return self.template["annotations"] | (predictor.get("annotations") or {}) | stored

    @property
    def image(self) -> str:
        """The image of the container that serves."""
        return _image(self.template["predictor"])

    @property
    def model_name(self) -> str:
        """The name of the model in URLs: the one in the container's arguments, else the InferenceService's."""
        return (self._option("model_name") or self._service).replace("{{.Name}}", self._service)

    def _option(self, option: str) -> str:
        """Returns what the container's arguments say of an option; empty if nothing."""
        predictor = self.template["predictor"]
        container = (predictor.get("containers") or [predictor.get("model", {})])[0]
        words = " ".join([*(container.get("command") or []), *(container.get("args") or [])])
        match = re.search(rf"--{option}[= ](\S+)", words)
        return match[1] if match else ""

    def answers_with(self, percent: int) -> ModelServer | None:
        """Returns the server that answers at this share of the traffic; None if none does."""
        if not self.is_ready:
            return None
        other = self.behavior.serves
        return self._servers.get(other, self.model_name) if other and percent >= self.behavior.from_percent else self.server

    def fails_now(self, percent: int) -> bool:
        """Counts a prediction, and tells whether it is one of those that fail."""
        self.requests += 1
        share = self.behavior.fails if percent >= self.behavior.from_percent else 0.0
        fails = int(self.requests * share) > int((self.requests - 1) * share)
        self.failures += fails
        return fails

    def _run(self) -> None:
        try:
            self._start()
        except Exception as error:  # the client gets the error
            self._fault = error

    def _start(self) -> None:
        started = time.monotonic()
        uri = webhook.storage_uri(self.template["predictor"])
        behavior = self.behavior
        if behavior.quota:
            self.trouble = Trouble("FailedCreate", f'pods "{self.name}" is forbidden: {behavior.quota}')
        elif behavior.unresolved and "@" not in self.image:
            missing = f'Unable to fetch image "{self.image}": failed to resolve image to digest: {behavior.unresolved}'
            self.trouble = Trouble("ContainerMissing", missing)
        elif behavior.pull_failure:
            self.trouble = Trouble("ImagePullBackOff", f'Back-off pulling image "{self.image}": ErrImagePull: not found')
        elif behavior.crash:
            self.trouble = Trouble("CrashLoopBackOff", behavior.crash, exit_code=1)
        elif word := self._word_taken_for_a_command():
            self.trouble = Trouble("CrashLoopBackOff", _NO_COMMAND.format(word), exit_code=128)
        else:
            self._load(uri, started)

    def _word_taken_for_a_command(self) -> str:
        """Returns the first argument where the image is Penstock's, which starts no server without a command, and there is none; empty else."""
        containers = self.template["predictor"].get("containers") or [{}]
        is_penstocks = "penstock-serve" in self.image
        return next(iter(containers[0].get("args") or []), "") if is_penstocks and not containers[0].get("command") else ""

    def _load(self, uri: str, started: float) -> None:
        try:
            model = self._fetch(uri)
            if model is None:
                raise FileNotFoundError(uri)
            server = self._servers.get(model, self.model_name, self._option("fingerprint"))
            self.counted_before = server.counters()
        except OSError:  # it is not there, or is taken away just now
            missing = f"RuntimeError: Failed to fetch model. No model found in {uri}."
            self.trouble = Trouble("CrashLoopBackOff", missing, exit_code=1, is_storage=True)
        except ModelDoesNotLoad as failure:
            self.trouble = Trouble("CrashLoopBackOff", failure.log, failure.exit_code)
        else:
            self._ready_at = started + self.behavior.ready_after
            self.server = server


def behavior_of(behaviors: list[Behavior], name: str, predictor: dict[str, Any]) -> Behavior:
    """Returns the first behavior that matches."""
    texts = (name, webhook.storage_uri(predictor), _image(predictor))
    return next((one for one in behaviors if any(one.match in text for text in texts)), Behavior())


def _image(predictor: dict[str, Any]) -> str:
    container = (predictor.get("containers") or [predictor.get("model", {})])[0]
    return container.get("image") or f"kserve/{predictor.get('model', {}).get('modelFormat', {}).get('name', 'server')}:latest"
