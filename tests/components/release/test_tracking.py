"""The tracking server: concurrent tasks make a new database once."""

import os
import subprocess
import sys

USE = """
import sys
from penstock.components.release.tracking import connect, experiment_id
client, uri = connect(sys.argv[1])
print(client.create_run(experiment_id(client, uri, "same")).info.experiment_id)
"""


def test_two_tasks_start_with_a_new_database(tmp_path):
    uri = f"sqlite:///{tmp_path}/new/mlflow.db"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, "-c", USE, uri]
    both = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    output = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [0, 0], output
    assert output[0][0] == output[1][0]


def test_full_disk_leaves_no_half_made_database(small_disk):
    command = [sys.executable, "-c", USE, f"sqlite:///{small_disk}/mlflow.db"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert "OSError: [Errno 28] No space left on device" in done.stderr
    assert [path.name for path in small_disk.iterdir()] == ["mlflow.db.lock"]
    subprocess.run(["mount", "-o", "remount,size=16m", small_disk], check=True)
    subprocess.run(command, env=environment, check=True)
