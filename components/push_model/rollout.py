"""The rollout, written once for every destination: stage, probe, shift, probe again, and roll back if a step fails."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from penstock.components.runtime import TaskError, figure
from penstock.components.runtime.serving import Release

from .destination import Destination, StepFailed

PUSHED, ALREADY_SERVING, ROLLED_BACK = "pushed", "already_serving", "rolled_back"


@dataclass
class Rollout:
    """What a rollout did.

    Attributes:
        outcome: `pushed`, `already_serving` or `rolled_back`.
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


def roll_out(target: Destination, model: Path, release: Release) -> Rollout:
    """Makes a destination serve a model, or leaves it as it was.

    Args:
        target: The destination, kept from other pushes.
        model: The model's folder.
        release: What is known of the model; its probe decides whether an answer is right.

    Raises:
        TaskError: The destination is in no state to take a model, or the rollback failed.
    """
    before = target.current()
    is_serving = before.serving is not None and before.serving.fingerprint == release.fingerprint
    point = before.previous if is_serving else before.serving
    steps = [("probe", lambda: _probe(target, release))]
    if not is_serving:
        steps = [
            ("stage", lambda: target.stage(model, release)),
            ("probe the staged model", lambda: _probe(target, release)),
            ("shift 100 % of the traffic", lambda: target.shift(100)),
            *steps,
        ]
    taken: list[str] = []
    try:
        for name, step in steps:
            figure(name)
            taken.append(name)
            step()
    except StepFailed as failure:
        restored = _roll_back(target, f"{taken[-1]}: {failure}")
        return Rollout(ROLLED_BACK, restored, point, f"{taken[-1]}: {failure}", [*taken, "roll back"])
    return Rollout(ALREADY_SERVING if is_serving else PUSHED, release, point, steps=taken)


def _roll_back(target: Destination, reason: str) -> Release | None:
    """Goes back, and makes sure that the old model answers as it did."""
    figure("roll back")
    try:
        restored = target.rollback()
        if restored:
            _probe(target, restored)
    except StepFailed as failure:
        raise TaskError(f"the rollout failed ({reason}) and so did the rollback ({failure}); look at the destination at once") from failure
    return restored


def _probe(target: Destination, release: Release) -> None:
    """Compares a destination's answers with the ones that the model gave when it was evaluated."""
    expected = release.probe["predictions"]
    answers = target.probe(release.probe["instances"])
    if len(answers) != len(expected):
        raise StepFailed(f"{len(answers)} answers to {len(expected)} requests")
    for number, (answer, known) in enumerate(zip(answers, expected, strict=True)):
        if not _is_close(list(_leaves(answer)), list(_leaves(known)), release.probe["tolerance"]):
            raise StepFailed(f"request {number} was answered {answer!r:.80}, not {known!r:.80}")


def _is_close(answer: list[tuple[str, Any]], known: list[tuple[str, Any]], tolerance: float) -> bool:
    """Tells whether two answers have the same values by name: numbers within the absolute tolerance, all else alike."""

    def alike(left: Any, right: Any) -> bool:
        are_numbers = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in (left, right))
        return math.isclose(left, right, rel_tol=0.0, abs_tol=tolerance) if are_numbers else left == right

    return len(answer) == len(known) and all(a[0] == k[0] and alike(a[1], k[1]) for a, k in zip(answer, known, strict=True))


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yields the values of an answer with the output's name; `0.3` and `[0.3]` are the same answer."""
    if isinstance(value, dict):
        for key in sorted(value):
            yield from _leaves(value[key], f"{name}/{key}")
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item, name)
    else:
        yield name, value
