"""A standalone Flink cluster with two task managers."""

from collections import Counter
from pathlib import Path
from typing import Any

from ..ports import free_port
from .cluster import Cluster, ask

_SLOTS = 2  # so that one of the machines has room for all work
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
# A task manager that is started without Flink's scripts needs every share of its memory as an option. tf.Transform's pipelines need 512 buffers, and
# what Beam sends to its workers is in direct memory, which Flink counts as that of tasks.
_TASK_MANAGER = {
    "taskmanager.numberOfTaskSlots": str(_SLOTS),
    "taskmanager.cpu.cores": str(_SLOTS),
    "taskmanager.memory.framework.heap.size": "128m",
    "taskmanager.memory.task.heap.size": "640m",
    "taskmanager.memory.framework.off-heap.size": "128m",
    "taskmanager.memory.task.off-heap.size": "512m",
    "taskmanager.memory.managed.size": "256m",
    "taskmanager.memory.network.min": "1g",
    "taskmanager.memory.network.max": "1g",
    "taskmanager.memory.jvm-metaspace.size": "256m",
    "taskmanager.memory.jvm-overhead.min": "192m",
    "taskmanager.memory.jvm-overhead.max": "192m",
    "taskmanager.network.sort-shuffle.min-buffers": "64",
}


class Flink(Cluster):
    """A cluster whose machines are task managers."""

    title = "Flink"
    machines = ("one", "two")
    options = ["--parallelism=2"]
    _java = _JAVA

    def __init__(self, jars: Path, folder: Path) -> None:
        super().__init__(jars, folder)
        rpc, rest = free_port(), free_port()
        self._rest = f"{_RPC_HOST}:{rest}"
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

    def jobs(self) -> list[str]:
        """Returns the IDs of all jobs, in the order in which they started."""
        return [job["jid"] for job in sorted(self._ask("/jobs/overview")["jobs"], key=lambda job: job["start-time"])]

    def records(self, jobs: list[str]) -> Counter[str]:
        """Returns how many records each task manager has read or written for some jobs, as the cluster's REST API counts them."""
        counts: Counter[str] = Counter(dict.fromkeys(self.machines, 0))
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

    def _start_master(self) -> None:
        (self._folder / "tmp").mkdir()
        self._configuration.mkdir()
        (self._configuration / "config.yaml").touch()
        main = "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint"
        self._start_part("jobmanager", "-Xmx640m", main, _CLUSTER)

    def _start_machine(self, name: str) -> None:
        own = {"taskmanager.resource-id": name, "taskmanager.host": _RPC_HOST, "taskmanager.bind-host": _RPC_HOST}
        main = "org.apache.flink.runtime.taskexecutor.TaskManagerRunner"
        self._start_part(name, "-Xmx768m -XX:MaxDirectMemorySize=1792m", main, _CLUSTER | _TASK_MANAGER | own)

    def _start_job_server(self) -> None:
        main = "org.apache.beam.runners.flink.FlinkJobServerDriver"
        self._serve_jobs("-Xmx640m", main, f"--flink-master={self._rest}", f"--flink-conf-dir={self._configuration}")

    def _count_machines(self) -> int:
        try:
            return self._ask("/overview")["slots-total"] // _SLOTS
        except OSError:
            return 0

    def _ask(self, path: str) -> Any:
        return ask(self._rest, path)

    @property
    def _configuration(self) -> Path:
        return self._folder / "conf"

    def _start_part(self, name: str, memory: str, main: str, settings: dict[str, str]) -> None:
        given = [word for key, value in (self._common | settings).items() for word in ("-D", f"{key}={value}")]
        self._start(name, memory, main, "--configDir", str(self._configuration), *given)
