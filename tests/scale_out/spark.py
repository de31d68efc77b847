"""A standalone Spark cluster with two workers."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..ports import free_port
from .cluster import Cluster, answers, ask

_HOST = "localhost"
_CORES = 2  # so that one of the machines has room for all work
# What Spark's own scripts open of Java 17.
_OPENED = (
    *(f"java.{name}" for name in ("lang", "lang.invoke", "lang.reflect", "io", "net", "nio", "util")),
    *(f"java.util.concurrent{name}" for name in ("", ".atomic", ".locks")),
    *("jdk.internal.ref", "sun.nio.ch", "sun.nio.cs", "sun.security.action", "sun.util.calendar"),
)


class Spark(Cluster):
    """A cluster whose machines are Spark workers. Each job is an application with an executor on each of them."""

    title = "Spark"
    machines = ("127.0.0.1", "127.0.0.2")  # Spark knows machines by their addresses
    _java = ["java", *(f"--add-opens=java.base/{name}=ALL-UNNAMED" for name in _OPENED)]

    def __init__(self, jars: Path, folder: Path) -> None:
        super().__init__(jars, folder)
        self._master, self._ui = free_port(), free_port()
        self._events = folder / "events"

    def jobs(self) -> list[str]:
        """Returns the IDs of all applications, in the order in which they started."""
        return sorted({path.name.split(".")[0] for path in self._events.iterdir()})

    def records(self, jobs: list[str]) -> Counter[str]:
        """Returns how many records each worker's executors have read or written for some applications, as Spark's logs of events count them."""
        counts: Counter[str] = Counter(dict.fromkeys(self.machines, 0))
        for event in self._told(jobs, "SparkListenerTaskEnd"):
            metrics = event.get("Task Metrics") or {}
            if metrics:
                read, written = metrics["Shuffle Read Metrics"], metrics["Shuffle Write Metrics"]
                counts[event["Task Info"]["Host"]] += read["Total Records Read"] + written["Shuffle Records Written"]
        return counts

    def retries(self, jobs: list[str]) -> int:
        """Returns how many tasks of some applications were begun again."""
        tasks = self._told(jobs, "SparkListenerTaskStart")
        return sum(task["Stage Attempt ID"] + task["Task Info"]["Attempt"] > 0 for task in tasks)

    def _told(self, jobs: list[str], name: str) -> Iterator[dict[str, Any]]:
        for path in (path for path in self._events.iterdir() if path.name.split(".")[0] in jobs):
            whole = path.read_text(encoding="utf-8").rpartition("\n")[0]
            yield from (event for line in whole.splitlines() if (event := json.loads(line))["Event"] == name)

    def _start_master(self) -> None:
        self._events.mkdir()
        # Workers start executors by the jars of an installation of Spark.
        (self._folder / "jars").symlink_to(self._jars)
        given = ["--host", _HOST, "--port", str(self._master), "--webui-port", str(self._ui)]
        self._start("master", "-Xmx256m", "org.apache.spark.deploy.master.Master", *given)
        self._until(lambda: answers(self._master))

    def _start_machine(self, name: str) -> None:
        given = ["--host", name, "--webui-port", "0", "--work-dir", str(self._folder / name), "--cores", str(_CORES), "--memory", "1g"]
        variables = {"SPARK_HOME": str(self._folder), "SPARK_SCALA_VERSION": "2.12"}
        self._start(name, "-Xmx256m", "org.apache.spark.deploy.worker.Worker", *given, self._url, variables=variables)

    def _start_job_server(self) -> None:
        settings = {
            "spark.eventLog.enabled": "true",
            "spark.eventLog.dir": self._events.as_uri(),
            "spark.eventLog.buffer.kb": "1",
            "spark.driver.host": _HOST,
            "spark.ui.enabled": "false",
            "spark.executor.memory": "1g",
            "spark.cores.max": str(_CORES * len(self.machines)),
            "spark.default.parallelism": str(_CORES),
            # No task before both machines take some.
            "spark.scheduler.minRegisteredResourcesRatio": "1.0",
            "spark.local.dir": str(self._folder / "local"),
        }
        java = ["-Xmx768m", *(f"-D{name}={value}" for name, value in settings.items())]
        self._serve_jobs(" ".join(java), "org.apache.beam.runners.spark.SparkJobServerDriver", f"--spark-master-url={self._url}")

    @property
    def _url(self) -> str:
        return f"spark://{_HOST}:{self._master}"

    def _count_machines(self) -> int:
        try:
            return ask(f"{_HOST}:{self._ui}", "/json/")["aliveworkers"]
        except OSError:
            return 0
