"""Workers that are processes of this machine: started together, followed, and ended together."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from penstock.components.protocol import TaskError
from penstock.components.protocol.ending import TERMINATED, exit_in
from penstock.components.protocol.logs import say
from penstock.components.protocol.marks import error_in
from penstock.components.training.gpus import visible_gpus
from penstock.components.training.team import TF_CONFIG, tf_config

from . import ENDED
from .call import Call
from .chief import pass_on

_HOST = "127.0.0.1"
# Below the ephemeral ports: nothing gets one of these by chance before its worker listens on it.
_PORTS = range(20_000, 32_000)
_POLL_SECONDS = 0.1
_END_SECONDS = 10.0
# Workers that are asked to end save their state first. Whoever ends the task ends these with it, when its own patience is at an end.
_SAVE_SECONDS = 600.0
_KEPT_LINES = 200


class Here:
    """Processes of this machine, which share its GPUs."""

    def train(self, call: Call, workers: int) -> dict[str, Any]:
        """Trains; see `Place`."""
        with tempfile.TemporaryDirectory(prefix="penstock-workers-") as folder:
            output = Path(folder) / "output.json"
            text = json.dumps(call.executor_input(lambda _, artifact: str(artifact.path), str(output)))
            addresses = [f"{_HOST}:{port}" for port in _free_ports(workers)]
            devices = _shares_of(visible_gpus(), workers)
            started: list[_Process] = []
            try:
                for index in range(workers):
                    variables = devices[index] | {TF_CONFIG: tf_config(addresses, index)}
                    started.append(_Process(index, workers, text, variables))
                _wait(started)
            except BaseException as error:
                _end(started, _SAVE_SECONDS if exit_in(error) and call.values.get("checkpoint_uri") else _END_SECONDS)
                raise
            return json.loads(output.read_text(encoding="utf-8"))


class _Process:
    """A worker, and what it prints: the chief's lines go on as they are, as they tell how the training goes."""

    def __init__(self, index: int, workers: int, executor_input: str, variables: dict[str, str]) -> None:
        self.name = f"worker {index} of {workers}"
        self._is_chief = index == 0
        self._lines: deque[str] = deque(maxlen=_KEPT_LINES)
        command = [sys.executable, "-m", f"{__package__}", "--executor_input", executor_input]
        self.process = subprocess.Popen(
            command,
            env=os.environ | variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="backslashreplace",
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._pass_on, daemon=True)
        self._reader.start()

    def _pass_on(self) -> None:
        assert self.process.stdout
        for line in map(str.rstrip, self.process.stdout):
            self._lines.append(line)
            if self._is_chief:
                pass_on(line)
            else:
                say(f"[{self.name}] {line}")

    def failure(self) -> str:
        """Returns why it failed, as it says itself or as its end does."""
        self._reader.join(_END_SECONDS)
        code = self.process.returncode
        if given := error_in(self._lines):
            return f"{self.name}: {given}"
        if code == TERMINATED:
            return f"{self.name} {ENDED}"
        if code < 0:
            return f"{self.name} was ended by {signal.Signals(-code).name}; give the task more memory, or see who ended the process"
        last = next((line for line in reversed(self._lines) if line.strip()), "it printed nothing")
        return f"{self.name} ended with exit code {code}: {last}; see its lines in the log"


def _wait(started: Sequence[_Process]) -> None:
    """Waits until all have ended well. The first that fails is the reason: the others fail because it is gone."""
    while True:
        codes = [each.process.poll() for each in started]
        if failed := next((each for each, code in zip(started, codes, strict=True) if code), None):
            raise TaskError(failed.failure())
        if None not in codes:
            return
        time.sleep(_POLL_SECONDS)


def _end(started: Sequence[_Process], seconds: float) -> None:
    """Ends what still runs, with all that it has started: first in the way that lets it clean up."""
    running = [each.process for each in started if each.process.poll() is None]
    for process in running:
        os.killpg(process.pid, signal.SIGTERM)
    deadline = time.monotonic() + seconds
    for process in running:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _free_ports(count: int) -> list[int]:
    """Returns ports that nothing listens on."""
    found: list[int] = []
    # Not the generator that a run's seed seeds: two runs with one seed need different ports.
    for port in random.SystemRandom().sample(_PORTS, len(_PORTS)):
        with socket.socket() as probe:
            try:
                probe.bind((_HOST, port))
            except OSError:
                continue
        found.append(port)
        if len(found) == count:
            return found
    raise TaskError(f"there are no {count} free ports from {_PORTS[0]} to {_PORTS[-1]} for the workers; end what listens there")


def _shares_of(gpus: list[str], workers: int) -> list[dict[str, str]]:
    """Returns the variables that give each worker GPUs of its own.

    Raises:
        TaskError: They cannot have equally many, as the strategy wants it.
    """
    if not gpus:
        return [{}] * workers
    if len(gpus) % workers:
        raise TaskError(f"workers is {workers}, but there are {len(gpus)} GPUs to share equally; give a number of workers that divides it")
    size = len(gpus) // workers
    return [{"CUDA_VISIBLE_DEVICES": ",".join(gpus[index * size : (index + 1) * size])} for index in range(workers)]
