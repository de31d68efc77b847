"""The checks of one Split: TFDV's, with what it leaves out added, as findings and measurements."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2

from .statistics import FeatureStatistics, Statistics, by_name, common, count_infinite, count_nan, is_numeric

ERROR, WARNING = "ERROR", "WARNING"


@dataclass(frozen=True)
class Finding:
    """Something to look at.

    Attributes:
        split: The Split.
        feature: The feature; empty for the whole Split.
        severity: `ERROR` or `WARNING`.
        kind: The name of TFMD's anomaly type, or of our own.
        summary: A few words.
        description: A sentence.
    """

    split: str
    feature: str
    severity: str
    kind: str
    summary: str
    description: str


@dataclass(frozen=True)
class Measurement:
    """A distance between two distributions of a feature, or a count, and its limit.

    Attributes:
        check: `drift`, `skew` or `min_rows`.
        split: The Split.
        feature: The feature; empty for the whole Split.
        measure: What was measured: `jensen_shannon_divergence`, `infinity_norm`, `normalized_abs_difference` or `rows`.
        measured: The value.
        threshold: The limit: the greatest value that passes, for `min_rows` the least.
        source: Who set the limit: `schema` or `parameter`.
        passed: Whether it passed.
    """

    check: str
    split: str
    feature: str
    measure: str
    measured: float
    threshold: float
    source: str
    passed: bool


@dataclass
class Reference:
    """What a Split is compared with.

    Attributes:
        check: `drift` or `skew`.
        statistics: The other Statistics; None if there are none for this Split.
        threshold: The limit for features without a comparator.
    """

    check: str
    statistics: Statistics | None
    threshold: float

    @property
    def comparator(self) -> str:
        """The Schema's field that sets a feature's limit."""
        return f"{self.check}_comparator"


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
    split: str, statistics: Statistics, schema: schema_pb2.Schema, environment: str | None, references: list[Reference], min_rows: int
) -> Result:
    """Checks a Split's Statistics against a Schema, a least number of rows, and other Statistics.

    Args:
        split: The Split's name.
        statistics: Its Statistics.
        schema: The Schema; it is not changed.
        environment: The Schema environment; None for the default.
        references: What to compare with.
        min_rows: The least number of rows.
    """
    active = schema_pb2.Schema()
    active.CopyFrom(schema)
    rows = int(statistics.datasets[0].num_examples)
    limit = max(min_rows, active.dataset_constraints.min_examples_count)
    active.dataset_constraints.min_examples_count = limit
    for reference in references:
        _add_defaults(active, statistics, reference)
    given = {reference.check: reference.statistics for reference in references}
    anomalies = tfdv.validate_statistics(statistics, active, environment, given.get("drift"), given.get("skew"))
    anomalies.baseline.CopyFrom(schema)
    result = Result(anomalies, list(_tfdv_findings(split, anomalies)))
    result.measurements.append(
        Measurement("min_rows", split, "", "rows", rows, limit, "parameter" if limit == min_rows else "schema", rows >= limit)
    )
    for reference in references:
        _add_comparison(result, split, statistics, schema, reference)
    if rows:
        result.findings += _value_findings(split, statistics)
    return result


def _add_defaults(schema: schema_pb2.Schema, statistics: Statistics, reference: Reference) -> None:
    """Gives each feature without a comparator the one that suits how both sides were counted."""
    if reference.statistics is None:
        return
    ours, theirs = by_name(statistics), by_name(reference.statistics)
    for feature in schema.feature:
        comparator = getattr(feature, reference.comparator)
        if _limits(comparator) or not _comparable(ours.get(feature.name), theirs.get(feature.name)):
            continue
        measure = comparator.jensen_shannon_divergence if is_numeric(ours[feature.name]) else comparator.infinity_norm
        measure.threshold = reference.threshold


def _limits(comparator: schema_pb2.FeatureComparator) -> list[str]:
    return [found.name for found, _ in comparator.ListFields()]


def _comparable(one: FeatureStatistics | None, other: FeatureStatistics | None) -> bool:
    return (
        one is not None and other is not None and one.WhichOneof("stats") == other.WhichOneof("stats") and bool(common(one).num_non_missing)
    )


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


def _add_comparison(result: Result, split: str, statistics: Statistics, schema: schema_pb2.Schema, reference: Reference) -> None:
    """Adds what was measured against other Statistics, and a finding for each feature where nothing could be."""
    check = reference.check
    if reference.statistics is None:
        text = f"The {check} of Split {split} was not checked: the other Statistics have no Split of this name."
        result.findings.append(Finding(split, "", WARNING, "NOT_COMPARED", f"No {check} check", text))
        return
    stated = {feature.name: bool(_limits(getattr(feature, reference.comparator))) for feature in schema.feature}
    measured = set()
    for info in result.anomalies.drift_skew_info:
        name = ".".join(info.path.step)
        for found in getattr(info, f"{check}_measurements"):
            measured.add(name)
            source = "schema" if stated.get(name) else "parameter"
            passed = found.value <= found.threshold  # false for NaN, too
            result.measurements.append(Measurement(check, split, name, _measure(found.type), found.value, found.threshold, source, passed))
    explained = {finding.feature for finding in result.findings}
    for name, is_stated in stated.items():
        if name in by_name(statistics) and name not in measured | explained:
            text = f"The {check} of {name} was not checked: the other Statistics lack it, or counted it as another kind of feature."
            result.findings.append(Finding(split, name, ERROR if is_stated else WARNING, "NOT_COMPARED", f"No {check} check", text))


def _measure(kind: int) -> str:
    name = anomalies_pb2.DriftSkewInfo.Measurement.Type.Name(kind)
    return {"L_INFTY": "infinity_norm", "NORMALIZED_ABSOLUTE_DIFFERENCE": "normalized_abs_difference"}.get(name, name.lower())


def _value_findings(split: str, statistics: Statistics) -> Iterator[Finding]:
    """Finds what a Schema need not forbid and a model rarely survives: NaN, infinities, and features that say nothing."""
    rows = int(statistics.datasets[0].num_examples)
    for name, feature in sorted(by_name(statistics).items()):
        if not common(feature).num_non_missing:
            yield Finding(split, name, WARNING, "NO_VALUES", "No values", f"Feature {name} has no value in any of the {rows:,} rows.")
        elif (only := _only_value(feature)) is not None and rows > 1:
            text = f"Feature {name} has the one value {only} in all rows that have it: as a label or a feature it says nothing."
            yield Finding(split, name, WARNING, "ONE_VALUE", "One value only", text)
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
        return repr(feature.string_stats.top_values[0].value) if feature.string_stats.top_values else "''"
    return None
