"""Two runs of one pipeline, artifact by artifact: what must be equal, what may differ by how much, and why."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penstock.components.protocol.fingerprint import file_sha256
from penstock.local.envs import environment

STATISTICS_TOLERANCE = 1e-6
QUALITY_TOLERANCE = 0.005
_ANY = None
Differences = dict[str, tuple[set[str] | None, str]]
# The files of an artifact that may differ (None: any), with the reason.
MAY_DIFFER: Differences = {
    "statistics": (_ANY, "the last bit of some sums differs between the two stacks (TFDV, NumPy); the numbers are compared below"),
    "training_logs": (_ANY, "TensorBoard's events contain the time"),
    "evaluation": ({"blessing.json", "eval_config.json"}, "these files contain the time, the paths and the model"),
    "report": (_ANY, "contains the time, the model or measured values"),
    "serving_check": (_ANY, "contains measured times"),
    "pushed_model": (_ANY, "a receipt with the time, the port and the model"),
}
# What every run names anew.
OF_THE_RUN = {"tracking_run_id", "url", "version"}


@dataclass(frozen=True)
class Row:
    """One comparison.

    Attributes:
        task: The task.
        what: What is compared.
        found: The result of the comparison.
        expected: The expected result.
        good: Whether the result is as expected.
        why: The reason why they need not be equal.
    """

    task: str
    what: str
    found: str
    expected: str
    good: bool
    why: str = ""


def compare(one: Path, other: Path) -> Iterator[Row]:
    """Compares two runs' folders."""
    left, right = _outputs(one), _outputs(other)
    if left.keys() != right.keys():
        yield Row("all", "tasks that ran", " ".join(sorted(left.keys() ^ right.keys())), "the same", False)
    for task in sorted(left.keys() & right.keys(), key=lambda name: (one / name / "executor_output.json").stat().st_mtime):
        yield from compare_files(one / task, other / task, left[task]["artifacts"].keys() | right[task]["artifacts"].keys())
        yield from _parameters(task, left[task]["parameterValues"], right[task]["parameterValues"])
        yield from compare_metrics(task, left[task]["artifacts"], right[task]["artifacts"])
        if task == "validate-examples":
            yield compare_statistics(task, one / task / "statistics", other / task / "statistics")


def _outputs(folder: Path) -> dict[str, dict[str, Any]]:
    return {path.parent.name: json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*/executor_output.json")}


def compare_files(one: Path, other: Path, names: set[str], may_differ: Differences = MAY_DIFFER) -> Iterator[Row]:
    """Compares what lies in the artifacts of one task, file by file.

    Args:
        one: The folder of the artifacts.
        other: That of the other run.
        names: The artifacts.
        may_differ: Which files of an artifact may differ, and why.
    """
    for name in sorted(names):
        left, right = (_hashes(task / name) for task in (one, other))
        if not left and not right:
            continue  # it has metadata only
        differing = {file for file in left.keys() | right.keys() if left.get(file) != right.get(file)}
        files, why = may_differ.get(name, (set(), ""))
        good = files is _ANY or {Path(file).name for file in differing} <= files
        expected = "equal" if files == set() else "any" if files is _ANY else f"equal but for {_listed(files)}"
        yield Row(one.name, name, _found(differing, left | right), expected, good, why if differing else "")


def _hashes(artifact: Path) -> dict[str, str]:
    """Returns the hash of each file, by its path in the artifact."""
    files = [artifact] if artifact.is_file() else artifact.rglob("*")
    return {str(file.relative_to(artifact)): file_sha256(file) for file in files if file.is_file()}


def _found(differing: set[str], files: dict[str, str]) -> str:
    if not differing:
        return "equal"
    if len(differing) == len(files):
        return "different"
    return f"{len(files) - len(differing)} of {len(files)} files equal, {_listed({Path(file).name for file in differing})} different"


def _listed(files: set[str]) -> str:
    return ", ".join(f"`{file}`" for file in sorted(files))


def _parameters(task: str, left: dict[str, Any], right: dict[str, Any]) -> Iterator[Row]:
    for name in sorted((left.keys() | right.keys()) - OF_THE_RUN):
        one, other = left.get(name), right.get(name)
        yield Row(task, name, f"equal: {one}" if one == other else f"{one} and {other}", "equal", one == other)


def compare_metrics(task: str, left: dict[str, Any], right: dict[str, Any], tolerance: float = QUALITY_TOLERANCE) -> Iterator[Row]:
    """Compares what `Metrics` artifacts say of the model."""
    one, other = (side["metrics"]["artifacts"][0]["metadata"] if "metrics" in side else {} for side in (left, right))
    differences = {name: abs(value - other[name]) for name, value in one.items() if isinstance(value, float) and name in other}
    if differences:
        worst = max(differences, key=lambda name: differences[name])
        apart = f"at most {differences[worst]:.1g} apart ({worst}: {one[worst]:.6f} and {other[worst]:.6f})"
        found = apart if differences[worst] else "equal"
        good = one.keys() == other.keys() and differences[worst] <= tolerance
        yield Row(task, f"{len(differences)} metrics", found, f"at most {tolerance} apart", good)


def compare_statistics(task: str, one: Path, other: Path, sketched: float = STATISTICS_TOLERANCE) -> Row:
    """Compares every number of the Statistics, where their protobuf is known.

    Args:
        task: The task.
        one: The folder of the Statistics.
        other: That of the other run.
        sketched: How far quantiles and histograms may be apart, relative: sketches that are merged in another order estimate them otherwise.
    """
    script = Path(__file__).with_name("statistics_numbers.py")
    done = subprocess.run([environment("tf").python, script, one, other], capture_output=True, text=True, check=True)
    content = json.loads(done.stdout.splitlines()[-1])
    found = (
        f"{content['numbers']:,} numbers at most {content['difference']:.1g} apart, relative"
        + (f" ({content['worst']})" if content["difference"] else "")
        + f", quantiles and histograms {content['sketched']:.1g}; {content['missing']} in one only"
    )
    good = content["difference"] <= STATISTICS_TOLERANCE and content["sketched"] <= sketched and not content["missing"]
    return Row(task, "numbers of the statistics", found, f"at most {STATISTICS_TOLERANCE} apart, quantiles and histograms {sketched}", good)
