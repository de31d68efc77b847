"""Releasing models to one destination as a pipeline does: through push_model and control_release."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from penstock.components.protocol import fingerprint

NAME = "flights"
# Making a client takes longer than an answer. A connection for each request: a server may have been started again meanwhile.
_CLIENT = httpx.Client(trust_env=False, timeout=60, limits=httpx.Limits(max_keepalive_connections=0))


@dataclass
class Push:
    """Pushes the models of a folder, each behind its own evidence.

    Attributes:
        run_task: What runs a component.
        models: The folder of the models: `<name>/model` beside `<name>/probe.json`.
        root: A folder of the test's own, for the evidence.
        destination: Where to.
        url: The URL that answers predictions there.
        parameters: What every push and every control_release is given.
        serving: The model of the last push that succeeded: the next one is compared with it, unless a test says otherwise.
    """

    run_task: Callable[..., Any]
    models: Path
    root: Path
    destination: str
    url: str
    parameters: dict[str, Any] = field(default_factory=dict)
    serving: str = ""

    def model(self, name: str) -> Path:
        return self.models / name / "model"

    def fingerprint(self, name: str) -> str:
        return fingerprint(self.model(name))

    def probe(self, name: str) -> dict[str, Any]:
        return json.loads((self.models / name / "probe.json").read_text())

    def evaluation(self, name: str, baseline: str | None = None, changes: dict[str, Any] | None = None) -> Path:
        """Makes an Evaluation that blesses a model over a Baseline (empty: over none; None: over the model that serves)."""
        compared = self.serving if baseline is None else baseline
        blessing = {
            "verdict": "blessed",
            "thresholds": [{"metric": "auc", "passed": True}],
            "model": {"fingerprint": self.fingerprint(name)},
            "baseline": {"fingerprint": self.fingerprint(compared), "version": ""} if compared else None,
        }
        return self._artifact(**{"blessing.json": blessing | (changes or {})})

    def serving_check(self, name: str, check: dict[str, Any] | None = None, probe: dict[str, Any] | None = None) -> Path:
        """Makes a serving check that a model has passed."""
        passed = {"verdict": "passed", "model": {"fingerprint": self.fingerprint(name)}}
        return self._artifact(**{"check.json": passed | (check or {}), "probe.json": self.probe(name) | (probe or {})})

    def inputs(
        self,
        name: str,
        *,
        baseline: str | None = None,
        changes: dict[str, Any] | None = None,
        check: dict[str, Any] | None = None,
        probe: dict[str, Any] | None = None,
    ) -> dict[str, Path]:
        """Returns push_model's inputs: the model and its evidence, which a test may change."""
        return {
            "model": self.model(name),
            "evaluation": self.evaluation(name, baseline, changes),
            "serving_check": self.serving_check(name, check, probe),
        }

    def values(self, **parameters: Any) -> dict[str, Any]:
        """Returns the parameters of a push or of control_release."""
        return {"destination": self.destination, "model_name": NAME} | self.parameters | parameters

    def __call__(self, name: str, *, subprocess: bool = False, parameters: dict[str, Any] | None = None, **evidence: Any) -> Any:
        done = self.run_task("push_model", self.values(**(parameters or {})), self.inputs(name, **evidence), subprocess=subprocess)
        if done.parameters.get("outcome") in ("pushed", "already_serving"):
            self.serving = name
        return done

    def control(self, action: str, *, subprocess: bool = False, **parameters: Any) -> Any:
        """Promotes, rolls back or asks by hand."""
        return self.run_task("control_release", self.values(action=action, **parameters), subprocess=subprocess)

    def ask(self, name: str) -> list[Any]:
        """Sends a model's known requests to what serves; returns the predictions."""
        error, predictions = self.post(self.probe(name)["instances"])
        assert error == ""
        return predictions

    def post(self, instances: list[Any]) -> tuple[str, list[Any]]:
        """Asks as any client does; returns what went wrong, if anything, and the predictions."""
        answer = _CLIENT.post(self.url, json={"instances": instances})
        return (f"error {answer.status_code}: {answer.text}", []) if answer.is_error else ("", answer.json()["predictions"])

    def serves(self, name: str) -> None:
        assert self.answers_as(self.ask(name), name)

    def answers_as(self, predictions: list[Any], name: str) -> bool:
        """Tells whether these are the answers of a model whose output is one probability."""
        return _flat(predictions) == pytest.approx(_flat(self.probe(name)["predictions"]), abs=1e-6)

    def _artifact(self, **files: dict[str, Any]) -> Path:
        folder = self.root / f"evidence-{time.monotonic_ns()}"
        folder.mkdir()
        for file, content in files.items():
            (folder / file).write_text(json.dumps(content))
        return folder


def _flat(predictions: list[Any]) -> list[float]:
    return [value for row in predictions for value in (row if isinstance(row, list) else [row])]
