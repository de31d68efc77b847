"""Starts a training because a model has become worse or new data has come."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any, NamedTuple

from penstock.components.data import stored
from penstock.components.evidence.monitoring import NO_DATA, OK, SKEW, TOO_FEW, read_monitoring
from penstock.components.protocol import Input, Output, TaskError, figure, redact_all
from penstock.components.release.registry import open_registry

from .places.uri import open_place
from .policy import NOT_NEEDED, TRIGGERED, WAITING, Cause, Decision, Limits, decide
from .training_pipeline import TrainingPipeline, read_pipeline

FILE = "decision.json"
_NEW_DATA = "new_data"
# Verdicts after which no training helps: features that are served wrong are no better in the data to train on.
_CALM = {OK, SKEW, NO_DATA, TOO_FEW}


class Outputs(NamedTuple):
    """The output parameters of trigger_training."""

    outcome: str
    run_id: str


@dataclass(frozen=True)
class _Occasion:
    """What has come, and what is known of it.

    Attributes:
        reason: The verdict, or `new_data`.
        data: What identifies the data.
        model: The fingerprint of the model that the verdict is about; empty for none.
        values: What placeholders stand for.
        last_ok: The end of the last window whose verdict was `ok`.
        decided: Why nothing follows; None where something may.
    """

    reason: str
    data: str
    model: str = ""
    values: dict[str, str] = field(default_factory=dict)
    last_ok: datetime | None = None
    decided: Decision | None = None


def trigger_training(
    decision: Output,
    training_pipeline: str,
    runs_at: str,
    monitoring: Input | None = None,
    span: str = "",
    parameters: dict = {},  # noqa: B006 - as in the interface; nothing changes it
    train_days: int = 365,
    verdicts_in_a_row: int = 1,
    cooldown_hours: float = 24.0,
    max_runs: int = 4,
    max_runs_days: float = 30.0,
    model_name: str = "",
    alias: str = "champion",
    tracking_uri: str = "",
    registry_uri: str = "",
) -> Outputs:
    """Starts the training, unless something speaks against it; the interface's docstring says what the parameters mean.

    Raises:
        TaskError: A parameter, the monitoring or the pipeline cannot be used, or the place where the training runs refuses.
    """
    for name, number in {"cooldown_hours": cooldown_hours, "max_runs": max_runs, "max_runs_days": max_runs_days}.items():
        if number < 0:
            raise TaskError(f"{name} is {number:g}; give at least 0")
    if verdicts_in_a_row < 1 or train_days < 1:
        raise TaskError("verdicts_in_a_row and train_days are at least 1; correct them")
    place = open_place(runs_at)
    limits = Limits(timedelta(hours=cooldown_hours), max_runs, timedelta(days=max_runs_days))
    occasion = _of_span(span) if monitoring is None else _of_monitoring(monitoring, verdicts_in_a_row, train_days, span)
    with read_pipeline(training_pipeline) as pipeline:
        given = pipeline.parameters(parameters, occasion.values | {"reason": occasion.reason})
        champion = _champion(model_name, alias, tracking_uri, registry_uri) or occasion.model
        cause = Cause(pipeline.name, champion, occasion.data, occasion.reason)
        found = occasion.decided or _of_another(occasion, champion)
        if found is None:
            found = decide(cause, place.runs(cause.family), occasion.last_ok, limits, datetime.now(timezone.utc))
        run = found.run
        if found.outcome == TRIGGERED:
            run = place.start(pipeline.file, given, cause.name, {"reason": occasion.reason})
    _write(decision, found, cause, given, run.id if run else "", run.url if run else "", pipeline)
    figure(f"{found.outcome.replace('_', ' ')}: {found.why}" + (f" ({run.url})" if run and found.outcome == TRIGGERED else ""))
    return Outputs(found.outcome, run.id if run else "")


def _of_span(span: str) -> _Occasion:
    if not span:
        return _Occasion(_NEW_DATA, "", decided=Decision(NOT_NEEDED, "there is no new Span"))
    return _Occasion(_NEW_DATA, f"span {span}", values={"span": span})


def _of_monitoring(monitoring: Input, in_a_row: int, train_days: int, span: str) -> _Occasion:
    monitoring.require_written()
    found = read_monitoring(monitoring.path)
    window, verdict = found["window"], found["verdict"]
    start, end = (datetime.fromisoformat(window[name]) for name in ("start", "end"))
    values = {"window_start": _day(start), "window_end": _day(end), "train_start": _day(end - timedelta(days=train_days))}
    row = [{"verdict": verdict, "window": window}, *found.get("trend", [])]  # newest first
    last_ok = max((datetime.fromisoformat(one["window"]["end"]) for one in row if one["verdict"] == OK), default=None)
    data = f"span {span}" if span else f"window {window['start']}/{window['end']}, {found.get('rows')} rows"
    values |= {"span": span} if span else {}
    return _Occasion(verdict, data, str(found.get("fingerprint") or ""), values, last_ok, _undecided(row, in_a_row))


def _undecided(row: list[dict[str, Any]], in_a_row: int) -> Decision | None:
    verdict = row[0]["verdict"]
    if verdict in _CALM:
        return Decision(NOT_NEEDED, f"the verdict is {verdict.replace('_', ' ')}")
    bad = next((number for number, one in enumerate(row) if one["verdict"] in _CALM), len(row))
    if bad >= in_a_row:
        return None
    return Decision(WAITING, f"{bad} of {in_a_row} windows in a row have such a verdict; of {len(row)} windows the verdict is known")


def _of_another(occasion: _Occasion, champion: str) -> Decision | None:
    if occasion.model and champion and occasion.model != champion:
        return Decision(NOT_NEEDED, f"the verdict is about the model {occasion.model[:12]}, and the champion is {champion[:12]}")
    return None


def _champion(model_name: str, alias: str, tracking_uri: str, registry_uri: str) -> str:
    if not model_name:
        return ""
    serving = open_registry(model_name, tracking_uri, registry_uri).resolve(alias)
    return serving.fingerprint if serving else ""


def _day(moment: datetime) -> str:
    return moment.date().isoformat()


def _write(
    decision: Output, found: Decision, cause: Cause, given: dict[str, Any], run_id: str, url: str, pipeline: TrainingPipeline
) -> None:
    content = {
        "outcome": found.outcome,
        "why": found.why,
        "reason": cause.reason,
        "pipeline": pipeline.name,
        "champion": cause.champion,
        "data": cause.data,
        "run": {"id": run_id, "name": cause.name, "url": url},
        "parameters": redact_all(given),
    }
    decision.path.mkdir(parents=True)
    (decision.path / FILE).write_text(stored.dump(content, indent=1), encoding="utf-8")
    decision.metadata |= {"outcome": found.outcome, "reason": cause.reason}
