"""A few cases of the fault campaign, by its own command."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = (
    "kserve-standard:9:kill-before",
    "kserve-standard:15:kill-after",
    "kserve-standard:12:term-after",
    "kserve-standard:21:409",
    "kserve-standard:27:hang-after",
    "kserve-standard:18:500-after:wrong",
    "kserve-knative:10:kill-after",
    "kserve-knative:16:503",
    "kserve-knative:22:drop-after",
    "vertex:12:kill-after",
    "vertex:16:term-before",
    "vertex:20:PERMISSION_DENIED",
    "vertex:30:UNAVAILABLE-after",
    "vertex:24:kill-after:wrong",
)


def test_a_sample_of_the_campaign(kubernetes_api: None, tmp_path: Path):
    command = [sys.executable, "-m", "tests.chaos", "--jobs", "2", *(word for case in SAMPLE for word in ("--only", case))]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([*filter(None, sys.path), str(ROOT)])}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(SAMPLE)} cases, 0 violations" in done.stdout
