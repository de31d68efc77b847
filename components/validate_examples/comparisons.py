"""Drift and skew: how far a Split's Statistics lie from others, and whether what a Schema asks for was measured at all."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from statistics import NormalDist

from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2

from penstock.components.evidence.distances import CHANCE, sampling_limit

from .findings import ERROR, WARNING, Finding, Measurement
from .quantiles import QuantileCounts, distribution
from .schemas import features_of
from .statistics import FeatureStatistics, Statistics, by_name, common, count_infinite, count_nan, histogram, is_numeric

_DEVIATIONS = NormalDist().inv_cdf(1 - CHANCE / 2)
# What TFDV writes in place of values that it does not keep.
_PLACEHOLDERS = ("__LARGE_BYTES__", "__BYTES_VALUE__")
_MEASURES = ("infinity_norm", "jensen_shannon_divergence", "normalized_abs_difference")
_TYPES = {"L_INFTY": "infinity_norm", "NORMALIZED_ABSOLUTE_DIFFERENCE": "normalized_abs_difference"}
_BETWEEN = {"drift": "between current and previous", "skew": "between training and serving"}


@dataclass
class Reference:
    """What a Split is compared with.

    Attributes:
        check: `drift` or `skew`.
        parameter: The parameter that names the other Statistics.
        where: Its value; empty if there are none.
        statistics: The other Statistics; None if there are none for this Split.
        threshold: The limit for features without a comparator.
        counts: The Split's numbers between the quantiles of the other Statistics.
    """

    check: str
    parameter: str
    where: str
    statistics: Statistics | None
    threshold: float
    counts: QuantileCounts | None


class Comparison:
    """Compares a Split's Statistics with others."""

    def __init__(
        self,
        split: str,
        statistics: Statistics,
        schema: schema_pb2.Schema,
        environment: str | None,
        is_inferred: bool,
        reference: Reference,
    ) -> None:
        self._split, self._reference, self._schema = split, reference, schema
        self._check = reference.check
        self._features = features_of(schema, environment)
        self._ours = by_name(statistics)
        self._theirs = by_name(reference.statistics) if reference.statistics else {}
        self._rows = int(statistics.datasets[0].num_examples)
        self._other_rows = int(reference.statistics.datasets[0].num_examples) if reference.statistics else 0
        # A Schema that was inferred after a column was gone lacks it by accident, not by decision.
        self._gone = set(self._theirs) - set(self._features) if is_inferred and self._check == "drift" else set()

    def stated(self, name: str) -> list[str]:
        """Returns the measures that the Schema asks for."""
        if name not in self._features:
            return []
        comparator = getattr(self._features[name], f"{self._check}_comparator")
        return [measure for measure in _MEASURES if comparator.HasField(measure)]

    def prepare(self, schema: schema_pb2.Schema) -> None:
        """Leaves in a Schema what TFDV can measure, and asks for what it measures by default.

        TFDV measures 0 where it has nothing to measure, such as numbers by `infinity_norm`: that is no evidence.
        """
        for name, feature in features_of(schema, None).items():
            comparator = getattr(feature, f"{self._check}_comparator")
            for measure in self.stated(name):
                if self._obstacle(name, measure):
                    comparator.ClearField(measure)
            if not self.stated(name) and self._is_category(name) and not self._obstacle(name, ""):
                comparator.infinity_norm.threshold = self._limit(name)

    def measurements(self, anomalies: anomalies_pb2.Anomalies) -> Iterator[Measurement]:
        """Yields what TFDV measured, the distances of numbers without a comparator, and how presence changed."""
        if self._reference.statistics is None:
            return
        for info in anomalies.drift_skew_info:
            name = ".".join(info.path.step)
            source = "schema" if self.stated(name) else self._source(name)
            for found in getattr(info, f"{self._check}_measurements"):
                kind = anomalies_pb2.DriftSkewInfo.Measurement.Type.Name(found.type)
                measurement = self._measurement(name, _TYPES.get(kind, kind.lower()), found.value, found.threshold, source)
                is_divergence = measurement.measure == "jensen_shannon_divergence"
                at_quantiles = self._reference.counts.divergence(name) if is_divergence and self._reference.counts else None
                yield replace(measurement, by="TFDV", at_quantiles=at_quantiles)
        for name in sorted(self._features):
            distance = self._reference.counts.distance(name) if self._reference.counts and not self.stated(name) else None
            if distance is not None and not self._is_category(name) and name in self._ours:
                yield self._measurement(name, "kolmogorov_smirnov", distance, self._limit(name), self._source(name))
        yield from self._presence()

    def findings(self, measured: list[Measurement], explained: set[str]) -> Iterator[Finding]:
        """Yields the failures of what TFDV did not measure, and what nothing measured.

        Args:
            measured: What `measurements` yielded.
            explained: The features that have findings already.
        """
        if not self._reference.where:
            yield from self._without_reference()
            return
        if self._reference.statistics is None:
            what = self._asked()
            text = f"The {self._check} of Split {self._split} was not checked: the other Statistics have no Split of this name."
            if what:
                text = (
                    f"{text[:-1]}, but the Schema requires the {self._check} of {_listed(what)}; provide them, or remove the comparators."
                )
            yield Finding(self._split, "", ERROR if what else WARNING, "NOT_COMPARED", f"No {self._check} check", text)
            return
        for found in measured:
            if not found.passed and found.at_quantiles is not None:
                text = _AT_QUANTILES.format(found.feature, found.measured, found.at_quantiles)
                yield Finding(self._split, found.feature, WARNING, "OTHER_HISTOGRAMS", f"Another measure ({self._check})", text)
            if not found.passed and (describe := _DESCRIPTIONS.get(found.measure)):
                kind, summary, text = describe
                detail = text.format(self._shares(found), _BETWEEN[self._check], found.measured, found.threshold)
                yield Finding(self._split, found.feature, ERROR, kind, f"{summary} ({self._check})", detail)
        explained = explained | {found.feature for found in measured if not found.passed}
        compared = {(found.feature, found.measure) for found in measured}
        for name in sorted(self._features):
            yield from self._unmeasured(name, {measure for feature, measure in compared if feature == name}, name in explained)

    def _unmeasured(self, name: str, measures: set[str], is_explained: bool) -> Iterator[Finding]:
        """Yields what should have been measured of a feature and was not."""
        is_here = name in self._ours
        for measure in self.stated(name):
            if measure not in measures and (is_here or not is_explained):
                why = self._obstacle(name, measure) or "the comparator has no threshold"
                yield self._not_compared(name, ERROR, f"the Schema requires {measure}, but {why}")
        if not self.stated(name) and not measures - {"missing", "infinite"} and not is_explained and (is_here or name in self._theirs):
            yield self._not_compared(name, WARNING, self._obstacle(name, "") or "values of its type cannot be compared")

    def _not_compared(self, name: str, severity: str, why: str) -> Finding:
        text = f"The {self._check} of {name} was not checked: {why}."
        return Finding(self._split, name, severity, "NOT_COMPARED", f"No {self._check} check", text)

    def _without_reference(self) -> Iterator[Finding]:
        if what := self._asked():
            text = f"The Schema requires the {self._check} of {_listed(what)}, which was not checked: {self._reference.parameter} is empty."
            yield Finding(self._split, "", WARNING, "NOT_COMPARED", f"No {self._check} check", text)

    def _asked(self) -> list[str]:
        rows = self._schema.dataset_constraints.HasField("num_examples_drift_comparator") and self._check == "drift"
        return [name for name in sorted(self._features) if self.stated(name)] + (["the number of rows"] if rows else [])

    def _obstacle(self, name: str, measure: str) -> str:
        """Says why a measure (any, if empty) cannot compare a feature; empty if it can."""
        ours, theirs = self._ours.get(name), self._theirs.get(name)
        if theirs is None or not _has_values(theirs):
            return "the other Statistics have no value for it"
        if ours is None or not _has_values(ours):
            return "it has no value"
        if ours.WhichOneof("stats") != theirs.WhichOneof("stats"):
            return f"it was counted as {_kind(ours)} here, and as {_kind(theirs)} in the other Statistics"
        if measure in ("infinity_norm", "normalized_abs_difference") and is_numeric(ours):
            return (
                f"{measure} compares categories, and {name} was counted as numbers (use jensen_shannon_divergence, or set"
                " int_domain { is_categorical: true })"
            )
        if not all(histogram(side).buckets if is_numeric(side) else _is_ranked(side) for side in (ours, theirs)):
            return "values of its type cannot be compared"
        if is_numeric(ours):
            return ""
        if any(_share(side, _PLACEHOLDERS) > 0.5 for side in (ours, theirs)):
            return "TFDV cannot distinguish values that are longer than 1,024 bytes or not UTF-8"
        if not measure and max(_share(side) for side in (ours, theirs)) <= self._limit(name):
            return (
                f"no value is frequent enough for its share to change by more than {self._limit(name):.2g} (to compare it anyway, add a "
                "comparator with"
                " jensen_shannon_divergence to the Schema)"
            )
        return ""

    def _is_category(self, name: str) -> bool:
        return name in self._ours and self._ours[name].WhichOneof("stats") == "string_stats"

    def _limit(self, name: str) -> float:
        return max(self._reference.threshold, self._noise(name))

    def _noise(self, name: str) -> float:
        return sampling_limit(common(self._ours[name]).num_non_missing, common(self._theirs[name]).num_non_missing)

    def _source(self, name: str) -> str:
        return "parameter" if self._limit(name) == self._reference.threshold else "rows"

    def _measurement(self, name: str, measure: str, measured: float, threshold: float, source: str) -> Measurement:
        passed = measured <= threshold  # false for NaN, too
        return Measurement(self._check, self._split, name, measure, measured, threshold, source, passed)

    def _presence(self) -> Iterator[Measurement]:
        """Compares the shares of rows without a value, and of infinite values.

        A share may double, and grow or fall by a tenth of the threshold at least and by the whole of it at most, and by what two
        samples of these sizes differ by. Infinite values where there were none are a change, however few they are.
        """
        threshold = self._reference.threshold
        if threshold >= 1 or not (self._rows and self._other_rows):
            return
        for name in sorted(self._compared_presence()):
            for measure, ours, theirs in self._both_shares(name):
                if max(ours, theirs) > 0:
                    smaller = min(ours, theirs)
                    allowed = min(threshold, max(smaller, threshold / 10))
                    limit = 0.0 if measure == "infinite" and not theirs else max(allowed, self._noise_of_share(ours, theirs))
                    yield self._measurement(name, measure, abs(ours - theirs), limit, "parameter" if limit == allowed else "rows")

    def _compared_presence(self) -> set[str]:
        return {name for name in self._features if name in self._theirs and (name in self._ours or self._check == "drift")} | self._gone

    def _both_shares(self, name: str) -> Iterator[tuple[str, float, float]]:
        ours, theirs = self._ours.get(name), self._theirs[name]
        yield "missing", _missing(ours, self._rows), _missing(theirs, self._other_rows)
        if ours is not None and is_numeric(ours) and is_numeric(theirs):
            yield "infinite", _infinite(ours), _infinite(theirs)

    def _noise_of_share(self, ours: float, theirs: float) -> float:
        """Returns what a share differs by in two samples: the normal approximation, and two rows more where hardly any have it."""
        together = (ours * self._rows + theirs * self._other_rows) / (self._rows + self._other_rows)
        inverse = 1 / self._rows + 1 / self._other_rows
        return min(1.0, _DEVIATIONS * math.sqrt(together * (1 - together) * inverse) + 2 / min(self._rows, self._other_rows))

    def _shares(self, found: Measurement) -> str:
        if found.feature in self._theirs:
            for measure, ours, theirs in self._both_shares(found.feature):
                if measure == found.measure:
                    return f"{theirs:.2%} to {ours:.2%}"
        return ""


