"""Runs the example pipeline in virtualenvs and in containers, and compares every artifact.

python -m tests.parity                  prints the table; exit code 1 if something differs that must not
python -m tests.parity --write FILE     also puts it into a page
"""

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from penstock.engines import find_engine
from penstock.errors import UserError

from ..command import COMMAND, variables
from ..ports import free_port
from .compare import Row, compare

ROOT = Path(__file__).resolve().parents[2]
PIPELINE = ROOT / "compiled" / "flight_delay_training.yaml"
RUNNERS = ("env", "docker")
_TABLE = re.compile(r"(<!-- parity[^\n]*-->\n).*?(<!-- /parity -->)", re.DOTALL)


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
        rows = list(compare(*(run(folder / runner, runner) for runner in RUNNERS)))
    text = table(rows)
    print(text)
    if options.write:
        page = options.write.read_text(encoding="utf-8")
        options.write.write_text(_TABLE.sub(lambda match: f"{match[1]}{text}{match[2]}", page), encoding="utf-8")
    wrong = [row for row in rows if not row.good]
    for row in wrong:
        print(f"{row.task} {row.what}: {row.found}, expected {row.expected}", file=sys.stderr)
    return 1 if wrong else 0


def run(folder: Path, runner: str) -> Path:
    """Runs the pipeline from nothing to a served model, and stops the server; returns the run's folder."""
    folder.mkdir(parents=True)
    values = {"input_uri": f"{ROOT}/data/flights/*.parquet", "destination": f"local://serving?port={free_port()}"}
    command = [
        COMMAND,
        "run",
        str(PIPELINE),
        "--runner",
        runner,
        *(item for pair in values.items() for item in ("--param", "=".join(pair))),
    ]
    print(f"running with --runner {runner} in {folder}", flush=True)
    try:
        done = subprocess.run(
            command, cwd=folder, env=variables(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
    finally:
        subprocess.run([COMMAND, "serve", "stop", "serving"], cwd=folder, env=variables(), capture_output=True, check=False)
    if done.returncode:
        sys.exit(f"{done.stdout}\nerror: the run with --runner {runner} ended with {done.returncode}; what it says is above")
    return next((folder / "local_outputs").glob("flight-delay-training-*"))


def table(rows: list[Row]) -> str:
    """Returns the comparison as a Markdown table."""
    lines = ["| task | what | found | expected | why |", "| --- | --- | --- | --- | --- |"]
    lines += [f"| `{row.task}` | {row.what} | {row.found} | {row.expected} | {row.why} |" for row in rows]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
