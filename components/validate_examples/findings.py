"""What the checks of a Split say."""

from dataclasses import dataclass

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
        measure: What was measured: `jensen_shannon_divergence`, `infinity_norm`, `normalized_abs_difference`, `kolmogorov_smirnov`,
            `missing`, `infinite` or `rows`.
        measured: The value.
        threshold: The limit: the greatest value that passes, for `min_rows` the least.
        source: Who set the limit: `schema`, `parameter`, or `rows` where they are too few to tell less.
        passed: Whether it passed.
        by: Who measured it: `TFDV`, from the histograms of both Statistics, or `Penstock`, from counts of values.
        at_quantiles: For a Jensen-Shannon divergence of numbers by TFDV, the divergence between the quantiles of the other Statistics; else None.
    """

    check: str
    split: str
    feature: str
    measure: str
    measured: float
    threshold: float
    source: str
    passed: bool
    by: str = "Penstock"
    at_quantiles: float | None = None
