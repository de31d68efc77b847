"""Runs the example pipeline in virtualenvs and in containers, and compares every artifact; validate_examples also on broken rows.

python -m tests.parity                  prints the table; exit code 1 if something differs that must be equal
python -m tests.parity --write FILE     also puts it into a page
"""

import argparse
import sys
import tempfile
from pathlib import Path

from penstock.compile.generate import with_table
from penstock.errors import UserError
from penstock.local.engines import find_engine

from ..ports import free_port
from . import validation
from .compare import Row, compare
from .runs import RUNNERS, run

ROOT = Path(__file__).resolve().parents[2]
PIPELINE = ROOT / "compiled" / "flight_delay_training.yaml"


def main() -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.parity", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", type=Path, metavar="FILE", help="a page with a place for the table")
    parser.add_argument("--folder", type=Path, help="where to run; a scratch folder if not given")
    options = parser.parse_args()
    try:
        find_engine()
    except UserError as error:
        print(f"skipped: {error.message}")
        return 0
    with tempfile.TemporaryDirectory(prefix="penstock-parity-") as scratch:
        folder = (options.folder or Path(scratch)).absolute()
        runs = [run(PIPELINE, runner, folder / runner, values()) for runner in RUNNERS]
        rows = [*compare(*runs), *validation.compare(runs[0], folder)]
    text = table(rows)
    print(text)
    if options.write:
        page = options.write.read_text(encoding="utf-8")
        options.write.write_text(with_table(page, "parity", text), encoding="utf-8")
    wrong = [row for row in rows if not row.good]
    for row in wrong:
        print(f"{row.task} {row.what}: {row.found}, expected {row.expected}", file=sys.stderr)
    return 1 if wrong else 0


def values() -> dict[str, str]:
    """Returns the pipeline's parameters, from nothing to a served model."""
    return {"input_uri": f"{ROOT}/data/flights/*.parquet", "destination": f"local://serving?port={free_port()}"}


def table(rows: list[Row]) -> str:
    """Returns the comparison as a Markdown table."""
    lines = ["| Task | Compared | Found | Expected | Reason |", "| --- | --- | --- | --- | --- |"]
    lines += [f"| `{row.task}` | {row.what} | {row.found} | {row.expected} | {row.why} |" for row in rows]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
