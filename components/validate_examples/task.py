"""The work of validate_examples."""

from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from tensorflow_metadata.proto.v0 import schema_pb2

from penstock.components.runtime import GateFailed, Input, Output, TaskError, figure, redact, stored
from penstock.components.runtime.examples import split_folder, split_names
from penstock.components.runtime.schema_file import read_schema_file

from . import report as report_
from . import schemas
from . import statistics as statistics_
from .checks import ERROR, Reference, Result, check_split

_MOST_PRINTED = 100


class Outputs(NamedTuple):
    """The output parameters of validate_examples."""

    verdict: str
    anomaly_count: int


def validate_examples(
    examples: Input,
    statistics: Output,
    schema: Output,
    anomalies: Output,
    report: Output,
    schema_file: str = "",
    schema_split: str = "train",
    environments: dict = {},  # noqa: B006 - the interface's default
    previous_statistics: str = "",
    serving_statistics: str = "",
    drift_threshold: float = 0.1,
    skew_threshold: float = 0.1,
    min_rows: int = 1,
    on_anomalies: str = "fail",
) -> Outputs:
    """Computes Statistics and checks them; the interface's docstring says what the parameters mean.

    Raises:
        TaskError: A parameter or an input cannot be used.
        GateFailed: There are Anomalies of severity ERROR, and `on_anomalies` is `fail`.
    """
    if on_anomalies not in ("fail", "warn"):
        raise TaskError(f"on_anomalies is {on_anomalies!r}; give fail or warn")
    splits = _splits(examples, environments)
    given = read_schema_file(schema_file) if schema_file else None
    computed = _compute(examples.path, splits, given and schemas.for_statistics(given))
    used = given or schemas.infer(computed[_existing(examples.path, schema_split)])
    _check_environments(used, environments)
    results = {}
    for split in splits:
        references = [
            Reference(check, statistics_.load(where, split, what), threshold)
            for check, what, where, threshold in (
                ("drift", "previous_statistics", previous_statistics, drift_threshold),
                ("skew", "serving_statistics", serving_statistics, skew_threshold),
            )
            if where
        ]
        results[split] = check_split(split, computed[split], used, environments.get(split), references, min_rows)
    verdict = _verdict(results, examples, used, is_inferred=given is None)
    summary = _summary(verdict, results, drift=bool(previous_statistics), skew=bool(serving_statistics))
    for split in splits:
        statistics_.save(computed[split], statistics.path, split)
    schemas.save(used, schema.path, is_inferred=given is None)
    _save_anomalies(results, verdict, anomalies.path)
    report_.write(report.path, verdict, computed, summary)
    schema.metadata |= {"inferred": given is None, "features": len(used.feature)}
    statistics.metadata |= {"splits": {split: int(found.datasets[0].num_examples) for split, found in computed.items()}}
    anomalies.metadata |= {key: verdict[key] for key in ("verdict", "anomaly_count", "warning_count")}
    figure(summary)
    _print_findings(verdict["findings"])
    if verdict["verdict"] == "failed" and on_anomalies == "fail":
        raise GateFailed(verdict["reason"])
    return Outputs(verdict["verdict"], verdict["anomaly_count"])


def _splits(examples: Input, environments: dict[str, str]) -> list[str]:
    splits = split_names(examples.path)
    if not splits:
        raise TaskError(f"the Examples at {examples.path} have no Split; ingest the rows again")
    for split in environments:
        _existing(examples.path, split)
    return splits


def _existing(examples: Path, split: str) -> str:
    split_folder(examples, split)
    return split


def _check_environments(schema: schema_pb2.Schema, environments: dict[str, str]) -> None:
    known = list(schema.default_environment)
    for split, environment in environments.items():
        if environment not in known:
            raise TaskError(
                f"environments gives Split {split!r} the environment {environment!r}, but the Schema has {', '.join(known) or 'none'};"
                " add it to the Schema as default_environment, or correct environments"
            )


def _compute(examples: Path, splits: list[str], schema: schema_pb2.Schema | None) -> dict[str, statistics_.Statistics]:
    computed = {}
    for split in splits:
        computed[split] = statistics_.compute(examples, split, schema)
        figure(f"Split {split}: {int(computed[split].datasets[0].num_examples):,} rows")
    return computed


def _verdict(results: dict[str, Result], examples: Input, schema: schema_pb2.Schema, is_inferred: bool) -> dict[str, Any]:
    """Builds `verdict.json`: every finding, and every limit with its measured value."""
    findings = [asdict(finding) for result in results.values() for finding in result.findings]
    errors = [finding for finding in findings if finding["severity"] == ERROR]
    return {
        "verdict": "failed" if errors else "passed",
        "reason": _explain(errors) if errors else "",
        "anomaly_count": len(errors),
        "warning_count": len(findings) - len(errors),
        "splits": list(results),
        "schema_inferred": is_inferred,
        "features": len(schema.feature),
        "examples_fingerprint": examples.fingerprint,
        "findings": findings,
        "checks": [asdict(measurement) for result in results.values() for measurement in result.measurements],
    }


def _summary(verdict: dict[str, Any], results: dict[str, Result], drift: bool, skew: bool) -> str:
    def part(check: str, is_asked: bool) -> str:
        checks = [found for found in verdict["checks"] if found["check"] == check]
        over = sum(not found["passed"] for found in checks)
        return f"{check} in {over} of {len(checks)} comparisons" if is_asked else f"{check} not checked"

    counts = f"{_count(verdict['anomaly_count'], 'anomaly', 'anomalies')} in {_count(len(results), 'Split', 'Splits')}"
    parts = [counts, part("drift", drift)] + ([part("skew", skew)] if skew else [])
    return ", ".join(parts + (["Schema inferred"] if verdict["schema_inferred"] else []))


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


def _explain(errors: list[dict[str, Any]]) -> str:
    more = f", and {len(errors) - 1} more (see the report)" if len(errors) > 1 else ""
    count = _count(len(errors), "Anomaly", "Anomalies")
    return f"{count}: {_describe(errors[0])}{more}; correct the data or the Schema, or set on_anomalies to warn"


def _describe(finding: dict[str, Any]) -> str:
    where = f"{finding['feature']} in Split {finding['split']}" if finding["feature"] else f"Split {finding['split']}"
    return f"{where}: {finding['summary']}: {finding['description'].rstrip('. ')}"


def _print_findings(findings: list[dict[str, Any]]) -> None:
    """Puts the findings into the log, which is all that Kubeflow keeps of a task that fails."""
    for finding in findings[:_MOST_PRINTED]:
        print(redact(f"{finding['severity']}: {_describe(finding)}"))
    if len(findings) > _MOST_PRINTED:
        print(f"and {len(findings) - _MOST_PRINTED} more")


def _save_anomalies(results: dict[str, Result], verdict: dict[str, Any], folder: Path) -> None:
    for split, result in results.items():
        path = folder / f"Split-{split}" / "SchemaDiff.pb"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(result.anomalies.SerializeToString(deterministic=True))
    (folder / "verdict.json").write_text(stored.dump(verdict, indent=1), encoding="utf-8")
