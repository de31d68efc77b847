"""Runs the end-to-end tests on the cluster of KUBECONFIG: `python -m tests.e2e [pytest options]`.

docs/testing-on-a-cluster.md says what they need.
"""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from ..families import ROOT, pythons
from .settings import Settings

CASES = ROOT / "tests" / "e2e" / "cases"


def main() -> int:
    """Returns the exit code. Ctrl-C and SIGTERM end the tests, which then take away what they have made."""
    paths = Settings.from_environment().paths()
    options = ["-p", "no:cacheprovider", "-v", f"--rootdir={ROOT}", f"--config-file={ROOT / 'pyproject.toml'}"]
    with tempfile.TemporaryDirectory(prefix="penstock-e2e-") as folder:  # another pytest may clean pytest's own folder
        work = Path(folder) / "work"
        work.mkdir()
        command = [sys.executable, "-m", "pytest", *options, f"--basetemp={folder}/cases", str(CASES), *sys.argv[1:]]
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to the tests as well
        # The working directory comes first on Python's path: an empty one, so that the installed package is imported.
        process = subprocess.Popen(command, cwd=work, env=os.environ | paths | pythons() | {"PYTHONUNBUFFERED": "1"})
        signal.signal(signal.SIGTERM, lambda *_: process.terminate())
        return process.wait()


if __name__ == "__main__":
    sys.exit(main())
