"""monitor_model: one pass over a window of a log, a reference beside it, a verdict."""

import os
from datetime import datetime, timedelta, timezone
from typing import Any, NamedTuple

# TFMA evaluates with Keras 2; saying so early keeps TensorFlow from importing Keras 3 as well.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")

import numpy as np

from penstock.components.data import stored
from penstock.components.data.schema_file import read_schema_file
from penstock.components.data.without_pandas import leave_out_pandas
from penstock.components.evidence import blessing
from penstock.components.evidence.feature_skew import read_feature_skew
from penstock.components.evidence.logs.reading import Log
from penstock.components.evidence.logs.window import Window
from penstock.components.evidence.monitoring import DEGRADED, FILE
from penstock.components.protocol import Input, Output, TaskError, figure, redact

from .champion import describe, examples_of, read_champion
from .comparison import comparison, reference_examples, require_same, text_features
from .config import read_config
from .estimate import estimate
from .labeled_quality import LabeledQuality
from .prometheus import metrics_text
from .publishing import publish
from .reference import served
from .report import write_report
from .skew import require_model
from .view import View

leave_out_pandas()

METRICS_FILE = "monitoring.prom"
# Each is a pass over the log.
_MOST_WINDOWS = 100


class Outputs(NamedTuple):
    """The output parameters of monitor_model."""

    verdict: str


def monitor_model(
    monitoring: Output,
    report: Output,
    logs: str,
    reference: Input | None = None,
    evaluation: Input | None = None,
    predecessor: Input | None = None,
    feature_skew: Input | None = None,
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
    features = None if feature_skew is None else _compared(feature_skew, model_name)
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
    quality = LabeledQuality.of(
        eval_config,
        labels,
        label_key,
        label_column,
        label_time_column,
        evaluation,
        now - timedelta(hours=config.label_delay_hours),
        predecessor is not None,
    )
    with reference_examples(reference, reference_uri) as examples:
        if registered and examples:
            require_same(examples, registered)
        log = Log(logs, log_format, model_name, text_features(examples, reference_split, schema))
        excluded = {*config.exclude, *served(schema), *quality.labels, *([log_key] if log_key else [])}
        uri = redact(reference.uri if reference else reference_uri)
        against = comparison(log, examples, reference_split, reference_window, schema, excluded, now, uri, config.reference_rows, quality)
    keys = set(features["keys"]) - set(against.features.bins) if features else set()  # logged, to fetch features by
    view = View(log, log_key, against, quality, config, excluded | keys, schema)
    seen = view.of(window, which_model, with_slices=True, features=features)
    facts, which, model = _log_facts(log), seen.fingerprint, seen.model
    judged = None if predecessor is None or seen.word != DEGRADED else quality.compare(predecessor, seen.labeled, which, schema, config)
    found = {
        "model_name": model_name,
        "time": now.isoformat(timespec="seconds"),
        "timestamp": now.timestamp(),
        "log": {"uri": redact(logs), "format": log.kind} | facts,
        **view.describe(seen),
        "predecessor": judged,
        "serving": _serving(metrics_url, which),
        "trend": [view.of(each, which).brief() for each in window.before(trend_windows)],
        "champion": None if champion is None else describe(champion),
        "estimate": estimate(np.concatenate(model.scores)) if quality.is_given and model.scores else None,
    }
    _write(monitoring, report, found)
    publish(metrics_text(found), found, window.start.timestamp(), pushgateway, monitoring_uri)
    figure(_headline(found))
    return Outputs(seen.word)


def _compared(feature_skew: Input, model_name: str) -> dict[str, Any]:
    feature_skew.require_written()
    content = read_feature_skew(feature_skew.path)
    require_model(content, model_name)
    return content


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


def _write(monitoring: Output, report: Output, found: dict[str, Any]) -> None:
    monitoring.path.mkdir(parents=True)
    (monitoring.path / FILE).write_text(stored.dump(found, indent=1, allow_nan=False), encoding="utf-8")
    (monitoring.path / METRICS_FILE).write_text(metrics_text(found), encoding="utf-8")
    monitoring.metadata |= {"verdict": found["verdict"], "rows": found["rows"], "model_fingerprint": found["fingerprint"]}
    write_report(report.path, found)


def _headline(found: dict[str, Any]) -> str:
    reasons = found["reasons"]
    more = f", and {len(reasons) - 1} more" if len(reasons) > 1 else ""
    return f"{found['rows']:,} rows: {found['verdict'].replace('_', ' ')}{f': {reasons[0]}' if reasons else ''}{more}"


def _serving(metrics_url: str, fingerprint: str) -> dict[str, Any] | None:
    if not metrics_url:
        return None
    from .serving import read_serving

    return read_serving(metrics_url, fingerprint)


def _log_facts(log: Log) -> dict[str, Any]:
    found = log.found
    counted = ("files", "rows", "unreadable", "cut_short", "unanswered", "unasked", "untimed", "ahead", "vanished", "not_logged")
    return {name: getattr(found, name) for name in counted}
