"""`monitoring_config`: by which measure each feature is compared, and how much it may differ."""

from dataclasses import dataclass, field
from typing import Any

import yaml

from penstock.components.data.source import read_text
from penstock.components.protocol import TaskError

KOLMOGOROV_SMIRNOV, INFINITY_NORM = "kolmogorov_smirnov", "infinity_norm"
JENSEN_SHANNON, POPULATION_STABILITY, WASSERSTEIN = "jensen_shannon_divergence", "population_stability_index", "wasserstein"
# The threshold of each measure where none is given. The first two find a tenth of a standard deviation.
THRESHOLDS = {
    KOLMOGOROV_SMIRNOV: 0.03,
    INFINITY_NORM: 0.03,
    JENSEN_SHANNON: 0.01,
    POPULATION_STABILITY: 0.1,
    WASSERSTEIN: 0.1,
}
OF_NUMBERS = tuple(THRESHOLDS)
OF_CATEGORIES = (INFINITY_NORM, JENSEN_SHANNON, POPULATION_STABILITY)
_KNOWN = (
    "numbers",
    "categories",
    "features",
    "exclude",
    "max_invalid",
    "min_rows",
    "min_labels",
    "max_age_hours",
    "label_delay_hours",
    "min_labeled_share",
    "reference_rows",
    "max_feature_skew",
)


@dataclass(frozen=True)
class Limit:
    """How a feature is compared.

    Attributes:
        measure: The measure; empty: that of numbers, or of categories.
        threshold: How far it may go; None: the measure's own.
    """

    measure: str
    threshold: float | None = None


@dataclass(frozen=True)
class MonitoringConfig:
    """What the file says.

    Attributes:
        numbers: How numbers are compared.
        categories: How categories are compared.
        features: How features are compared for which the file says so.
        exclude: Features that are not compared.
        max_invalid: The share of a feature's values that may be outside what the Schema allows.
        min_rows: The least number of rows that a verdict needs.
        min_labels: The least number of rows with labels that a verdict on quality needs.
        max_age_hours: How much older than the window's end the newest row may be; 0: any age.
        label_delay_hours: How late a label may be; the quality of younger rows is not measured yet.
        min_labeled_share: The least share of the rows whose labels are due that must have them.
        reference_rows: The values of features that rows of the reference must have to count, such as those of the same season.
        max_feature_skew: The share of a feature's served values that may differ from its point-in-time values.
    """

    numbers: Limit = Limit(KOLMOGOROV_SMIRNOV)
    categories: Limit = Limit(INFINITY_NORM)
    features: dict[str, Limit] = field(default_factory=dict)
    exclude: tuple[str, ...] = ()
    max_invalid: float = 0.01
    min_rows: int = 100
    min_labels: int = 100
    max_age_hours: float = 0.0
    label_delay_hours: float = 0.0
    min_labeled_share: float = 0.0
    reference_rows: dict[str, list[Any]] = field(default_factory=dict)
    max_feature_skew: float = 0.01

    def limit(self, name: str, is_number: bool) -> tuple[str, float]:
        """Returns the measure by which a feature is compared, and its threshold.

        Raises:
            TaskError: By a measure that its values do not have.
        """
        general = self.numbers if is_number else self.categories
        given = self.features.get(name, general)
        measure = given.measure or general.measure
        if not is_number and measure not in OF_CATEGORIES:
            raise TaskError(f"monitoring_config: {name} has categories, which {measure} does not compare; give {', '.join(OF_CATEGORIES)}")
        stated = [each.threshold for each in (given, general) if each.measure in ("", measure) and each.threshold is not None]
        return measure, stated[0] if stated else THRESHOLDS[measure]


def read_config(value: str) -> MonitoringConfig:
    """Reads a configuration.

    Args:
        value: YAML or JSON, as text, path or URI; empty: the defaults.

    Raises:
        TaskError: It is not a monitoring configuration.
    """
    if not value:
        return MonitoringConfig()
    try:
        content = yaml.safe_load(read_text(value, "monitoring_config"))
    except yaml.YAMLError as error:
        raise TaskError(f"monitoring_config is not YAML ({' '.join(str(error).split())[:200]}); correct it") from error
    content = {} if content is None else content
    if not isinstance(content, dict):
        raise TaskError(f"monitoring_config is {type(content).__name__}, not an object; its keys are {', '.join(_KNOWN)}")
    if unknown := [key for key in content if key not in _KNOWN]:
        raise TaskError(f"monitoring_config has the unknown key {unknown[0]!r:.40}; the keys are {', '.join(_KNOWN)}")
    features = content.get("features") or {}
    if not isinstance(features, dict):
        raise TaskError(
            "monitoring_config: features is not an object; map names of features to limits, such as {distance: {threshold: 0.1}}"
        )
    default = MonitoringConfig()
    return MonitoringConfig(
        _limit(content.get("numbers"), "numbers", default.numbers, OF_NUMBERS),
        _limit(content.get("categories"), "categories", default.categories, OF_CATEGORIES),
        {str(name): _limit(given, f"features.{name}", Limit(""), OF_NUMBERS) for name, given in features.items()},
        tuple(_names(content.get("exclude"))),
        _number(content, "max_invalid", default.max_invalid, most=1),
        int(_number(content, "min_rows", default.min_rows)),
        int(_number(content, "min_labels", default.min_labels)),
        _number(content, "max_age_hours", default.max_age_hours),
        _number(content, "label_delay_hours", default.label_delay_hours),
        _number(content, "min_labeled_share", default.min_labeled_share, most=1),
        _values(content.get("reference_rows")),
        _number(content, "max_feature_skew", default.max_feature_skew, most=1),
    )


def _limit(given: Any, where: str, default: Limit, measures: tuple[str, ...]) -> Limit:
    if given is None:
        return default
    if not isinstance(given, dict) or (unknown := set(given) - {"measure", "threshold"}):
        wrong = f"has the key {sorted(map(str, unknown))[0]!r:.40}" if isinstance(given, dict) else "is not an object"
        raise TaskError(f"monitoring_config: {where} {wrong}; give measure and threshold")
    measure = given.get("measure", default.measure)
    if measure and measure not in measures:
        raise TaskError(f"monitoring_config: {where}.measure is {measure!r:.40}; give {', '.join(measures)}")
    return Limit(measure, _number(given, "threshold", 0.0, where=f"{where}.") if "threshold" in given else None)


def _number(content: dict[str, Any], key: str, default: float, most: float = float("inf"), where: str = "") -> float:
    value = content.get(key, default)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= most:
        limit = f" and at most {most:g}" if most < float("inf") else ""
        raise TaskError(f"monitoring_config: {where}{key} is {value!r:.40}; give a number of at least 0{limit}")
    return value


def _values(given: Any) -> dict[str, list[Any]]:
    given = {} if given is None else given
    if not isinstance(given, dict) or not all(isinstance(values, list) and values for values in given.values()):
        raise TaskError("monitoring_config: reference_rows is no object of lists; give the values of features, such as {month: [11, 12]}")
    return {str(name): values for name, values in given.items()}


def _names(given: Any) -> list[str]:
    given = [] if given is None else given
    if not isinstance(given, list) or not all(isinstance(name, str) for name in given):
        raise TaskError("monitoring_config: exclude is not a list of names; give a list such as [month, day]")
    return given
