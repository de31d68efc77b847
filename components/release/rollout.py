"""The rollout, written once for every destination: stage, check, shift and check by steps, and roll back if a step fails."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from typing import TypeVar

from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_fixed

from penstock.components.evidence.answers import wrong_answer
from penstock.components.protocol.artifacts import Input
from penstock.components.protocol.errors import TaskError
from penstock.components.protocol.executor import figure

from .destinations import Answer, Current, Destination, StepFailed, Traffic
from .error_rate import ENOUGH_REQUESTS, Watch
from .release import Release
from .settling import wait_until_answered

PUSHED, ALREADY_SERVING, SHADOWING, ROLLED_BACK = "pushed", "already_serving", "shadowing", "rolled_back"
STRATEGIES = ("replace", "canary", "blue_green", "shadow")
CHECK_EVERY_SECONDS = 2.0
_insistently = retry(
    retry=retry_if_exception_type(StepFailed), stop=stop_after_attempt(3), wait=wait_fixed(CHECK_EVERY_SECONDS), reraise=True
)
# One slow answer is a hiccup, this many in a row are a slow model.
SLOW_ANSWERS = 3
_Step = tuple[str, Callable[[], None]]
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Plan:
    """How to go from the model that serves to the new one.

    Attributes:
        strategy: One of `STRATEGIES`.
        traffic_steps: The canary's shares of the traffic in percent, rising to 100.
        bake_seconds: For how long each canary step, or the shadow, is watched.
        keep_warm_seconds: For how long the model before is kept ready once the new one has all traffic.
        max_latency_ms: The longest that a probe may take; 0 for no limit.
    """

    strategy: str = "replace"
    traffic_steps: tuple[int, ...] = (5, 25, 50, 100)
    bake_seconds: float = 60
    keep_warm_seconds: float = 0
    max_latency_ms: float = 0.0

    def __post_init__(self) -> None:
        """Refuses what is not a plan.

        Raises:
            TaskError: The strategy is unknown, the steps do not rise to 100, or a time is negative.
        """
        if self.strategy not in STRATEGIES:
            raise TaskError(f"strategy {self.strategy!r} is unknown; give one of {', '.join(STRATEGIES)}")
        steps = self.traffic_steps
        are_whole = all(isinstance(step, int) and not isinstance(step, bool) for step in steps)
        if not are_whole or not steps or steps[0] <= 0 or steps[-1] != 100 or any(a >= b for a, b in pairwise(steps)):
            raise TaskError(
                f"traffic_steps {list(steps)} must be whole percentages in increasing order from above 0 to 100, such as [5, 25, 50, 100]"
            )
        for name in ("bake_seconds", "keep_warm_seconds", "max_latency_ms"):
            if getattr(self, name) < 0:
                raise TaskError(f"{name} is {getattr(self, name)}; give 0 or more")


@dataclass
class Rollout:
    """What a rollout did.

    Attributes:
        outcome: `pushed`, `already_serving`, `shadowing` or `rolled_back`.
        serving: What serves after it; None if nothing does.
        rollback_point: What to go back to, which served before; None if nothing did.
        reason: Why it was rolled back; empty otherwise.
        steps: The steps that were taken, in order.
    """

    outcome: str
    serving: Release | None
    rollback_point: Release | None
    reason: str = ""
    steps: list[str] = field(default_factory=list)


def roll_out(target: Destination, model: Input, release: Release, plan: Plan) -> Rollout:
    """Makes a destination serve a model, or leaves it as it was. Goes on where an interrupted rollout of the same model stopped.

    Args:
        target: The destination, kept from other pushes.
        model: The model.
        release: What is known of the model; its probe decides whether an answer is right.
        plan: How to get there.

    Raises:
        TaskError: The destination is in no state to take a model, or cannot do the strategy, or the rollback failed.
    """
    if plan.strategy not in target.strategies:
        raise TaskError(f"this destination does not support strategy {plan.strategy!r}; it supports {', '.join(sorted(target.strategies))}")
    before = target.current()
    if before.candidate and (before.candidate.fingerprint, before.candidate.probe) != (release.fingerprint, release.probe):
        figure(f"remove {before.candidate.label}, which an interrupted push left at {before.percent} %")
        _or_stop(lambda: target.rollback(), "it cannot be removed")
        before = target.current()
    if before.serving and before.serving.fingerprint == release.fingerprint:
        return _keep(target, model, release, plan, before.previous)
    if plan.strategy == "canary":
        target.check_shares()
    check = _checks(target, release, plan, _Errors(target, release).compare)
    if plan.strategy == "shadow":
        stage = ("stage as shadow", lambda: target.stage(model, release, shadow=True))
        return _take(
            target, [stage, ("watch the shadow", _bake(check, plan.bake_seconds))], Rollout(SHADOWING, before.serving, before.serving)
        )
    steps = [("stage", lambda: _stage(target, model, release)), ("check the staged model", check)]
    steps += _shifts(target, release, check, plan, before)
    return _take(target, steps, Rollout(PUSHED, release, before.serving))


def _keep(target: Destination, model: Input, release: Release, plan: Plan, previous: Release | None) -> Rollout:
    """Makes sure of a model that serves already. Which of its requests have failed until now is no reason to go back."""
    is_intact = True

    def check_files() -> None:
        nonlocal is_intact
        is_intact = target.secure(model, release)

    # What serves well must not lose its place over one bad moment.
    check = _insistently(_checks(target, release, plan, lambda: _require_identity(release, target.traffic())))
    steps = [("check the files", check_files), ("check", check)]
    if previous is None:  # nothing better is there to go back to
        problem = "this model serves already without a previous version, but its answers have changed"
        steps = [(name, partial(_or_stop, step, problem)) for name, step in steps]
    done = _take(target, [*steps, ("retire the previous model", target.retire)], Rollout(ALREADY_SERVING, release, previous))
    return done if is_intact or done.outcome == ROLLED_BACK else replace(done, outcome=PUSHED)


def promote(target: Destination, plan: Plan) -> Rollout:
    """Gives all traffic to what is staged, if its answers are right.

    Raises:
        TaskError: Nothing is staged, or nothing is known of it, or the rollback failed.
    """
    before = target.current()
    if before.candidate is None:
        raise TaskError("no model is staged there, so none can be promoted; `penstock status` shows the current state")
    if not before.candidate.probe:
        raise TaskError(f"the expected answers of {before.candidate.label} are unknown, because its record is missing; push it again")
    check = _checks(target, before.candidate, plan, _Errors(target, before.candidate).compare)
    steps = [("check the staged model", check), *_shift(target, before.candidate, check, 100, plan.keep_warm_seconds)]
    return _take(target, steps, Rollout(PUSHED, before.candidate, before.serving))


def go_back(target: Destination, to: str = "") -> Release | None:
    """Rolls back on request, and makes sure that what serves then answers as it did.

    Args:
        target: The destination.
        to: The fingerprint of the version, or its start; empty for the one before.

    Returns:
        What serves then; None if nothing does.

    Raises:
        TaskError: It does not serve.
    """
    return _or_stop(lambda: _restore(target, to), "the rollback failed")


def _stage(target: Destination, model: Input, release: Release) -> None:
    target.stage(model, release)
    wait_until_answered(partial(target.asker, staged=True), release)


def _shifts(target: Destination, release: Release, check: Callable[[], None], plan: Plan, before: Current) -> Iterator[_Step]:
    """Returns the traffic steps from the share that an interrupted rollout has reached. Without another model there is only one step."""
    steps = plan.traffic_steps if plan.strategy == "canary" else (100,)
    for step in steps:
        if step >= before.percent:
            seconds = plan.keep_warm_seconds if step == 100 else plan.bake_seconds
            yield from _shift(target, release, check, step, seconds, is_alone=before.serving is None)


def _shift(
    target: Destination, release: Release, check: Callable[[], None], percent: int, seconds: float, *, is_alone: bool = False
) -> Iterator[_Step]:
    def shift() -> None:
        target.shift(percent)
        wait_until_answered(target.asker, release, 100 if is_alone else percent)

    yield f"shift to {percent} %", shift
    yield f"check at {percent} %", _bake(check, seconds)
    if percent == 100:
        yield "retire the previous model", target.retire


def _take(target: Destination, steps: list[_Step], aim: Rollout) -> Rollout:
    """Takes the steps, or goes back at the first that fails."""
    try:
        for name, step in steps:
            figure(name)
            aim.steps.append(name)
            step()
    except TaskError:  # nothing was changed, or another client is at it
        raise
    except Exception as failure:
        reason = f"{aim.steps[-1]}: {failure}"
        figure(f"roll back ({reason})")
        aim.steps.append("roll back")
        problem = f"the rollout failed ({reason}) and so did the rollback"
        restored = _or_stop(lambda: _undo(target, aim.rollback_point), problem, (StepFailed, TaskError))
        if not isinstance(failure, StepFailed):  # a bug; nothing has come of it, and its traceback tells more
            raise
        return Rollout(ROLLED_BACK, restored, aim.rollback_point, reason, aim.steps)
    return aim


def _undo(target: Destination, before: Release | None) -> Release | None:
    """Goes back to what served before. A step that failed before it changed anything must not cost that one its place too."""
    now = target.current()
    fingerprints = [release and release.fingerprint for release in (now.serving, before)]
    is_changed = now.candidate is not None or fingerprints[0] != fingerprints[1]
    return _restore(target, "") if is_changed else _verified(target, now.serving)


def _restore(target: Destination, to: str) -> Release | None:
    serving = target.rollback(to, _require_answers)
    if serving and serving.fingerprint:
        wait_until_answered(target.asker, serving)
        wait_until_answered(partial(target.asker, staged=True), serving)  # where it is asked next
    return _verified(target, serving)


def _require_answers(release: Release, ask: Callable[[list], Answer]) -> None:
    """Makes sure that a version answers as it did, where that is known."""
    if release.probe:
        _compare(release, ask(release.probe["instances"]).predictions)


def _verified(target: Destination, serving: Release | None) -> Release | None:
    """Makes sure that what serves answers as it did."""
    if serving:
        _require_answers(serving, target.probe)
    return serving


def _or_stop(act: Callable[[], _Result], problem: str, failures: tuple[type[Exception], ...] = (StepFailed,)) -> _Result:
    """Turns a failure into an error that requires manual action."""
    try:
        return act()
    except failures as failure:
        raise TaskError(f"{problem} ({failure}); check the destination immediately") from failure


def _bake(check: Callable[[], None], seconds: float) -> Callable[[], None]:
    """Makes a step that checks once, and again and again until the time is over."""

    def watch() -> None:
        until = time.monotonic() + seconds
        check()
        while (left := until - time.monotonic()) > 0:
            time.sleep(min(CHECK_EVERY_SECONDS, left))
            check()

    return watch


def _checks(target: Destination, release: Release, plan: Plan, check_metrics: Callable[[], None]) -> Callable[[], None]:
    """Makes a step that fails on a wrong answer, on slow ones, and on what the metrics say."""

    def check() -> None:
        times: list[float] = []
        while not times or (0 < plan.max_latency_ms < times[-1] and len(times) < SLOW_ANSWERS):
            answer = target.probe(release.probe["instances"])
            times.append(answer.seconds * 1000)
            _compare(release, answer.predictions)
        if 0 < plan.max_latency_ms < min(times):
            raise StepFailed(f"the probe took {min(times):.0f} ms, more than max_latency_ms={plan.max_latency_ms:g}")
        check_metrics()

    return check


def _compare(release: Release, answers: list) -> None:
    """Compares a destination's answers with the ones that the model gave when it was evaluated."""
    if wrong := wrong_answer(answers, release.probe):
        raise StepFailed(wrong)


def _require_identity(release: Release, now: Traffic | None) -> None:
    """Makes sure that what answers is the model, where its server says what it has loaded."""
    if now and not now.is_served:
        raise StepFailed(f"the server that answers there does not serve the model {release.fingerprint[:12]}")


class _Errors:
    """The errors of a model that is rolled out, beside those of the one that serves, both since the first check."""

    def __init__(self, target: Destination, release: Release) -> None:
        self._release = release
        self._own, self._others = Watch(target.traffic), Watch(partial(target.traffic, beside=True))

    def compare(self) -> None:
        """Fails if more of the requests have failed than the model before had."""
        self._others.look()
        _insistently(self._look)()
        own, allowed = self._own, self._others.rate
        if own.requests >= ENOUGH_REQUESTS and own.rate > allowed:
            raise StepFailed(
                f"{own.errors} of {own.requests} requests failed, a rate of {own.rate:.2%}; the previous model had {allowed:.2%}"
            )

    def _look(self) -> None:
        now = self._own.look()
        if now is None and self._own.has_begun:
            raise StepFailed("the metrics that count its errors have disappeared")
        _require_identity(self._release, now)
