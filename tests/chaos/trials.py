"""Pushes of `second` with faults, on a site where `first` serves."""

import json
import shutil
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from penstock.components.release.registry import open_registry

from ..components.conftest import executor_input
from ..components.releasing import NAME, Push
from .pusher import Ended, Pusher
from .site import Boundaries, NoAnswer, Site

OLD, NEW = "first", "second"
UNKNOWN = "unknown"
# How long a push may take: time-outs of a step and of answers, both ways, calls that hang, a lease that expires, and a
# busy machine.
LONGEST_SECONDS = 300.0
_PAUSE_SECONDS = 0.02
_LAST_REQUESTS = 8
_CANARY = {"strategy": "canary", "traffic_steps": [50, 100], "bake_seconds": 0}
_WRONG = {"predictions": [[0.9], [0.9]]}


@dataclass(frozen=True)
class Run:
    """What a push left.

    Attributes:
        ended: How its process ended.
        outcome: Its outcome; empty if it gave none.
    """

    ended: Ended
    outcome: str


@dataclass(frozen=True)
class Seen:
    """What was observed of a push with a fault and the next one.

    Attributes:
        met: The call that the fault met; empty if it met none.
        faulty: The push with the fault.
        again: The push after it.
        answers: How many answers the clients got meanwhile, by model or error.
        between: The models that answered when the push with the fault had ended.
        last: The models that answered at the end.
        state: The destination's state at the end, as `control_release` writes it; empty without one.
        aliases: The model behind each alias of the registry.
        left_over: What is there besides the version that serves.
    """

    met: str
    faulty: Run
    again: Run
    answers: Counter[str]
    between: set[str]
    last: set[str]
    state: dict[str, Any]
    aliases: dict[str, str]
    left_over: list[str]


