"""monitor_model: one pass over a window of a log, a reference beside it, a verdict."""

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

# TFMA evaluates with Keras 2; saying so early keeps TensorFlow from importing Keras 3 as well.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")

import numpy as np
import pyarrow as pa
from tensorflow_metadata.proto.v0 import schema_pb2

from penstock.components.data import stored
from penstock.components.data.examples import read_batches, read_schema, split_folder
from penstock.components.data.filesystems import open_filesystem
from penstock.components.data.schema_file import read_schema_file
from penstock.components.data.without_pandas import leave_out_pandas
from penstock.components.evidence import blessing
from penstock.components.evidence.monitoring import DEGRADED, FILE
from penstock.components.protocol import Input, Output, TaskError, figure, redact
from penstock.components.protocol import fingerprint as fingerprint_of_folder

from .bins import Bins
from .champion import RegisteredExamples, describe, examples_of, read_champion
from .config import MonitoringConfig, read_config
from .drift import DRIFTED, NO_VALUES, compare
from .estimate import estimate
from .logs.reading import Log, with_ids
from .logs.window import Window
from .prometheus import metrics_text
from .publishing import publish
from .reference import Reference, only_rows, read_reference, served
from .report import write_report
from .serving import read_serving
from .verdict import decide
from .window_counts import ModelCounts, by_fingerprint, count_window

if TYPE_CHECKING:  # what it needs takes seconds to import
    from .labels import LabeledRows
    from .slices import SlicedCounts

leave_out_pandas()

METRICS_FILE = "monitoring.prom"
# Each is a pass over the log.
_MOST_WINDOWS = 100


class Outputs(NamedTuple):
    """The output parameters of monitor_model."""

    verdict: str


@dataclass(frozen=True)
class _Against:
    """What the window is compared with: features, and predictions where the reference has any."""

    features: Reference
    predictions: Reference | None
    described: dict[str, Any] = field(default_factory=dict)
    slices: "SlicedCounts | None" = None


