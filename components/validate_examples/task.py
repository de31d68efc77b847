"""The work of validate_examples."""

import logging
import math
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from tensorflow_metadata.proto.v0 import schema_pb2

from penstock.components.data import stored
from penstock.components.data.examples import count_rows, split_files, split_folder, split_names
from penstock.components.data.runners import advise, names_runner
from penstock.components.data.schema_file import read_schema_file
from penstock.components.images import own_image
from penstock.components.protocol import GateFailed, Input, Output, TaskError, figure, redact

from . import report as report_
from . import schemas
from . import statistics as statistics_
from .checks import Result, check_split
from .comparisons import Reference
from .findings import ERROR, WARNING, Finding, Measurement
from .protection import unprotected
from .quantiles import QuantileCounts
from .rows import Repeats, RowHashes, count_repeats

_MOST_PRINTED, _MOST_NAMED = 100, 5
# Of each row, measured on the flights: the hash, and what it takes to sort the hashes.
_KEPT_BYTES = 21
_logger = logging.getLogger(__name__)


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
    schema_split: str = "",
    exclude_splits: list = [],  # noqa: B006 - the interface's default
    environments: dict = {},  # noqa: B006 - the interface's default
    previous_statistics: str = "",
    serving_statistics: str = "",
    drift_threshold: float = 0.1,
    skew_threshold: float = 0.1,
    min_rows: int = 1,
    on_anomalies: str = "fail",
    beam_pipeline_args: list = [],  # noqa: B006 - the interface's default
) -> Outputs:
    """Computes Statistics and checks them; the interface's docstring says what the parameters mean.

    Raises:
        TaskError: A parameter or an input cannot be used.
        GateFailed: There are Anomalies of severity ERROR, and `on_anomalies` is `fail`.
    """
    if on_anomalies not in ("fail", "warn"):
        raise TaskError(f"on_anomalies is {on_anomalies!r}; give fail or warn")
    splits = _splits(examples, environments, exclude_splits)
    given = read_schema_file(schema_file) if schema_file else None
    others = (
        ("drift", "previous_statistics", previous_statistics, drift_threshold),
        ("skew", "serving_statistics", serving_statistics, skew_threshold),
    )
    rows = sum(count_rows(examples.path, split) for split in splits)
    advise(beam_pipeline_args, rows, _KEPT_BYTES)
    references = {split: [_reference(split, *found) for found in others] for split in splits}
    compute = partial(_compute_on_beam, beam_pipeline_args, statistics, rows) if names_runner(beam_pipeline_args) else _compute
    computed, repeats = compute(examples, splits, given and schemas.for_statistics(given), references)
    for split in splits:
        figure(f"Split {split}: {int(computed[split].datasets[0].num_examples):,} rows")
    used = given or schemas.infer(_for_schema(computed, schema_split), environments)
    if not given:
        schemas.propose_ranges(used, computed.values())
    _check_environments(used, environments)
    results = {
        split: check_split(split, computed[split], used, environments.get(split), references[split], min_rows, is_inferred=given is None)
        for split in splits
    }
    for split in splits:
        results[split].findings += _repeat_findings(split, repeats[split])
    verdict = _verdict(results, repeats, examples, used, is_inferred=given is None)
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


def _compute(
    examples: Input, splits: list[str], schema: schema_pb2.Schema | None, references: dict[str, list[Reference]]
) -> tuple[dict[str, statistics_.Statistics], dict[str, Repeats]]:
    """Computes the Statistics and the repeated rows of each Split in one pass over its rows."""
    hashes = {split: RowHashes() for split in splits}
    computed = {split: statistics_.compute(examples.path, split, schema, [hashes[split], *_counts(references[split])]) for split in splits}
    return computed, count_repeats(hashes)


def _compute_on_beam(
    beam_pipeline_args: list[str],
    beside: Output,
    rows: int,
    examples: Input,
    splits: list[str],
    schema: schema_pb2.Schema | None,
    references: dict[str, list[Reference]],
) -> tuple[dict[str, statistics_.Statistics], dict[str, Repeats]]:
    """Does what `_compute` does, on Beam."""
    from penstock.components.data.beam import Engine

    from . import beam_engine

    with Engine(beam_pipeline_args, own_image("tfdv"), beside) as engine:
        files = {
            split: [engine.place(examples, f"Split-{split}/{file.name}") for file in split_files(examples.path, split)] for split in splits
        }
        return beam_engine.compute(engine, files, rows, schema, {split: _counts(references[split]) for split in splits})


def _counts(references: list[Reference]) -> list[QuantileCounts]:
    return [reference.counts for reference in references if reference.counts]


