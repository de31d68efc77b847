"""A standalone Flink cluster, each part a process of its own, and the job server that takes Beam's pipelines to it."""

import json
import os
import signal
import subprocess
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..ports import free_port
from ..waiting import until

TASK_MANAGERS = ("one", "two")
_SLOTS = 2  # so that one of the task managers has room for all work
_START_SECONDS = 180
_RPC_HOST = "localhost"
# What Flink's own configuration opens of Java 17.
_EXPORTED = ("java.base/sun.net.util", "java.rmi/sun.rmi.registry", "java.security.jgss/sun.security.krb5")
_OPENED = (
    *("lang", "lang.invoke", "lang.reflect", "io", "net", "nio", "text", "time", "util"),
    *("util.concurrent", "util.concurrent.atomic", "util.concurrent.locks"),
)
_JAVA = [
    "java",
    *(f"--add-exports={name}=ALL-UNNAMED" for name in _EXPORTED),
    *(f"--add-opens=java.base/java.{name}=ALL-UNNAMED" for name in _OPENED),
    "--add-opens=java.base/sun.nio.ch=ALL-UNNAMED",
]
_CLUSTER = {
    "jobmanager.memory.process.size": "1600m",
    "restart-strategy.type": "fixed-delay",
    "restart-strategy.fixed-delay.attempts": "5",
    "restart-strategy.fixed-delay.delay": "1 s",
    "taskmanager.load-balance.mode": "SLOTS",
    "metrics.fetcher.update-interval": "500",
    "heartbeat.interval": "2000",
    "heartbeat.timeout": "40000",
}
# A task manager that is started without Flink's scripts needs every share of its memory as an option. tf.Transform's pipelines need 512 buffers.
_TASK_MANAGER = {
    "taskmanager.numberOfTaskSlots": str(_SLOTS),
    "taskmanager.cpu.cores": str(_SLOTS),
    "taskmanager.memory.framework.heap.size": "128m",
    "taskmanager.memory.task.heap.size": "640m",
    "taskmanager.memory.framework.off-heap.size": "128m",
    "taskmanager.memory.task.off-heap.size": "0",
    "taskmanager.memory.managed.size": "256m",
    "taskmanager.memory.network.min": "1g",
    "taskmanager.memory.network.max": "1g",
    "taskmanager.memory.jvm-metaspace.size": "256m",
    "taskmanager.memory.jvm-overhead.min": "192m",
    "taskmanager.memory.jvm-overhead.max": "192m",
    "taskmanager.network.sort-shuffle.min-buffers": "64",
}