def monitor_model(
    monitoring: Output,
    report: Output,
    logs: str,
    reference: Input | None = None,
    evaluation: Input | None = None,
    predecessor: Input | None = None,
    reference_uri: str = "",
    reference_split: str = "train",
    reference_window: str = "",
    schema_file: str = "",
    model_name: str = "",
    fingerprint: str = "",
    log_format: str = "",
    log_key: str = "",
    window_start: str = "",
    window_end: str = "",
    window_hours: float = 24.0,
    trend_windows: int = 0,
    monitoring_config: str = "",
    eval_config: str = "",
    labels: str = "",
    label_key: str = "id",
    label_column: str = "",
    label_time_column: str = "",
    metrics_url: str = "",
    champion_alias: str = "",
    tracking_uri: str = "",
    registry_uri: str = "",
    pushgateway: str = "",
    monitoring_uri: str = "",
) -> Outputs:
    """Monitors a model; the interface's docstring says what the parameters mean.

    Raises:
        TaskError: A parameter, the reference, the log or the labels cannot be used; a model that has drifted is a result.
    """
    now = datetime.now(timezone.utc)
    config = read_config(monitoring_config)
    window = Window.read(window_start, window_end, window_hours, now)
    schema = read_schema_file(schema_file) if schema_file else None
    which_model = fingerprint if evaluation is None else _blessed(evaluation, fingerprint)
    given = sum(map(bool, (reference, reference_uri, reference_window)))
    if given > 1 or not (given or champion_alias):
        raise TaskError(
            "set exactly one of reference, reference_uri and reference_window, or none and champion_alias, whose Examples the registry names"
        )
    champion = read_champion(model_name, champion_alias, tracking_uri, registry_uri, is_required=not given) if champion_alias else None
    registered = None if given or champion is None else examples_of(champion, model_name, champion_alias, which_model)
    if registered:
        reference_uri, which_model = registered.uri, registered.model
    if not 0 <= trend_windows <= _MOST_WINDOWS:
        raise TaskError(f"trend_windows is {trend_windows}; give 0 to {_MOST_WINDOWS}")
    quality = _Quality.of(
        eval_config,
        labels,
        label_key,
        label_column,
        label_time_column,
        evaluation,
        now - timedelta(hours=config.label_delay_hours),
        predecessor is not None,
    )
    with _examples(reference, reference_uri) as examples:
        if registered and examples:
            _require_same(examples, registered)
        texts = _texts(examples, reference_split, schema)
        log = Log(logs, log_format, model_name, texts)
        excluded = {*config.exclude, *served(schema), *quality.labels, *([log_key] if log_key else [])}
        uri = redact(reference.uri if reference else reference_uri)
        against = _against(log, examples, reference_split, reference_window, schema, excluded, now, uri, config.reference_rows, quality)
    view = _View(log, log_key, against, quality, config, excluded, schema)
    now_seen = view.of(window, which_model)
    facts, which, model = _log_facts(log), now_seen.fingerprint, now_seen.model
    judged = None if predecessor is None or now_seen.word != DEGRADED else quality.compare(predecessor, now_seen, schema, config)
    trend = [view.of(each, which).brief() for each in window.before(trend_windows)]
    word, reasons = now_seen.word, now_seen.reasons
    found = {
        "verdict": word,
        "reasons": reasons,
        "model_name": model_name,
        "fingerprint": which,
        "time": now.isoformat(timespec="seconds"),
        "timestamp": now.timestamp(),
        "window": {"start": window.start.isoformat(), "end": window.end.isoformat()},
        "rows": model.rows,
        "errors": model.errors,
        "newest": model.newest.isoformat() if model.newest else None,
        "newest_timestamp": model.newest.timestamp() if model.newest else None,
        "log": {"uri": redact(logs), "format": log.kind} | facts,
        "models": _models(now_seen.models, against, config, excluded),
        "reference": against.described | {"rows": against.features.rows},
        "features": now_seen.compared.get("features", {}),
        "predictions": now_seen.compared.get("predictions", {}),
        "not_compared": _not_compared(model, against, excluded),
        "quality": now_seen.measured,
        "slices": view.slices(window, now_seen),
        "predecessor": judged,
        "serving": read_serving(metrics_url, which) if metrics_url else None,
        "trend": trend,
        "champion": None if champion is None else describe(champion),
        "estimate": estimate(np.concatenate(model.scores)) if quality.is_given and model.scores else None,
    }
    monitoring.path.mkdir(parents=True)
    (monitoring.path / FILE).write_text(stored.dump(found, indent=1, allow_nan=False), encoding="utf-8")
    figures = metrics_text(found)
    (monitoring.path / METRICS_FILE).write_text(figures, encoding="utf-8")
    publish(figures, found, window.start.timestamp(), pushgateway, monitoring_uri)
    monitoring.metadata |= {"verdict": word, "rows": model.rows, "model_fingerprint": which}
    write_report(report.path, found)
    figure(
        f"{model.rows:,} rows: {word.replace('_', ' ')}"
        + (f": {reasons[0]}" if reasons else "")
        + (f", and {len(reasons) - 1} more" if len(reasons) > 1 else "")
    )
    return Outputs(word)


class _Quality:
    """What is to be measured where labels have come: nothing, if there is no EvalConfig or there are no labels.

    Attributes:
        is_given: Whether there is an EvalConfig.
        labels: The columns that are labels, which no request has.
    """

    def __init__(
        self,
        eval_config: Any,
        labels: pa.Table | None,
        label_key: str,
        evaluation: Input | None,
        due: datetime | None = None,
        keeps_features: bool = False,
    ) -> None:
        self._eval_config, self.is_given = eval_config, eval_config is not None
        self.labels = {label_key} - {""}
        self._came, self._columns, self._due = labels, None, due
        self._before: Any = None
        if labels is not None:
            from .quality import needed_columns, read_evaluation

            self._before = read_evaluation(evaluation.path) if evaluation else None
            self._columns = None if keeps_features else needed_columns(eval_config, label_key)

    @classmethod
    def of(
        cls,
        eval_config: str,
        labels: str,
        label_key: str,
        label_column: str,
        label_time_column: str,
        evaluation: Input | None,
        due: datetime | None,
        keeps_features: bool,
    ) -> "_Quality":
        """Reads the EvalConfig, the labels and the evaluation before.

        Raises:
            TaskError: They cannot be used.
        """
        if labels and not eval_config:
            raise TaskError("labels requires eval_config, which names the metrics; set both")
        if not eval_config:
            return cls(None, None, "", None)
        from penstock.components.evidence.eval_config import parse_eval_config

        from .labels import read_labels
        from .quality import label_key_of

        parsed = parse_eval_config(eval_config)
        label = label_key_of(parsed)
        read = read_labels(labels, label_key, label_column or label, label_time_column) if labels else None
        return cls(parsed, read, label, evaluation, due, keeps_features)

    def sliced(self, bins: dict[str, Bins], rows: Callable[[], Iterable[pa.RecordBatch]]) -> "SlicedCounts | None":
        """Counts rows by the slices of the EvalConfig; None where there are no slices."""
        if self._eval_config is None:
            return None
        from penstock.components.evidence.eval_config import slicing_columns

        from .slices import sliced

        return sliced(self._eval_config, bins, rows()) if slicing_columns(self._eval_config) else None

    def rows(self) -> "LabeledRows | None":
        """Returns what keeps the rows of a window that have labels; None where there are no labels."""
        if self._came is None:
            return None
        from .labels import LabeledRows

        return LabeledRows(self._came, self._columns, self._due)

    def measure(
        self, labeled: "LabeledRows | None", fingerprint: str, schema: schema_pb2.Schema | None, config: MonitoringConfig
    ) -> dict[str, Any] | None:
        """Measures a model; None where there is nothing to measure."""
        if labeled is None:
            return None
        from .quality import measure

        return measure(self._eval_config, labeled, fingerprint, self._before, schema, config)

    def compare(
        self, predecessor: Input, seen: "_Seen", schema: schema_pb2.Schema | None, config: MonitoringConfig
    ) -> dict[str, Any] | None:
        """Measures the predecessor on the rows of the window that have labels; None where there are no labels."""
        if seen.labeled is None:
            return None
        from .predecessor import compare as compare_models

        return compare_models(predecessor, self._eval_config, seen.labeled, seen.fingerprint, schema, config)


