"""Prometheus' programs as processes of a test."""

import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SECONDS = 60.0


@contextmanager
def running(command: list[str], port: int, folder: Path, *options: str) -> Iterator[str]:
    """Gives the URL of Prometheus, its Alertmanager or its Pushgateway, once it is ready.

    Args:
        command: The program's path, or a command that becomes it.
        port: A free port.
        folder: Where it works and logs.
        options: Its further options.
    """
    address = f"127.0.0.1:{port}"
    log = folder / f"{port}.log"
    with log.open("wb") as output:
        process = subprocess.Popen([*command, f"--web.listen-address={address}", *options], cwd=folder, stdout=output, stderr=output)
    try:
        _wait(process, f"http://{address}/-/ready", log)
        yield f"http://{address}"
    finally:
        process.kill()
        process.wait()


def _wait(process: subprocess.Popen, url: str, log: Path) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with opener.open(url, timeout=5):
                return
        except OSError:
            time.sleep(0.05)
    raise AssertionError(log.read_text())
