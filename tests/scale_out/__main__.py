"""Runs the components on a Flink or Spark cluster of two machines, and compares what they make with what they make in one process.

python -m tests.scale_out                  prints the tables; exit code 1 if something differs that must not
python -m tests.scale_out --runner spark   on Spark instead of Flink
python -m tests.scale_out --times 1        with the flights table as it is, instead of ten times its rows
"""

import argparse
import json
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from penstock.errors import UserError
from penstock.local.envs import environment
from penstock.local.task_code import code_path

from . import network
from .cluster import Cluster, serve
from .comparing import Row, compare
from .flink import Flink
from .jars import jars
from .spark import Spark
from .steps import ON_BEAM, QUIET, STEPS, Run, Step, make_table, run

ROOT = Path(__file__).resolve().parents[2]
RUNNERS: dict[str, type[Cluster]] = {"flink": Flink, "spark": Spark}
# The component one of whose machines is killed, and in which of its jobs: the one that writes.
KILLED_IN = {"ingest_examples": 3}
# Between two stages of a job on a busy machine.
_WORKERS_STAY_MS = 600_000
_ENTRYPOINT = ROOT / "images" / "entrypoint.sh"


def main() -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.scale_out", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runner", choices=RUNNERS, default="flink", help="the cluster")
    parser.add_argument("--times", type=int, default=10, help="how many times the flights table")
    parser.add_argument("--rows", type=int, default=0, help="instead a sample of about so many rows, for a quick look")
    parser.add_argument(
        "--only", action="append", choices=ON_BEAM, help="run this component alone on the cluster; can be given several times"
    )
    parser.add_argument("--folder", type=Path, help="where to run; a scratch folder if not given")
    options = parser.parse_args()
    try:
        cluster_jars = jars(options.runner)
    except UserError as error:
        print(f"error: {error.message}", file=sys.stderr)
        return 1
    network.enter("tests.scale_out", sys.argv[1:])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the cluster ends with this process
    with tempfile.TemporaryDirectory(prefix="penstock-scale-out-") as scratch:
        folder = (options.folder or Path(scratch)).absolute()
        flights = make_table(folder / "flights", *(("sample", options.rows) if options.rows else ("repeat", options.times)))
        here = _in_process(flights, folder / "here")
        good = True
        with serve(RUNNERS[options.runner], cluster_jars, folder / options.runner) as cluster:
            for step in STEPS:
                if step.name in (options.only or ON_BEAM):
                    for row in _on_cluster(step, cluster, flights, folder / "there", here):
                        print(f"{'ok' if row.good else 'WRONG':<6}{row.task:<20} {row.what}: {row.found}", flush=True)
                        good = good and row.good
    return 0 if good else 1


def _in_process(flights: Path, folder: Path) -> dict[str, Run]:
    """Runs every step in one process."""
    made: dict[str, Run] = {}
    for step in STEPS:
        made[step.name] = run(step, folder, flights, made)
        print(f"{step.name} in one process: {made[step.name].seconds:.1f} s", flush=True)
    return made


def _on_cluster(step: Step, cluster: Cluster, flights: Path, folder: Path, here: dict[str, Run]) -> Iterator[Row]:
    """Runs a step on the cluster, with the same inputs, and yields how it went."""
    before = cluster.jobs()
    options = ["--runner=PortableRunner", f"--job_endpoint={cluster.job_endpoint}", *cluster.options, *_workers(step.family)]
    doomed = KILLED_IN.get(step.name)
    with _killing(cluster, len(before) + doomed - 1) if doomed else nullcontext():
        there = run(step, folder, flights, here, options)
    jobs = cluster.jobs()[len(before) :]
    print(f"{step.name} on {cluster.title}: {there.seconds:.1f} s, {len(jobs)} jobs", flush=True)
    records = cluster.records(jobs)
    counted = ", ".join(f"{name} {records[name]:,}" for name in cluster.machines)
    yield Row(step.name, "records of each machine", counted, "above 0", all(records[name] for name in cluster.machines))
    if doomed:
        retries = cluster.retries(jobs[doomed - 1 : doomed])
        yield Row(step.name, "tasks that began again after a machine was killed", str(retries), "above 0", retries > 0)
    yield from compare(step.name, here[step.name], there)


def _workers(family: str) -> list[str]:
    """Returns Beam's options for workers that are processes: what a container of the family starts, in the family's environment."""
    variables = {"PATH": f"{environment(family).python.parent}:/usr/bin:/bin", "PYTHONPATH": str(code_path())} | QUIET
    config = {"command": str(_ENTRYPOINT), "env": variables}
    return ["--environment_type=PROCESS", f"--environment_config={json.dumps(config)}", f"--environment_cache_millis={_WORKERS_STAY_MS}"]


@contextmanager
def _killing(cluster: Cluster, number: int) -> Iterator[None]:
    """Kills a machine in the middle of a job: the first that has counted a record. It is started again in the end.

    Args:
        cluster: The cluster.
        number: The job, as the cluster counts them.
    """
    killed: list[str] = []
    ended = threading.Event()

    def watch() -> None:
        while not killed and not ended.wait(0.5):
            name, records = cluster.records(cluster.jobs()[number:]).most_common(1)[0]
            if records:
                cluster.kill(name)
                killed.append(name)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()
        for name in killed:
            cluster.restart(name)


if __name__ == "__main__":
    sys.exit(main())
