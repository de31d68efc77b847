"""One InferenceService, released to as a pipeline does and asked as its clients do."""

import json
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

from penstock.components.protocol import fingerprint

from .cluster import Cluster
from .commands import Component, Done, types
from .settings import Settings

REGISTERED = "e2e-flights"
_ASK_SECONDS = 30
# For how long a gateway may follow a status, as its clients see it.
_SETTLE_SECONDS = 60.0
_LEASE_SECONDS = 10


@dataclass
class Service:
    """An InferenceService of a mode.

    Attributes:
        cluster: The cluster.
        settings: The tests' settings.
        mode: `standard` or `knative`.
        name: Its name.
        models: The folder of the models, `<name>/model` beside `<name>/probe.json`.
        folder: A folder for evidence, outputs and the registry.
        storage: Where models are copied to.
        serves: The model that the last push left serving.
        lacking: Why clients cannot ask from here; empty where they can.
    """

    cluster: Cluster
    settings: Settings
    mode: str
    name: str
    models: Path
    folder: Path
    storage: str
    serves: str = ""
    lacking: str = ""
    _versions: dict[str, str] = field(default_factory=dict)

    @property
    def destination(self) -> str:
        """The destination's URI."""
        options = {"mode": self.mode, "storage": self.storage, "lease": str(_LEASE_SECONDS), "timeout": self.settings["TIMEOUT"]}
        if self._gateway:
            options["gateway"] = self._gateway
        return f"kserve://{self.cluster.namespace}/{self.name}?" + "&".join(f"{key}={value}" for key, value in options.items())

    @property
    def options(self) -> dict[str, Any]:
        """The serving options of every push."""
        account = {"service_account": self.cluster.service_account} if self.cluster.service_account else {}
        return self.settings.serving_options | account

    def push(self, model: str, *, wrong: bool = False, **parameters: Any) -> Done:
        """Pushes a model behind its evidence.

        Args:
            model: `first` or `second`.
            wrong: Whether the evidence has other answers than the model's.
            parameters: push_model's.
        """
        done = self.pusher(model, wrong=wrong, **parameters).run(self.settings.run_seconds)
        assert "Traceback" not in done.output, done.output
        if done.parameters.get("outcome") in ("pushed", "already_serving"):
            self.serves = model
        return done

    def pusher(self, model: str, *, wrong: bool = False, **parameters: Any) -> Component:
        """Returns push_model's command."""
        given = {
            "destination": self.destination,
            "model_name": REGISTERED,
            "model_version": self._version(model),
            "serving_options": self.options,
            "tracking_uri": self.tracking_uri,
        }
        return Component("push_model", self.folder, given | parameters, self._evidence(model, wrong))

    def serving(self, model: str) -> None:
        """Makes sure that a model serves."""
        if self.serves != model:
            done = self.push(model)
            assert done.parameters.get("outcome") in ("pushed", "already_serving"), done.output

    def types(self, verb: str, *words: str) -> tuple[int, str]:
        """Types `penstock status`, `promote` or `rollback`; returns the exit code and the output."""
        tracking = () if verb == "status" else ("--tracking-uri", self.tracking_uri)
        done = types(verb, self.destination, *words, *tracking, folder=self.folder, seconds=self.settings.run_seconds)
        return done.returncode, done.stdout

    def answers_as(self, *models: str) -> None:
        """Makes sure that the destination says that one of these serves, and that clients get its answers and no others.

        A gateway may follow for a moment; after that every answer counts.
        """
        code, output = self.types("status")
        shown = [model for model in models if self.fingerprint(model)[:12] in _line(output, "serves")]
        assert (code, len(shown)) == (0, 1), output
        deadline = time.monotonic() + _SETTLE_SECONDS
        while (seen := self.asked(10)) and set(seen) != set(shown) and time.monotonic() < deadline:
            time.sleep(1)
        if seen:
            assert set(self.asked(20)) == set(shown), seen
        self.serves = shown[0]

    def asked(self, count: int) -> Counter[str]:
        """Asks as clients do; returns whose answers came, or what went wrong. Empty where this machine does not reach the service."""
        return Counter(filter(None, (self._ask() for _ in range(count))))

    def fingerprint(self, model: str) -> str:
        """Returns a model's fingerprint."""
        return fingerprint(self.models / model / "model")

    @property
    def tracking_uri(self) -> str:
        """The registry of these pushes."""
        return f"sqlite:///{self.folder}/mlflow.db"

    @property
    def _gateway(self) -> str:
        return self.settings["KNATIVE_GATEWAY" if self.mode == "knative" else "GATEWAY"].rstrip("/")

    def _ask(self) -> str:
        url = self.cluster.isvc(self.name).get("status", {}).get("url", "")
        host = urlsplit(url).netloc
        where, headers = (self._gateway, {"Host": host}) if self._gateway else (url, {})
        body = {"instances": self._probe("first")["instances"]}
        try:
            session = requests.Session()
            session.trust_env = False
            answer = session.post(f"{where}/v1/models/{self.name}:predict", json=body, headers=headers, timeout=_ASK_SECONDS)
        except requests.ConnectionError as error:
            if self._gateway:
                return f"no answer: {error}"
            self.lacking = f"{url or 'the service'} cannot be reached from here: set PENSTOCK_E2E_GATEWAY or PENSTOCK_E2E_KNATIVE_GATEWAY"
            return ""
        if not answer.ok:
            return f"error {answer.status_code}: {answer.text[:100]}"
        return next((model for model in ("first", "second") if self._is_of(model, answer.json()["predictions"])), "unknown")

    def _is_of(self, model: str, predictions: list[Any]) -> bool:
        known = self._probe(model)["predictions"]
        return all(abs(_number(one) - _number(other)) < 1e-4 for one, other in zip(known, predictions, strict=True))

    def _probe(self, model: str) -> dict[str, Any]:
        probe: dict[str, Any] = json.loads((self.models / model / "probe.json").read_text(encoding="utf-8"))
        return probe

    def _version(self, model: str) -> str:
        """Registers a model when it is needed first."""
        if model not in self._versions:
            parameters = {"model_name": REGISTERED, "tracking_uri": self.tracking_uri}
            done = Component("register_model", self.folder, parameters, self._evidence(model)).run(self.settings.timeout)
            assert done.code == 0, done.output
            self._versions[model] = done.parameters["version"]
        return self._versions[model]

    def _evidence(self, model: str, wrong: bool = False) -> dict[str, Path]:
        """Makes what evaluate_model and check_serving leave of a model that they have let pass."""
        of = {"model": {"fingerprint": self.fingerprint(model)}}
        baseline = {"fingerprint": self.fingerprint(self.serves), "version": ""} if self.serves else None
        probe = self._probe(model)
        if wrong:
            probe |= {"predictions": [[0.5] for _ in probe["predictions"]]}
        blessing = {"verdict": "blessed", "thresholds": [{"metric": "auc", "passed": True}], "baseline": baseline} | of
        return {
            "model": self.models / model / "model",
            "evaluation": self._artifact({"blessing.json": blessing}),
            "serving_check": self._artifact({"check.json": {"verdict": "passed"} | of, "probe.json": probe}),
        }

    def _artifact(self, files: dict[str, Any]) -> Path:
        folder = self.folder / f"evidence-{time.monotonic_ns()}"
        folder.mkdir(parents=True)
        for name, content in files.items():
            (folder / name).write_text(json.dumps(content), encoding="utf-8")
        return folder


def _line(output: str, name: str) -> str:
    return next((line for line in output.splitlines() if line.startswith(f"{name} ")), "")


def _number(value: Any) -> float:
    return float(value[0] if isinstance(value, list) else value)
