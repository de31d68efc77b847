"""Runs three pipelines on a small table here, through Kubeflow's API and through Vertex AI's, and compares all outputs.

python -m tests.identity                  prints the table; exit code 1 if something differs that must be equal
python -m tests.identity --write FILE     also puts it into a page

Where a cluster is given (docs/testing-on-a-cluster.md), the outputs of a run there are compared as well; what the cluster lacks is named.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from penstock.compile.generate import with_table

from ..e2e.settings import PREFIX
from ..families import ROOT
from .table import markdown, rows
from .ways import WAYS, release


def main() -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.identity", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", type=Path, metavar="FILE", help="a page with a place for the table")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="penstock-identity-") as scratch:
        found = {name: way(Path(scratch) / name, release) for name, way in WAYS.items()}
    table = list(rows(found))
    text = markdown(table)
    print(text)
    if options.write:
        page = options.write.read_text(encoding="utf-8")
        options.write.write_text(with_table(page, "identity", text), encoding="utf-8")
    return max(_on_a_cluster(), 0 if all(row.good for row in table) else 1)


def _on_a_cluster() -> int:
    """Compares the outputs of a run on a cluster, and returns the exit code."""
    if not any(name.startswith(PREFIX) for name in os.environ):
        print(f"not compared with a cluster: set {PREFIX}... to name one (docs/testing-on-a-cluster.md)")
        return 0
    return subprocess.run([sys.executable, "-m", "tests.e2e", "-s", "-k", "test_identity"], cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
