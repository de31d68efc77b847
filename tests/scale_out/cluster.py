"""A cluster on this machine, each part a process of its own, and the job server that takes Beam's pipelines to it."""

import json
import os
import signal
import socket
import subprocess
import urllib.request
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from ..ports import free_port
from ..waiting import until

_START_SECONDS = 180


class Cluster(ABC):
    """A cluster of two machines, played by processes. `serve` starts one.

    Args:
        jars: The folder of its jars.
        folder: Where it works and logs.

    Attributes:
        title: Its name for people.
        machines: The names of the two.
        options: Beam's options for it.
        job_endpoint: The address of the job server.
    """

    title: ClassVar[str]
    machines: ClassVar[tuple[str, str]]
    options: ClassVar[list[str]] = []
    _java: ClassVar[list[str]]

    def __init__(self, jars: Path, folder: Path) -> None:
        self._jars, self._folder = jars, folder
        self._processes: dict[str, subprocess.Popen] = {}
        self.job_endpoint = ""

    def start(self) -> None:
        """Starts everything, and waits until work can be sent."""
        self._start_master()
        for name in self.machines:
            self._start_machine(name)
        self._start_job_server()
        self._wait()

    def restart(self, name: str) -> None:
        """Starts a machine that was killed, and waits until it takes work."""
        self._start_machine(name)
        self._wait()

    @abstractmethod
    def jobs(self) -> list[str]:
        """Returns the IDs of all jobs, in the order in which they started."""

    @abstractmethod
    def records(self, jobs: list[str]) -> Counter[str]:
        """Returns how many records each machine has read or written for some jobs, as the cluster counts them."""

    @abstractmethod
    def retries(self, jobs: list[str]) -> int:
        """Returns how many tasks of some jobs were begun again."""

    def kill(self, name: str) -> None:
        """Ends a machine, and what runs on it, as one that loses its power."""
        os.killpg(self._processes[name].pid, signal.SIGKILL)
        self._processes.pop(name).wait()

    def stop(self) -> None:
        """Ends everything; Beam's workers end with their machine."""
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()

    @abstractmethod
    def _start_master(self) -> None:
        """Starts what the machines report to."""

    @abstractmethod
    def _start_machine(self, name: str) -> None:
        """Starts a machine."""

    @abstractmethod
    def _start_job_server(self) -> None:
        """Starts the job server, by `_serve_jobs`."""

    @abstractmethod
    def _count_machines(self) -> int:
        """Returns how many machines take work; 0 as long as nobody answers."""

    def _serve_jobs(self, memory: str, main: str, *arguments: str) -> None:
        job, artifacts, expansion = free_port(), free_port(), free_port()
        self._start(
            "job-server",
            memory,
            main,
            "--job-host=localhost",
            f"--job-port={job}",
            f"--artifact-port={artifacts}",
            f"--expansion-port={expansion}",
            f"--artifacts-dir={self._folder / 'artifacts'}",
            *arguments,
        )
        self.job_endpoint = f"localhost:{job}"
        self._until(lambda: answers(job))

    def _start(self, name: str, java: str, main: str, *arguments: str, variables: dict[str, str] | None = None) -> None:
        command = [*self._java, *java.split(), "-cp", f"{self._jars}/*", main, *arguments]
        with self._log(name).open("ab") as log:
            self._processes[name] = subprocess.Popen(
                command, cwd=self._folder, stdout=log, stderr=log, start_new_session=True, env=os.environ | (variables or {})
            )

    def _log(self, name: str) -> Path:
        return self._folder / f"{name}.log"

    def _wait(self) -> None:
        self._until(lambda: self._count_machines() == len(self.machines))

    def _until(self, holds: Callable[[], bool]) -> None:
        """Waits for a condition as long as no part of the cluster ends."""
        until(lambda: self._alive() and holds(), _START_SECONDS)

    def _alive(self) -> bool:
        for name, process in self._processes.items():
            assert process.poll() is None, f"{name} has ended: {self._log(name).read_text()[-3000:]}"
        return True


def ask(address: str, path: str) -> Any:
    """Returns what a REST API of the cluster answers."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"http://{address}{path}", timeout=30) as answer:
        return json.load(answer)


def answers(port: int) -> bool:
    """Tells whether something listens on a port."""
    with socket.socket() as probe:
        return probe.connect_ex(("localhost", port)) == 0


@contextmanager
def serve(kind: type[Cluster], jars: Path, folder: Path) -> Iterator[Cluster]:
    """Gives a cluster that is ready; it and the workers that it has started end with the context.

    Args:
        kind: The cluster.
        jars: The folder of its jars.
        folder: Where it works and logs.
    """
    folder.mkdir(parents=True)
    cluster = kind(jars, folder)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
