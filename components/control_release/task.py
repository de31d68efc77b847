"""Promotes, rolls back, or reports the state of a destination."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from penstock.components.data import stored
from penstock.components.protocol import GateFailed, Output, TaskError, figure, redact_all
from penstock.components.release.destinations import Current, Destination, parse
from penstock.components.release.registry import Registry, open_registry
from penstock.components.release.release import Release
from penstock.components.release.rollout import ROLLED_BACK, Plan, go_back, promote

PROMOTED, UNCHANGED = "promoted", "unchanged"
PREVIOUS = "previous"


class Outputs(NamedTuple):
    """The output parameters of control_release."""

    outcome: str
    url: str


@dataclass(frozen=True)
class _Done:
    """What was done, and why if that is not what was asked for."""

    outcome: str
    reason: str = ""


def control_release(
    release_state: Output,
    destination: str,
    action: str,
    model_name: str,
    to: str = "previous",
    keep_warm_seconds: int = 0,
    max_latency_ms: float = 0.0,
    champion_alias: str = "champion",
    previous_alias: str = "previous",
    tracking_uri: str = "",
    registry_uri: str = "",
) -> Outputs:
    """Does what is asked, has the champion's alias point to what serves then, and writes the state; see the interface for the parameters.

    Raises:
        GateFailed: Asked for the status: another version answers than the records say, or none.
        TaskError: The action is invalid, there is no model to promote or to roll back to, the destination or the registry rejects it, or a
            rollback failed.
    """
    answering: frozenset[str] | None = None
    plan = Plan(keep_warm_seconds=keep_warm_seconds, max_latency_ms=max_latency_ms)
    target = parse(destination, model_name)
    if action == "status":
        current, answering = target.current(), target.answering()
        done = _Done(UNCHANGED, _disagreement(current, answering, destination))
    elif action in ("promote", "rollback"):
        registry = _LateRegistry(model_name, tracking_uri, registry_uri)
        with target:
            done = _promote(target, plan, registry) if action == "promote" else _roll_back(target, to)
            current = target.current()
        if current.serving and current.serving.model_version:
            registry.point(current.serving, champion_alias, previous_alias)
    else:
        raise TaskError(f"action {action!r} is invalid; give promote, rollback or status")
    state = _describe(current, done, target, model_name) | {"answering": None if answering is None else sorted(answering)}
    release_state.path.mkdir(parents=True, exist_ok=True)
    (release_state.path / "state.json").write_text(stored.dump(state, indent=1), encoding="utf-8")
    release_state.metadata |= {key: state[key] for key in ("outcome", "reason", "url")}
    if action == "status" and done.reason:
        print(stored.dump(redact_all(state)))  # of a task that fails Kubeflow keeps nothing but the log
        raise GateFailed(done.reason)
    figure(_summary(current, done, target.url))
    return Outputs(done.outcome, state["url"])


@dataclass
class _LateRegistry:
    """The registry, opened when it is needed: a model that was never registered needs none."""

    model_name: str
    tracking_uri: str
    registry_uri: str

    def open(self, release: Release) -> Registry:
        return open_registry(self._name(release), self.tracking_uri, self.registry_uri)

    def _name(self, release: Release) -> str:
        return release.model_name or self.model_name

    def point(self, serving: Release, champion: str, previous: str) -> None:
        """Has the champion's alias point to what serves.

        Raises:
            TaskError: It cannot, though the destination has done what was asked.
        """
        try:
            registry = self.open(serving)
            registered = registry.version(serving.model_version)
            if registered is None or registered.fingerprint != serving.fingerprint:
                raise TaskError(
                    f"version {serving.model_version} of {self._name(serving)} at {registry.uri} is not the version that serves"
                )
            registry.promote(serving.model_version, champion, previous)
        except TaskError as error:
            raise TaskError(
                f"{serving.label} serves, but the alias {champion} does not point to it: {error}; correct that, then roll back to "
                f"{serving.fingerprint[:12]}, which then only moves the alias"
            ) from error


def _promote(target: Destination, plan: Plan, registry: _LateRegistry) -> _Done:
    candidate = target.current().candidate
    if candidate and candidate.model_version:
        registry.open(candidate)  # a promotion needs the registry; a rollback does not wait for it
    rollout = promote(target, plan)
    return _Done(ROLLED_BACK, rollout.reason) if rollout.outcome == ROLLED_BACK else _Done(PROMOTED)


def _roll_back(target: Destination, to: str) -> _Done:
    before = target.current()
    wanted = "" if to == PREVIOUS else to
    if not wanted and before.candidate is None and before.previous is None:
        there = f"nothing served there before {before.serving.label}" if before.serving else "nothing serves there and nothing is staged"
        raise TaskError(f"{there}, so no rollback is possible")
    after = go_back(target, wanted)
    fingerprints = {release and release.fingerprint for release in (before.serving, after)}
    return _Done(ROLLED_BACK if before.candidate or len(fingerprints) > 1 else UNCHANGED)


def _disagreement(current: Current, answering: frozenset[str] | None, destination: str) -> str:
    """Describes how the records and the answering versions differ. Empty if they agree, or if nothing answers."""
    recorded = {release.fingerprint for release in (current.serving, current.candidate if current.percent else None) if release}
    if answering is None or (answering <= recorded and bool(answering) == bool(current.serving)):
        return ""
    written = f"{current.serving.label} ({current.serving.fingerprint[:12]}) serves" if current.serving else "nothing serves"
    actual = f"what answers there is {', '.join(sorted(found[:40] for found in answering))}" if answering else "nothing answers there"
    return f"the records of {destination} say that {written}, but {actual}; push again or roll back to correct this"


def _describe(current: Current, done: _Done, target: Destination, model_name: str) -> dict[str, Any]:
    return {
        "outcome": done.outcome,
        "reason": done.reason,
        "model_name": model_name,
        "url": target.url if current.serving else "",
        "stop": target.stop_command,
        "serving": _version(current.serving),
        "previous": _version(current.previous),
        "candidate": _version(current.candidate),
        "percent": current.percent,
    }


def _version(release: Release | None) -> dict[str, str] | None:
    return {"label": release.label, "fingerprint": release.fingerprint, "model_version": release.model_version} if release else None


def _summary(current: Current, done: _Done, url: str) -> str:
    serving = f"{current.serving.label} serves at {url}" if current.serving else "nothing serves"
    staged = f"; {current.candidate.label} is staged with {current.percent} % of the traffic" if current.candidate else ""
    return f"{done.outcome.replace('_', ' ')}: {serving}{staged}" + (f" ({done.reason})" if done.reason else "")
