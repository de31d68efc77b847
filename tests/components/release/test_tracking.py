"""The tracking server: concurrent tasks make a new database once."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from ..conftest import process

USE = """
import sys
from penstock.components.release.tracking import connect, experiment_id
client, uri = connect(sys.argv[1])
print(client.create_run(experiment_id(client, uri, "same")).info.experiment_id)
"""


@pytest.fixture
def script(tmp_path: Path) -> str:
    """The file of a task that uses the server that it is told."""
    (tmp_path / "use.py").write_text(USE)
    return str(tmp_path / "use.py")


def test_two_tasks_start_with_a_new_database(tmp_path: Path, script: str):
    command: dict[str, Any] = process(script, f"sqlite:///{tmp_path}/new/mlflow.db")
    both = [subprocess.Popen(**command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    output = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [0, 0], output
    assert output[0][0] == output[1][0]


def test_full_disk_leaves_no_half_made_database(small_disk: Path, script: str):
    command: dict[str, Any] = process(script, f"sqlite:///{small_disk}/mlflow.db")
    done = subprocess.run(**command, capture_output=True, text=True, check=False)
    assert "OSError: [Errno 28] No space left on device" in done.stderr
    assert [path.name for path in small_disk.iterdir()] == ["mlflow.db.lock"]
    subprocess.run(["mount", "-o", "remount,size=16m", small_disk], check=True)
    subprocess.run(**command, check=True)