_AT_QUANTILES = (
    "TFDV's Jensen-Shannon divergence of {0}, {1:.4f}, compares histograms of equal widths, which a single minimum or maximum changes;"
    " between the quantiles of the other Statistics it is {2:.4f}. The Schema's comparator decides; without it, drift_threshold or"
    " skew_threshold does."
)
_DESCRIPTIONS = {
    "kolmogorov_smirnov": (
        "COMPARATOR_KOLMOGOROV_SMIRNOV_HIGH",
        "High Kolmogorov-Smirnov distance",
        "The largest difference between the distribution functions {1} is {2:.4f}, above the limit {3:.4g}.",
    ),
    "missing": (
        "COMPARATOR_MISSING_HIGH",
        "Changed share of missing values",
        "Rows without a value (missing, NaN) went from {0} {1}: {2:.4f}, above the limit {3:.4g}.",
    ),
    "infinite": (
        "COMPARATOR_INFINITE_HIGH",
        "Changed share of infinite values",
        "Infinite values went from {0} {1}: {2:.4f}, above the limit {3:.4g}.",
    ),
}


def _listed(names: list[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _kind(feature: FeatureStatistics) -> str:
    return {"num_stats": "numbers", "string_stats": "categories", "bytes_stats": "bytes"}.get(
        feature.WhichOneof("stats") or "", "something else"
    )


def _has_values(feature: FeatureStatistics) -> bool:
    return feature.WhichOneof("stats") is not None and common(feature).num_non_missing > 0 and _missing_values(feature) < 1


def _is_ranked(feature: FeatureStatistics) -> bool:
    return feature.WhichOneof("stats") == "string_stats" and len(feature.string_stats.rank_histogram.buckets) > 0


def _share(feature: FeatureStatistics, labels: tuple[str, ...] = ()) -> float:
    """Returns the share of the most frequent value, or of some values."""
    buckets = feature.string_stats.rank_histogram.buckets
    counts = [bucket.sample_count for bucket in buckets if not labels or bucket.label in labels]
    return (sum(counts) if labels else max(counts)) / max(common(feature).tot_num_values, 1)


def _missing(feature: FeatureStatistics | None, rows: int) -> float:
    """Returns the share of rows without a value: missing, empty or NaN."""
    if feature is None or not feature.WhichOneof("stats"):
        return 1.0
    present = common(feature).num_non_missing / rows
    return min(1.0, max(0.0, 1 - present * (1 - _missing_values(feature))))


def _missing_values(feature: FeatureStatistics) -> float:
    """Returns the share of present rows without a value."""
    counts = common(feature)
    if feature.WhichOneof("stats") == "struct_stats":
        return 0.0
    if not counts.tot_num_values:
        return 1.0
    lengths = distribution(counts.num_values_histogram)
    empty = float(lengths.least[lengths.ends <= 0].max(initial=0.0)) if lengths else 0.0
    nan = count_nan(feature) / counts.tot_num_values if is_numeric(feature) else 0.0
    return 1 - (1 - empty) * (1 - nan)


def _infinite(feature: FeatureStatistics) -> float:
    return count_infinite(feature) / max(common(feature).tot_num_values, 1)