@dataclass(frozen=True)
class _Seen:
    """What a window shows of the model that is monitored.

    Attributes:
        window: The window.
        fingerprint: The model's.
        models: The counts of every model of the window.
        model: Those of the model.
        compared: Its features and predictions, compared with the reference.
        labeled: Its rows that have labels.
        measured: Its quality.
        word: The verdict.
        reasons: The reasons for it.
    """

    window: Window
    fingerprint: str
    models: dict[str, ModelCounts]
    model: ModelCounts
    compared: dict[str, dict[str, Any]]
    labeled: "LabeledRows | None"
    measured: dict[str, Any] | None
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
class _View:
    """How windows of a log are looked at."""

    log: Log
    log_key: str
    against: _Against
    quality: _Quality
    config: MonitoringConfig
    excluded: set[str]
    schema: schema_pb2.Schema | None

    def slices(self, window: Window, seen: _Seen) -> dict[str, Any]:
        """Compares the slices of the model's rows; a pass of its own, for which model it is shows at the end of the first."""
        if self.against.slices is None or not seen.model.rows:
            return {}
        from .slices import compare_slices

        rows = (with_ids(rows, self.log_key) for rows in self.log.read(window))
        mine = (found.features for each in rows for name, found in by_fingerprint(each) if name == seen.fingerprint)
        counted = self.quality.sliced(self.against.features.bins, lambda: mine)
        assert counted
        return compare_slices(self.against.slices, counted, seen.compared["features"], self.against.features.bins, self.config)

    def of(self, window: Window, wanted: str) -> _Seen:
        """Looks at a window in one pass.

        Args:
            window: The window.
            wanted: The fingerprint of the model that is monitored, or its start; empty: of the one with most rows.
        """
        labeled = self.quality.rows()
        batches = (with_ids(rows, self.log_key) for rows in self.log.read(window))
        outputs = self.against.predictions.bins if self.against.predictions else {}
        keep = labeled.keep if labeled else lambda rows: None
        models = count_window(batches, self.against.features.bins, outputs, keep)
        which, nothing = _which(models, wanted, window, self.log.found.newest, self.config)
        model = models.get(which, ModelCounts({}, {}))
        compared = _compared(model, self.against, self.config, self.excluded) if model.rows else {}
        measured = self.quality.measure(labeled, which, self.schema, self.config) if model.rows else None
        both = compared["features"] | compared["predictions"] if compared else {}
        word, reasons = decide(model.rows, nothing, both, measured, self.config, self.log.found.ahead)
        return _Seen(window, which, models, model, compared, labeled, measured, word, reasons)


@contextmanager
def _examples(reference: Input | None, uri: str) -> Iterator[Path | None]:
    """Gives the folder of the reference's Examples; None if the reference is a window of the log."""
    if reference is not None:
        reference.require_written()
        yield reference.path
    elif not uri:
        yield None
    else:
        with tempfile.TemporaryDirectory(prefix="penstock-reference-") as scratch:
            yield _fetched(uri, Path(scratch))


def _require_same(examples: Path, registered: RegisteredExamples) -> None:
    if registered.fingerprint and fingerprint_of_folder(examples) != registered.fingerprint:
        raise TaskError(
            f"the Examples at {redact(registered.uri)} differ from those that the model {registered.model[:12]} was made from; give reference_uri"
        )


