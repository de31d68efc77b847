"""Features in a Redis that runs on this machine: the component writes them, and Feast's client reads them."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ..feature_repositories import DELAYS, SETTINGS, at, make_repository
from .test_task import NAME, apply, online

WINDOW = {"start_time": "2026-11-01", "end_time": "2026-11-04"}


@pytest.fixture(scope="module")
def redis(free_ports: Callable[[], int], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Redis."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("redis-server is not installed (Debian's package redis-server)")
    port = free_ports()
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path_factory.mktemp("redis"))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert any("Ready to accept connections" in line for line in server.stdout)
        yield f"127.0.0.1:{port}"
        server.terminate()


def make(tmp_path: Path, address: str) -> Path:
    """Makes a repository whose online store is at an address, after `feast apply`."""
    store = f"online_store: {{type: redis, connection_string: '{address}'}}"
    settings = "\n".join(store if line.startswith("online_store") else line for line in SETTINGS.splitlines())
    repository = make_repository(tmp_path / "features", settings)
    apply(repository)
    return repository


@pytest.mark.slow
def test_what_is_written_is_read(redis: str, run_task: Callable[..., Any], tmp_path: Path) -> None:
    repository = make(tmp_path, redis)
    given = {"feature_repository": str(repository)} | WINDOW
    result = run_task(NAME, given)
    assert result.code == 0, result.error
    assert result.parameters == {"rows": 3}
    assert online(repository) == (70, 2.5)
    assert online(repository, tail="N2", origin="LGA") == (-3, None)

    corrected = {"tail": "N1", "landed": at(2, 10), "reported": at(6), "delay": 71}
    later = {"tail": "N2", "landed": at(2, 10), "reported": at(6), "delay": 8}
    pq.write_table(pa.Table.from_pylist([*DELAYS, corrected, later]), tmp_path / "tables" / "delays.parquet")
    assert run_task(NAME, given).code == 0
    assert online(repository) == (70, 2.5), "Feast writes no value to Redis whose event time is there already"
    assert online(repository, tail="N2") == (8, 2.5)


@pytest.mark.slow
def test_a_redis_that_is_away_is_one_line(run_task: Callable[..., Any], tmp_path: Path, free_port: int) -> None:
    repository = make(tmp_path, f"127.0.0.1:{free_port}")
    result = run_task(NAME, {"feature_repository": str(repository)} | WINDOW)
    assert result.code == 1
    assert result.error.startswith("error: feature_repository cannot be materialized: ConnectionError: ")
    assert "\n" not in result.error
