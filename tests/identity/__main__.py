"""Runs the small training pipeline here, through Kubeflow's API and through Vertex AI's, and compares everything that came back.

python -m tests.identity                  prints the table; exit code 1 if something differs that must not
python -m tests.identity --write FILE     also puts it into a page
"""

import argparse
import sys
import tempfile
from pathlib import Path

from penstock.generate import with_table

from .table import markdown, rows
from .ways import WAYS


def main() -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.identity", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", type=Path, metavar="FILE", help="a page with a place for the table")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="penstock-identity-") as scratch:
        found = {name: way(Path(scratch) / name) for name, way in WAYS.items()}
    table = list(rows(found))
    text = markdown(table)
    print(text)
    if options.write:
        page = options.write.read_text(encoding="utf-8")
        options.write.write_text(with_table(page, "identity", text), encoding="utf-8")
    return 0 if all(row.good for row in table) else 1


if __name__ == "__main__":
    sys.exit(main())
