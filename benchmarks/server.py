"""The model server by itself: how long it takes to start, and how many requests one client gets answered."""

import http.client
import json
import statistics
import subprocess
import time
from pathlib import Path

from rich.console import Console

from penstock.code import code_path
from penstock.envs import environment

from .ours import MODEL, Place, Run

_REQUESTS = 1000
_WARM_UP = 50
_ROWS = (1, 100)
_PATIENCE = 120.0


def compare(place: Place, run: Run, folder: Path, console: Console) -> None:
    """Starts the server that a run pushed to, and prints seconds to the first answer, memory, requests per second, latency.

    Args:
        place: Where the run pushed to.
        run: A run that pushed.
        folder: Where the server's log goes.
        console: Where to print.
    """
    instance = json.loads((run.evaluation / "probe.json").read_text(encoding="utf-8"))["instances"][0]
    place.stop()
    command = [environment("serve").python, code_path(), "penstock.server", place.serving, "--port", place.port]
    started = time.perf_counter()
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(list(map(str, command)), stdout=log, stderr=subprocess.STDOUT)
    client = _connect(place.port)
    _ask(client, [instance])
    seconds = time.perf_counter() - started
    console.print(f"model server: {seconds:.1f} s from start to the first answer", highlight=False)
    for rows in _ROWS:
        times = [_ask(client, [instance] * rows) for _ in range(_WARM_UP + _REQUESTS)][_WARM_UP:]
        per_second, median = len(times) / sum(times), statistics.median(times) * 1000
        console.print(f"  one client, {rows} rows per request: {per_second:.0f} requests/s, median {median:.1f} ms", highlight=False)
    console.print(f"  peak memory: {_peak_mib(server.pid):.0f} MiB\n", highlight=False)
    client.close()
    place.stop()
    server.wait()


def _connect(port: int) -> http.client.HTTPConnection:
    """Connects as soon as somebody listens; the answer may take as long as the server takes to load the model."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE)
        try:
            client.connect()
            return client
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def _ask(client: http.client.HTTPConnection, instances: list[dict]) -> float:
    """Returns the seconds that a prediction took."""
    started = time.perf_counter()
    client.request("POST", f"/v1/models/{MODEL}:predict", json.dumps({"instances": instances}), {"Content-Type": "application/json"})
    answer = client.getresponse()
    body = answer.read()
    if answer.status != http.client.OK:
        raise SystemExit(f"error: the model server answered {answer.status}: {body.decode(errors='replace')[:200]}")
    return time.perf_counter() - started


def _peak_mib(pid: int) -> float:
    """The largest resident set of a process so far, as the kernel counted it."""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(fields["VmHWM"].split()[0]) / 1024