class Trials:
    """Pushes on one site, with its models and its registry."""

    def __init__(self, site: Site, models: Path, database: Path, folder: Path) -> None:
        """Pushes `first`.

        Args:
            site: An empty site.
            models: The folder of the models.
            database: An empty registry.
            folder: A folder of its own.
        """
        self.site = site
        self._models, self._folder, self._database = models, folder, folder / "mlflow.db"
        shutil.copy(database, self._database)
        registry = open_registry(NAME, f"sqlite:///{self._database}")
        fingerprints = {name: self._push(folder).fingerprint(name) for name in (OLD, NEW)}
        self._names = {fingerprint: name for name, fingerprint in fingerprints.items()}
        self._versions = {name: registry.register(fingerprint, str(models / name), {}) for name, fingerprint in fingerprints.items()}
        self._probes = {name: self._push(folder).probe(name) for name in (OLD, NEW)}
        first = self._run(folder, "old", OLD)
        assert first.outcome == "pushed", first
        self._await_answer()
        site.save()

    def record(self) -> list[str]:
        """Pushes `second` without a fault; returns the calls."""
        folder = self._restored("record")
        boundaries = Boundaries()
        self.site.inject("", boundaries, lambda: None)
        done = self._run(folder, "new", NEW)
        self.site.clear()
        assert done.outcome == "pushed", done
        return boundaries.calls

    def run_case(self, case: str, number: int, fault: str, *, is_wrong: bool) -> Seen:
        """Pushes `second` with a fault at one of its calls, then again without.

        Args:
            case: The name of the case, a folder's.
            number: Which call the fault meets, from 1.
            fault: The fault.
            is_wrong: Whether the model's answers differ from its probe.
        """
        folder = self._restored(case)
        boundaries = Boundaries(number, is_lasting=fault.endswith("-on"))
        pusher = self._pusher(folder, "faulty", NEW, is_wrong=is_wrong)
        self.site.inject(fault, boundaries, pusher.terminate if fault.startswith("term") else pusher.kill)
        with Clients(self) as clients:
            faulty = self._end(folder, "faulty", pusher)
            met = boundaries.met
            self.site.clear()
            between = self._ask_on()
            again = self._run(folder, "again", NEW, is_wrong=is_wrong)
        last, state = self._ask_on(), self._state(folder)
        seen = Seen(met, faulty, again, clients.answers, between, last, state, self._aliases(folder), self.site.left_over())
        shutil.rmtree(folder)
        return seen

    def who(self) -> str:
        """Asks what serves once; returns the model that answered, or the error."""
        try:
            rows = self.site.ask(self._probes[OLD]["instances"])
        except NoAnswer as error:
            return f"error {error}"
        return next((name for name in (OLD, NEW) if self._push(self._folder).answers_as(rows, name)), UNKNOWN)

    def name_of(self, release: dict[str, Any] | None) -> str:
        """Returns the model that a destination names."""
        return self._names.get(release["fingerprint"], UNKNOWN) if release else ""

    def _restored(self, case: str) -> Path:
        """Makes everything as it was when `first` had been pushed; returns a folder for what follows."""
        folder = self._folder / case
        folder.mkdir()
        shutil.copy(self._database, folder / "mlflow.db")
        self.site.restore()
        self._await_answer()
        return folder

    def _await_answer(self) -> None:
        deadline = time.monotonic() + LONGEST_SECONDS
        while (who := self.who()) != OLD:
            assert time.monotonic() < deadline, who
            time.sleep(_PAUSE_SECONDS)

    def _ask_on(self) -> set[str]:
        return {self.who() for _ in range(_LAST_REQUESTS)}

    def _push(self, folder: Path) -> Push:
        destination = self.site.destination(f"released/{folder.name}")
        parameters = {"tracking_uri": f"sqlite:///{folder / 'mlflow.db'}"}
        return Push(None, self._models, folder, destination, "", parameters)  # type: ignore[arg-type]

    def _pusher(self, folder: Path, run: str, name: str, *, is_wrong: bool = False) -> Pusher:
        push = self._push(folder)
        inputs = push.inputs(name, baseline="" if name == OLD else OLD, probe=_WRONG if is_wrong else None)
        values = push.values(model_version=self._versions[name], **_CANARY)
        return self._component("push_model", folder / run, values, inputs)

    def _component(self, name: str, folder: Path, values: dict[str, Any], inputs: dict[str, Any]) -> Pusher:
        folder.mkdir()
        return Pusher(name, json.dumps(executor_input(name, folder, values, inputs)), self.site.environment(), folder)

    def _run(self, folder: Path, run: str, name: str, *, is_wrong: bool = False) -> Run:
        return self._end(folder, run, self._pusher(folder, run, name, is_wrong=is_wrong))

    def _end(self, folder: Path, run: str, pusher: Pusher) -> Run:
        pusher.start()
        ended = pusher.wait(LONGEST_SECONDS)
        output = folder / run / "executor_output.json"
        return Run(ended, json.loads(output.read_text())["parameterValues"]["outcome"] if output.exists() else "")

    def _state(self, folder: Path) -> dict[str, Any]:
        pusher = self._component("control_release", folder / "status", self._push(folder).values(action="status"), {})
        pusher.start()
        pusher.wait(LONGEST_SECONDS)
        file = folder / "status" / "release_state" / "state.json"
        return json.loads(file.read_text()) if file.exists() else {}

    def _aliases(self, folder: Path) -> dict[str, str]:
        names = {version: name for name, version in self._versions.items()}
        found = open_registry(NAME, f"sqlite:///{folder / 'mlflow.db'}").aliases()
        return {alias: names.get(version, UNKNOWN) for alias, version in found.items()}


class Clients:
    """Sends requests to what serves for as long as the context lasts.

    Attributes:
        answers: The number of answers, by model or error.
    """

    def __init__(self, trials: Trials) -> None:
        """Sends the requests to the site of these trials."""
        self.answers: Counter[str] = Counter()
        self._trials = trials
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)

    def __enter__(self) -> "Clients":
        """Begins."""
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Ends."""
        self._stop.set()
        self._thread.join()

    def _ask(self) -> None:
        while not self._stop.wait(_PAUSE_SECONDS):
            try:
                self.answers[self._trials.who()] += 1
            except Exception as error:  # it must not go unseen
                self.answers[f"error {error!r}"] += 1
