"""Windows of a log, each read in one pass and compared with the reference."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from tensorflow_metadata.proto.v0 import schema_pb2

from penstock.components.evidence.logs.reading import Log, with_ids
from penstock.components.evidence.logs.window import Window
from penstock.components.protocol import TaskError

from .comparison import Against
from .config import MonitoringConfig
from .drift import DRIFTED, NO_VALUES, compare
from .labeled_quality import LabeledQuality
from .skew import judge
from .verdict import decide
from .window_counts import ModelCounts, count_window

if TYPE_CHECKING:  # what it needs takes seconds to import
    from .labels import LabeledRows
    from .slices import SlicedCounts


@dataclass(frozen=True)
class Seen:
    """What a window shows of the model that is monitored.

    Attributes:
        window: The window.
        fingerprint: The model's.
        models: The counts of every model of the window.
        model: Those of the model.
        compared: Its features and predictions, compared with the reference.
        labeled: Its rows that have labels.
        slices: The counts of every model by slice, where they were asked for.
        measured: Its quality.
        skew: How its fetched features differ from what was known.
        word: The verdict.
        reasons: The reasons for it.
    """

    window: Window
    fingerprint: str
    models: dict[str, ModelCounts]
    model: ModelCounts
    compared: dict[str, dict[str, Any]]
    labeled: "LabeledRows | None"
    slices: dict[str, "SlicedCounts"]
    measured: dict[str, Any] | None
    skew: dict[str, Any] | None
    word: str
    reasons: list[str]

    def brief(self) -> dict[str, Any]:
        """Returns what the trend shows of an earlier window."""
        metrics = (self.measured or {}).get("metrics", {})
        return {
            "window": {"start": self.window.start.isoformat(), "end": self.window.end.isoformat()},
            "verdict": self.word,
            "reasons": self.reasons[:3],
            "rows": self.model.rows,
            "features": {name: found["value"] for kind in self.compared.values() for name, found in kind.items()},
            "metrics": {name: found["value"] for name, found in metrics.items()},
        }


@dataclass(frozen=True)
class View:
    """How windows of a log are looked at."""

    log: Log
    log_key: str
    against: Against
    quality: LabeledQuality
    config: MonitoringConfig
    excluded: set[str]
    schema: schema_pb2.Schema | None

    def describe(self, seen: Seen) -> dict[str, Any]:
        """Returns what the Monitoring has of a window."""
        window, model = seen.window, seen.model
        return {
            "verdict": seen.word,
            "reasons": seen.reasons,
            "fingerprint": seen.fingerprint,
            "window": {"start": window.start.isoformat(), "end": window.end.isoformat()},
            "rows": model.rows,
            "errors": model.errors,
            "newest": model.newest.isoformat() if model.newest else None,
            "newest_timestamp": model.newest.timestamp() if model.newest else None,
            "models": _models(seen, self.against, self.config, self.excluded),
            "reference": self.against.described | {"rows": self.against.features.rows},
            "features": seen.compared.get("features", {}),
            "predictions": seen.compared.get("predictions", {}),
            "not_compared": _not_compared(model, self.against, self.excluded),
            "quality": seen.measured,
            "feature_skew": seen.skew,
        }

    def of(self, window: Window, wanted: str, with_slices: bool = False, features: dict[str, Any] | None = None) -> Seen:
        """Looks at a window in one pass.

        Args:
            window: The window.
            wanted: The fingerprint of the model that is monitored, or its start; empty: of the one with most rows.
            with_slices: Whether to count by slice as well.
            features: What compare_features found; None where it was not asked.
        """
        labeled = self.quality.rows()
        slices = self.quality.sliced_models(self.against.features.bins) if with_slices else None
        keepers = [each for each in (labeled and labeled.keep, slices and slices.add) if each]
        batches = (with_ids(rows, self.log_key) for rows in self.log.read(window))
        outputs = self.against.predictions.bins if self.against.predictions else {}
        models = count_window(batches, self.against.features.bins, outputs, keepers)
        which, nothing = _which(models, wanted, window, self.log.found.newest, self.config)
        model = models.get(which, ModelCounts({}, {}))
        compared = _compared(model, self.against, self.config, self.excluded) if model.rows else {}
        measured = self.quality.measure(labeled, which, self.schema, self.config) if model.rows else None
        both = compared["features"] | compared["predictions"] if compared else {}
        skew = None if features is None else judge(features, window, which, self.config)
        word, reasons = decide(model.rows, nothing, both, measured, skew, self.config, self.log.found.ahead)
        by_slice = slices.models if slices else {}
        return Seen(window, which, models, model, compared, labeled, by_slice, measured, skew, word, reasons)


def _which(
    models: dict[str, ModelCounts], wanted: str, window: Window, newest: datetime | None, config: MonitoringConfig
) -> tuple[str, str]:
    """Returns the fingerprint of the model that is monitored, and why there are no rows of it; empty if there are."""
    seen = f"; the newest row of the log is of {newest.isoformat(timespec='seconds')}" if newest else "; the log has no rows at all"
    if not models:
        return (
            wanted,
            f"no row is in the window from {window.start.isoformat(timespec='minutes')} to {window.end.isoformat(timespec='minutes')}{seen}",
        )
    named = {name: model.rows for name, model in models.items() if name}
    which = next(
        (name for name in named if wanted and name.startswith(wanted)), "" if wanted else max(models, key=lambda name: models[name].rows)
    )
    if wanted and named and not which:
        others = ", ".join(f"{name[:12]} ({rows:,})" for name, rows in sorted(named.items(), key=lambda item: -item[1])[:3])
        return wanted, f"no row is of the model {wanted[:12]}; the window's rows are of {others}"
    latest = models[which].newest
    if config.max_age_hours and (latest is None or window.end - latest > timedelta(hours=config.max_age_hours)):
        age = "of unknown age" if latest is None else f"of {latest.isoformat(timespec='seconds')}"
        return which, f"the newest row is {age}, more than {config.max_age_hours:g} hours before the window's end"
    return which, ""


def _compared(model: ModelCounts, against: Against, config: MonitoringConfig, excluded: set[str]) -> dict[str, dict[str, Any]]:
    """Compares the features that the log has, those that monitoring_config names, and the predictions."""
    bins, counts = against.features.bins, against.features.counts
    names = [name for name in bins if name in model.names or name in config.features]
    features = {name: compare(name, bins[name], counts[name], model.features[name], config) for name in names}
    unknown = sorted((model.names | set(config.features)) - set(bins) - excluded - model.outputs)
    if not names and unknown:
        raise TaskError(
            f"the log has no feature of the reference (it has {', '.join(unknown[:5])}); give the log of the model that was trained on it"
        )
    for name in unknown:
        features[name] = _without_reference(name)
    predictions = {}
    if against.predictions:
        theirs = against.predictions
        predictions = {
            f"prediction/{name}": compare(name, each, theirs.counts[name], model.predictions[name], config)
            for name, each in theirs.bins.items()
        }
    return {"features": features, "predictions": predictions}


def _without_reference(name: str) -> dict[str, Any]:
    reason = f"{name} is not in the reference; exclude it in monitoring_config, or give a reference that has it"
    empty = dict.fromkeys(("threshold", "value", "chance", "missing", "reference_missing", "new", "mean", "reference_mean"))
    return empty | {
        "status": NO_VALUES,
        "reasons": [reason],
        "kind": "unknown",
        "measure": "",
        "measures": {},
        "rows": 0,
        "invalid": 0.0,
        "bins": [],
    }


def _not_compared(model: ModelCounts, against: Against, excluded: set[str]) -> dict[str, list[str]]:
    absent = sorted(set(against.features.bins) - model.names) if model.rows else []
    return {"excluded": sorted(excluded), "not_logged": absent, "predictions": [] if against.predictions else sorted(model.outputs)}


def _models(seen: Seen, against: Against, config: MonitoringConfig, excluded: set[str]) -> list[dict[str, Any]]:
    """Describes every model of the window, and what has drifted in its rows and slices; a canary is one of them."""
    described = []
    for name, model in sorted(seen.models.items(), key=lambda item: -item[1].rows):
        compared = _compared(model, against, config, excluded) if model.rows >= config.min_rows else {}
        drifted = [each for kind in compared.values() for each, found in kind.items() if found["status"] == DRIFTED]
        slices = _slices(seen.slices.get(name), compared.get("features", {}), against, config)
        described.append(
            {
                "fingerprint": name,
                "versions": model.versions,
                "rows": model.rows,
                "errors": model.errors,
                "drifted": drifted,
                "slices": slices,
            }
        )
    return described


def _slices(
    counted: "SlicedCounts | None", features: dict[str, Any], against: Against, config: MonitoringConfig
) -> dict[str, dict[str, Any]]:
    if counted is None or against.slices is None:
        return {}
    from .slices import compare_slices

    return compare_slices(against.slices, counted, features, against.features.bins, config)
