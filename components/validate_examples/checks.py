"""The checks of one Split: TFDV's, with what it leaves out added, as findings and measurements."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2

from .comparisons import Comparison, Reference
from .findings import ERROR, WARNING, Finding, Measurement
from .statistics import FeatureStatistics, Statistics, by_name, common, count_infinite, count_nan, is_numeric

_LONGEST_VALUE, _LONGEST_DESCRIPTION = 60, 600


@dataclass
class Result:
    """What the checks of one Split say.

    Attributes:
        anomalies: TFDV's Anomalies.
        findings: These, one for each reason, and our own.
        measurements: Every limit with its measured value.
    """

    anomalies: anomalies_pb2.Anomalies
    findings: list[Finding] = field(default_factory=list)
    measurements: list[Measurement] = field(default_factory=list)


def check_split(
    split: str,
    statistics: Statistics,
    schema: schema_pb2.Schema,
    environment: str | None,
    references: list[Reference],
    min_rows: int,
    is_inferred: bool = False,
) -> Result:
    """Checks a Split's Statistics against a Schema, a least number of rows, and other Statistics.

    Args:
        split: The Split's name.
        statistics: Its Statistics.
        schema: The Schema; it is not changed.
        environment: The Schema environment; None for the default.
        references: What to compare with.
        min_rows: The least number of rows.
        is_inferred: Whether the Schema was inferred here.
    """
    active = schema_pb2.Schema()
    active.CopyFrom(schema)
    rows = int(statistics.datasets[0].num_examples)
    limit = max(min_rows, active.dataset_constraints.min_examples_count)
    active.dataset_constraints.min_examples_count = limit
    comparisons = [Comparison(split, statistics, schema, environment, is_inferred, reference) for reference in references]
    for comparison in comparisons:
        comparison.prepare(active)
    given = {reference.check: reference.statistics for reference in references}
    anomalies = tfdv.validate_statistics(statistics, active, environment, given.get("drift"), given.get("skew"))
    anomalies.baseline.CopyFrom(schema)
    found = [_cut(finding, statistics) for finding in _tfdv_findings(split, anomalies)]
    result = Result(anomalies, list(_join_empty_cells(split, found, schema, statistics)))
    result.measurements.append(
        Measurement("min_rows", split, "", "rows", rows, limit, "parameter" if limit == min_rows else "schema", rows >= limit)
    )
    if schema.dataset_constraints.HasField("num_examples_version_comparator"):
        text = "The Schema contains num_examples_version_comparator, which Penstock does not measure; remove it from the Schema."
        result.findings.append(Finding(split, "", ERROR, "NOT_COMPARED", "No comparison with a previous version", text))
    explained = {finding.feature for finding in result.findings}
    for comparison in comparisons:
        measured = list(comparison.measurements(anomalies))
        result.measurements += measured
        result.findings += comparison.findings(measured, explained)
    if rows:
        result.findings += _value_findings(split, statistics)
    return result


def _cut(finding: Finding, statistics: Statistics) -> Finding:
    """Cuts long values, such as whole reviews, out of what TFDV says of a feature."""
    feature = by_name(statistics).get(finding.feature)
    text = finding.description
    if feature is not None and feature.WhichOneof("stats") == "string_stats":
        values = {bucket.label for bucket in feature.string_stats.rank_histogram.buckets if len(bucket.label) > _LONGEST_VALUE}
        for value in sorted(values, key=len, reverse=True):
            text = text.replace(value, shorten(value))
    return replace(finding, description=shorten(text, _LONGEST_DESCRIPTION))


def shorten(text: str, most: int = _LONGEST_VALUE) -> str:
    """Cuts a text that is longer than people read."""
    return text if len(text) <= most else f"{text[:most]}..."


def _join_empty_cells(split: str, findings: list[Finding], schema: schema_pb2.Schema, statistics: Statistics) -> Iterator[Finding]:
    """Says once, with the cause, what TFDV says of each feature that TFX's SchemaGen saw as a list without values."""
    known = by_name(statistics)
    empty = {
        feature.name: common(known[feature.name]).num_missing
        for feature in schema.feature
        if feature.presence.min_fraction == 1 and not feature.HasField("shape") and not feature.value_count.min and feature.name in known
    }
    joined = [finding.feature for finding in findings if finding.kind == "FEATURE_TYPE_LOW_FRACTION_PRESENT" and empty.get(finding.feature)]
    if joined:
        text = (
            f"Rows have no value of {', '.join(f'{name} ({empty[name]:,})' for name in joined)}, but the Schema says"
            " presence { min_fraction: 1.0 }, as TFX's SchemaGen writes for the empty cells of a CSV file, which TFX counts as present lists"
            " without values; take min_fraction out of these features where a value may be missing."
        )
        yield Finding(split, "", ERROR, "FEATURE_TYPE_LOW_FRACTION_PRESENT", "Empty cells", text)
    yield from (finding for finding in findings if finding.kind != "FEATURE_TYPE_LOW_FRACTION_PRESENT" or finding.feature not in joined)


def _tfdv_findings(split: str, anomalies: anomalies_pb2.Anomalies) -> Iterator[Finding]:
    infos = [(".".join(info.path.step) or key, info) for key, info in sorted(anomalies.anomaly_info.items())]
    if anomalies.HasField("dataset_anomaly_info"):
        infos.insert(0, ("", anomalies.dataset_anomaly_info))
    for feature, info in infos:
        # A severity that TFDV does not state closes the gate too.
        severity = WARNING if info.severity == anomalies_pb2.AnomalyInfo.WARNING else ERROR
        for reason in info.reason:
            kind = anomalies_pb2.AnomalyInfo.Type.Name(reason.type)
            yield Finding(split, feature, severity, kind, reason.short_description.rstrip("."), reason.description)
    if anomalies.data_missing:
        yield Finding(split, "", ERROR, "DATA_MISSING", "No rows", f"Split {split} has no rows.")


def _value_findings(split: str, statistics: Statistics) -> Iterator[Finding]:
    """Finds what a Schema need not forbid and a model rarely survives: NaN, infinities, and features that say nothing."""
    rows = int(statistics.datasets[0].num_examples)
    for name, feature in sorted(by_name(statistics).items()):
        if not common(feature).num_non_missing:
            yield Finding(split, name, WARNING, "NO_VALUES", "No values", f"Feature {name} has no value in any of the {rows:,} rows.")
        elif (only := _only_value(feature)) is not None and rows > 1:
            text = (
                f"Feature {name} has the same value {only} in all rows that have it, so it carries no information as a label or a feature."
            )
            yield Finding(split, name, WARNING, "ONE_VALUE", "Only one value", text)
        if is_numeric(feature):
            for count, kind, words in ((count_nan(feature), "NAN", "NaN"), (count_infinite(feature), "INFINITE", "infinite")):
                if count:
                    text = f"Feature {name} has {count:,} {words} values ({count / rows:.2%} of the rows)."
                    yield Finding(split, name, WARNING, f"{kind}_VALUES", f"{words} values", text)


def _only_value(feature: FeatureStatistics) -> str | None:
    if is_numeric(feature):
        numbers = feature.num_stats
        if numbers.min != numbers.max or math.isnan(numbers.min) or count_nan(feature):
            return None
        return f"{numbers.min:g}"
    if feature.WhichOneof("stats") == "string_stats" and feature.string_stats.unique == 1:
        return repr(shorten(feature.string_stats.top_values[0].value)) if feature.string_stats.top_values else "''"
    return None