def _splits(examples: Input, environments: dict[str, str], exclude_splits: list[str]) -> list[str]:
    splits = split_names(examples.path)
    if not splits:
        raise TaskError(f"the Examples at {examples.path} have no Split; ingest the rows again")
    for split in [*environments, *exclude_splits]:
        split_folder(examples.path, split)
    kept = [split for split in splits if split not in exclude_splits]
    if not kept:
        raise TaskError("exclude_splits excludes every Split; keep at least one")
    return kept


def _for_schema(computed: dict[str, statistics_.Statistics], schema_split: str) -> dict[str, statistics_.Statistics]:
    """Returns the Statistics from which a Schema is inferred."""
    if schema_split and schema_split not in computed:
        raise TaskError(f"the Examples have no Split {schema_split!r} (they have: {', '.join(computed)}); correct schema_split")
    return {schema_split: computed[schema_split]} if schema_split else computed


def _check_environments(schema: schema_pb2.Schema, environments: dict[str, str]) -> None:
    known = list(schema.default_environment)
    for split, environment in environments.items():
        if environment not in known:
            raise TaskError(
                f"environments gives Split {split!r} the environment {environment!r}, but the Schema has {', '.join(known) or 'none'};"
                " add it to the Schema as default_environment, or correct environments"
            )


def _reference(split: str, check: str, parameter: str, where: str, threshold: float) -> Reference:
    statistics = statistics_.load(where, split, parameter) if where else None
    return Reference(check, parameter, where, statistics, threshold, QuantileCounts(statistics) if statistics else None)


def _repeat_findings(split: str, repeats: Repeats) -> Iterator[Finding]:
    for count, kind, summary, text in (
        (repeats.repeated, "REPEATED_ROWS", "Repeated rows", "equal an earlier row of this Split"),
        (repeats.elsewhere, "SHARED_ROWS", "Rows of another Split", "are in another Split too: what is measured there was trained on"),
    ):
        if count:
            description = f"{count:,} of {repeats.rows:,} rows ({count / repeats.rows:.2%}) {text}."
            yield Finding(split, "", WARNING, kind, summary, description)


def _verdict(
    results: dict[str, Result], repeats: dict[str, Repeats], examples: Input, schema: schema_pb2.Schema, is_inferred: bool
) -> dict[str, Any]:
    """Builds `verdict.json`: every finding, the worst drift first, and every limit with its measured value."""
    measurements = [measurement for result in results.values() for measurement in result.measurements]
    found = [finding for result in results.values() for finding in result.findings]
    findings = [asdict(finding) for finding in sorted(found, key=partial(_excess, _excesses(measurements)), reverse=True)]
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
        "checks": [asdict(measurement) for measurement in measurements],
        "repeats": {split: asdict(counts) for split, counts in repeats.items()},
        "unprotected": unprotected(schema, measurements),
    }


def _excesses(measurements: list[Measurement]) -> dict[tuple[str, str], float]:
    """Returns by how many times each drifted feature is beyond its limit."""
    failed = [found for found in measurements if not found.passed and found.check in ("drift", "skew")]
    return {(found.split, found.feature): found.measured / max(found.threshold, 1e-9) for found in sorted(failed, key=lambda f: f.measured)}


def _excess(excesses: dict[tuple[str, str], float], finding: Finding) -> float:
    """What is not a distance comes before all distances."""
    return excesses.get((finding.split, finding.feature), math.inf) if finding.kind.startswith("COMPARATOR") else math.inf


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
    names = list(dict.fromkeys(error["feature"] or f"Split {error['split']}" for error in errors))[1:]
    others = f"{', '.join(names[:_MOST_NAMED])}; see the report" if names else "see the report"
    more = f", and {len(errors) - 1} more ({others})" if len(errors) > 1 else ""
    count = _count(len(errors), "Anomaly", "Anomalies")
    return f"{count}: {_describe(errors[0])}{more}; correct the data or the Schema, or set on_anomalies to warn"


def _describe(finding: dict[str, Any]) -> str:
    where = f"{finding['feature']} in Split {finding['split']}" if finding["feature"] else f"Split {finding['split']}"
    return f"{where}: {finding['summary']}: {finding['description'].rstrip('. ')}"


def _print_findings(findings: list[dict[str, Any]]) -> None:
    """Puts the findings into the log, which is all that Kubeflow keeps of a task that fails."""
    for finding in findings[:_MOST_PRINTED]:
        _logger.log(logging.getLevelName(finding["severity"]), "%s", redact(_describe(finding)))
    if len(findings) > _MOST_PRINTED:
        _logger.warning("and %d more", len(findings) - _MOST_PRINTED)


def _save_anomalies(results: dict[str, Result], verdict: dict[str, Any], folder: Path) -> None:
    for split, result in results.items():
        path = folder / f"Split-{split}" / "SchemaDiff.pb"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(result.anomalies.SerializeToString(deterministic=True))
    (folder / "verdict.json").write_text(stored.dump(verdict, indent=1), encoding="utf-8")
