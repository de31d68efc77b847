"""What a task says that it took of the machine."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

MIB = 1 << 20
# Two processes that hold 100 MiB each; the child reads and writes, and counts for at least 0.2 CPU seconds.
BUSY = f"""
import json, subprocess, sys, time
from penstock.components.protocol import usage
usage._SECONDS_BETWEEN_LOOKS = 0.02
used = usage.Usage()
held = bytearray(b"x" * {100 * MIB})
child = subprocess.Popen([sys.executable, "-c", '''
import sys, time
held = bytearray(b"x" * {100 * MIB})
while time.process_time() < 0.2:
    pass
open("written", "wb").write(held)
print("ready", flush=True)
sys.stdin.read()
'''], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
child.stdout.readline()
while used._memory < {200 * MIB}:
    time.sleep(0.01)
if sys.argv[1] == "wait for it":
    child.communicate()
print(json.dumps(used.read()))
"""
# NVIDIA's library as far as it is asked: two GPUs, of which the second tells no utilization, as a share of one does not.
NVML = """
#include <string.h>
typedef struct { unsigned int gpu, memory; } utilization;
typedef struct { unsigned long long total, free, used; } memory;
static unsigned int looks;
int nvmlInit_v2(void) { return 0; }
int nvmlDeviceGetCount_v2(unsigned int *count) { *count = 2; return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned int number, void **handle) { *handle = (void *)(0x100000000ul + number); return 0; }
int nvmlDeviceGetName(void *handle, char *name, unsigned int size) { strncpy(name, "NVIDIA L4", size); return 0; }
int nvmlDeviceGetUtilizationRates(void *handle, utilization *found) {
    if (handle != (void *)0x100000000ul) return 3;
    found->gpu = looks++ ? 100 : 0;
    return 0;
}
int nvmlDeviceGetMemoryInfo(void *handle, memory *found) { found->used = 5ul << 30; return 0; }
"""
ON_GPUS = """
import json
from penstock.components.protocol.gpus import Gpus
gpus = Gpus()
gpus.look(); gpus.look()
print(json.dumps(gpus.read()))
"""


# Who starts a program after it has held 500 MiB.
LARGE = f"""
import subprocess, sys
held = bytearray(b"x" * {500 * MIB})
sys.exit(subprocess.call([sys.executable, "-c", *sys.argv[1:]]))
"""


def python(folder: Path, code: str, *arguments: str, **variables: str) -> dict[str, Any]:
    """Returns what a program prints, which has all of the package at hand."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))} | variables
    command = [sys.executable, "-c", code, *arguments]
    return json.loads(subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, text=True).stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system tells less")
@pytest.mark.parametrize("how", ["wait for it", "leave it running"])
def test_counts_what_its_children_take(tmp_path: Path, how: str) -> None:
    used = python(tmp_path, BUSY, how)
    assert used["cpu_seconds"] >= 0.2
    assert 0.2 <= used["seconds"] < 60
    assert 200 * MIB <= used["memory_bytes"] < 420 * MIB
    if how == "wait for it":
        assert 100 * MIB <= used["written_bytes"] < 110 * MIB
        assert used["read_bytes"] > 0


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system tells less")
def test_does_not_count_what_has_started_it(tmp_path: Path) -> None:
    used = python(tmp_path, LARGE, "import json\nfrom penstock.components.protocol.usage import Usage\nprint(json.dumps(Usage().read()))")
    assert used["memory_bytes"] < 300 * MIB


@pytest.mark.skipif(not shutil.which("cc"), reason="no C compiler")
def test_tells_of_gpus_what_nvidias_library_does(tmp_path: Path) -> None:
    (tmp_path / "nvml.c").write_text(NVML)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", tmp_path / "libnvidia-ml.so.1", tmp_path / "nvml.c"], check=True)
    first, second = python(tmp_path, ON_GPUS, LD_LIBRARY_PATH=str(tmp_path))["gpus"]
    assert first == {"name": "NVIDIA L4", "utilization": 0.5, "memory_bytes": 5 << 30}
    assert second == {"name": "NVIDIA L4", "memory_bytes": 5 << 30}


@pytest.mark.parametrize(("how", "code"), [("well", 0), ("invalid", 1), ("bug", 1)])
def test_every_task_says_so_however_it_ends(toy: Any, how: str, code: int) -> None:
    ended, out, _ = toy.run(how)
    assert ended == code
    [line] = [line for line in out.splitlines() if line.startswith("[penstock-usage] ")]
    used = json.loads(line.removeprefix("[penstock-usage] "))
    assert 0 < used["cpu_seconds"] < 10
    assert 0 < used["seconds"] < 10
    assert used["memory_bytes"] > MIB


def test_what_it_took_is_no_part_of_what_it_made(toy: Any) -> None:
    toy.run("well")
    assert "usage" not in json.dumps(toy.output())