def _fetched(uri: str, scratch: Path) -> Path:
    try:
        files, root = open_filesystem(uri)
        if not files.exists(root):
            raise TaskError(f"the reference {redact(uri)} does not exist; give existing Examples")
        if Path(root).is_dir():
            return Path(root)
        files.get(f"{root.rstrip('/')}/", f"{scratch}/", recursive=True)
    except TaskError:
        raise
    except Exception as error:  # every filesystem has exceptions of its own
        raise TaskError(
            f"the reference {redact(uri)} cannot be read ({' '.join(str(error).split())[:200]}); correct reference_uri"
        ) from error
    return scratch


def _texts(examples: Path | None, split: str, schema: schema_pb2.Schema | None) -> list[str]:
    """Returns the features that are text."""
    if examples is not None:
        split_folder(examples, split)
        return [
            column.name
            for column in read_schema(examples, split)
            if pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
        ]
    return [feature.name for feature in schema.feature if feature.type == schema_pb2.BYTES] if schema else []


def _against(
    log: Log,
    examples: Path | None,
    split: str,
    window: str,
    schema: schema_pb2.Schema | None,
    excluded: set[str],
    now: datetime,
    uri: str,
    wanted: dict[str, list[Any]],
    quality: _Quality,
) -> _Against:
    if examples is not None:
        rows = only_rows(lambda: read_batches(examples, split), wanted)
        read = read_reference(rows, schema, excluded)
        return _Against(read, None, {"kind": "examples", "uri": uri, "split": split}, quality.sliced(read.bins, rows))
    start, _, end = window.partition("/")
    earlier = Window.read(start, end, 0.0, now) if start and end else None
    if earlier is None:
        raise TaskError(f"reference_window is {window!r:.60}; give START/END, such as 2026-11-01/2026-11-08")
    asked = only_rows(lambda: (rows.features for rows in log.read(earlier)), wanted)
    features = read_reference(asked, schema, excluded)
    answered = read_reference(
        lambda: (rows.predictions.filter(rows.about.column("error").is_null()) for rows in log.read(earlier)), None, set()
    )
    described = {"kind": "window", "start": earlier.start.isoformat(), "end": earlier.end.isoformat()}
    return _Against(features, answered, described, quality.sliced(features.bins, asked))


def _blessed(evaluation: Input, fingerprint: str) -> str:
    """Returns the fingerprint of the model that an Evaluation blessed.

    Raises:
        TaskError: It blesses none, or another than the one that is asked for.
    """
    evaluation.require_written()
    content = blessing.read_blessing(evaluation.path, "give the Evaluation that blessed the model")
    blessed = blessing.field(content, "model", "fingerprint")
    if not isinstance(blessed, str) or not blessed:
        raise TaskError(f"the blessing at {evaluation.path} does not say of which model it is; evaluate the model again")
    if not blessed.startswith(fingerprint):
        raise TaskError(
            f"the Evaluation at {evaluation.path} blesses the model {blessed[:12]}, and fingerprint is {fingerprint[:12]!r}; give the "
            "Evaluation of the model that is monitored"
        )
    return blessed


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


def _compared(model: ModelCounts, against: _Against, config: MonitoringConfig, excluded: set[str]) -> dict[str, dict[str, Any]]:
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


def _not_compared(model: ModelCounts, against: _Against, excluded: set[str]) -> dict[str, list[str]]:
    absent = sorted(set(against.features.bins) - model.names) if model.rows else []
    return {"excluded": sorted(excluded), "not_logged": absent, "predictions": [] if against.predictions else sorted(model.outputs)}


def _models(models: dict[str, ModelCounts], against: _Against, config: MonitoringConfig, excluded: set[str]) -> list[dict[str, Any]]:
    """Describes every model of the window, and what has drifted in its rows; a canary is one of them."""
    described = []
    for name, model in sorted(models.items(), key=lambda item: -item[1].rows):
        compared = _compared(model, against, config, excluded) if model.rows >= config.min_rows else {}
        drifted = [each for kind in compared.values() for each, found in kind.items() if found["status"] == DRIFTED]
        described.append({"fingerprint": name, "versions": model.versions, "rows": model.rows, "errors": model.errors, "drifted": drifted})
    return described


def _log_facts(log: Log) -> dict[str, Any]:
    found = log.found
    counted = ("files", "rows", "unreadable", "cut_short", "unanswered", "unasked", "untimed", "ahead", "vanished", "untold")
    return {name: getattr(found, name) for name in counted}