class Flink:
    """A cluster with two task managers. `serve` starts one.

    Attributes:
        master: The address of its REST API.
        job_endpoint: The address of the job server.
    """

    def __init__(self, jars: Path, folder: Path) -> None:
        self._jars, self._folder = jars, folder
        rpc, rest = free_port(), free_port()
        self.master = f"{_RPC_HOST}:{rest}"
        self._common = {
            "jobmanager.rpc.address": _RPC_HOST,
            "jobmanager.rpc.port": str(rpc),
            "jobmanager.bind-host": _RPC_HOST,
            "rest.address": _RPC_HOST,
            "rest.bind-address": _RPC_HOST,
            "rest.port": str(rest),
            "rest.bind-port": str(rest),
            "blob.server.port": str(free_port()),
            "io.tmp.dirs": str(folder / "tmp"),
        }
        self._processes: dict[str, subprocess.Popen] = {}
        self.job_endpoint = ""

    def start(self) -> None:
        """Starts everything, and waits until work can be sent."""
        (self._folder / "tmp").mkdir(parents=True)
        (self._folder / "conf").mkdir()
        (self._folder / "conf" / "config.yaml").touch()
        self._start(
            "jobmanager", "-Xmx640m", "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint", self._common | _CLUSTER
        )
        for name in TASK_MANAGERS:
            self.start_task_manager(name)
        job, artifacts, expansion = free_port(), free_port(), free_port()
        self._start(
            "job-server",
            "-Xmx640m",
            "org.apache.beam.runners.flink.FlinkJobServerDriver",
            {},
            f"--flink-master={self.master}",
            f"--flink-conf-dir={self._folder / 'conf'}",
            "--job-host=localhost",
            f"--job-port={job}",
            f"--artifact-port={artifacts}",
            f"--expansion-port={expansion}",
            f"--artifacts-dir={self._folder / 'artifacts'}",
        )
        self.job_endpoint = f"localhost:{job}"
        until(lambda: self._alive() and self.slots() == _SLOTS * len(TASK_MANAGERS), _START_SECONDS)
        until(lambda: self._alive() and "JobService started" in self._log("job-server").read_text(), _START_SECONDS)

    def start_task_manager(self, name: str) -> None:
        """Starts a task manager; after `kill` again."""
        own = {"taskmanager.resource-id": name, "taskmanager.host": _RPC_HOST, "taskmanager.bind-host": _RPC_HOST}
        main = "org.apache.flink.runtime.taskexecutor.TaskManagerRunner"
        self._start(name, "-Xmx768m -XX:MaxDirectMemorySize=1280m", main, self._common | _CLUSTER | _TASK_MANAGER | own)

    def kill(self, name: str) -> None:
        """Ends a task manager as a machine does that loses its power."""
        self._processes[name].send_signal(signal.SIGKILL)
        self._processes.pop(name).wait()

    def stop(self) -> None:
        """Ends everything; Beam's workers end with their task manager."""
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()

    def slots(self) -> int:
        """Returns for how many tasks the cluster has room; 0 as long as it does not answer."""
        try:
            return self._ask("/overview")["slots-total"]
        except OSError:
            return 0

    def jobs(self) -> list[str]:
        """Returns the IDs of all jobs, in the order in which they started."""
        return [job["jid"] for job in sorted(self._ask("/jobs/overview")["jobs"], key=lambda job: job["start-time"])]

    def records(self, jobs: list[str]) -> Counter[str]:
        """Returns how many records each task manager has read or written for some jobs, as the cluster's REST API counts them."""
        counts: Counter[str] = Counter(dict.fromkeys(TASK_MANAGERS, 0))
        for job in jobs:
            for vertex in self._ask(f"/jobs/{job}")["vertices"]:
                if not vertex["metrics"]["read-records"] + vertex["metrics"]["write-records"]:
                    continue  # there are hundreds
                for one in self._ask(f"/jobs/{job}/vertices/{vertex['id']}/taskmanagers")["taskmanagers"]:
                    counts[one["taskmanager-id"]] += one["metrics"]["read-records"] + one["metrics"]["write-records"]
        return counts

    def retries(self, jobs: list[str]) -> int:
        """Returns how many tasks of some jobs were begun again."""
        vertices = [(job, vertex["id"]) for job in jobs for vertex in self._ask(f"/jobs/{job}")["vertices"]]
        return sum(task["attempt"] for job, vertex in vertices for task in self._ask(f"/jobs/{job}/vertices/{vertex}")["subtasks"])

    def _ask(self, path: str) -> dict[str, Any]:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://{self.master}{path}", timeout=30) as answer:
            return json.load(answer)

    def _start(self, name: str, memory: str, main: str, settings: dict[str, str], *arguments: str) -> None:
        given = [word for key, value in settings.items() for word in ("-D", f"{key}={value}")]
        if settings:
            given = ["--configDir", str(self._folder / "conf"), *given]
        command = [*_JAVA, *memory.split(), "-cp", f"{self._jars}/*", main, *given, *arguments]
        with self._log(name).open("ab") as log:
            self._processes[name] = subprocess.Popen(
                command, cwd=self._folder, stdout=log, stderr=log, start_new_session=True, env=os.environ
            )

    def _log(self, name: str) -> Path:
        return self._folder / f"{name}.log"

    def _alive(self) -> bool:
        for name, process in self._processes.items():
            assert process.poll() is None, f"{name} has ended: {self._log(name).read_text()[-3000:]}"
        return True


@contextmanager
def serve(jars: Path, folder: Path) -> Iterator[Flink]:
    """Gives a cluster that is ready; it and the workers that it has started end with the context.

    Args:
        jars: The folder of its jars.
        folder: Where it works and logs.
    """
    flink = Flink(jars, folder)
    try:
        flink.start()
        yield flink
    finally:
        flink.stop()
