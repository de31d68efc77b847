"""The summary at the end of a run."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from penstock.components.protocol.values import decode, decode_metadata

from .display import duration
from .tasks import Task

EXIT_DONE, EXIT_FAILED, EXIT_NOT_RELEASED = 0, 1, 3
_NOT_RELEASED = {("verdict", "not_blessed"), ("outcome", "rolled_back")}
# Its `failed` is about the model; another gate's may be about data with which the user chose to continue.
_SERVING_GATE, _PASSED = "check_serving", "passed"
# Its `rolled_back` was requested, unless it gives a reason.
_BY_HAND = "control_release"
_RELEASES = {"push_model", _BY_HAND}
# What of a task's outputs says whether the model is released.
_TELLING = {"evaluate_model": "verdict", _SERVING_GATE: "verdict"} | dict.fromkeys(_RELEASES, "outcome")
_UNKNOWN = "unknown: the backend does not return it, and the log no longer exists"


@dataclass
class Result:
    """How a run ended.

    Attributes:
        folder: Its folder: artifacts, logs, and `orchestrator.log` with kfp's own messages.
        tasks: Its tasks, in the order in which they ended.
        failed: Whether it failed.
    """

    folder: Path
    tasks: list[Task]
    failed: bool


def report(result: Result, seconds: float, console: Console, page: str = "") -> int:
    """Prints the end of a run.

    Args:
        result: The run.
        seconds: How long it took.
        console: Where to.
        page: The URI of the run's page; empty if it has none.

    Returns:
        The exit code: 0 done, 1 failed or unknown, 3 finished but the model is not blessed, fails its serving check, or was rolled back.
    """
    reports = [report.as_uri() for task in result.tasks for report in task.reports]
    return conclude(Ending(str(result.folder), result.tasks, "failed" if result.failed else "done", seconds, reports, page=page), console)


@dataclass(frozen=True)
class Ending:
    """How a run ended, here or elsewhere.

    Attributes:
        place: Where to look at it: a folder or a page.
        tasks: Its tasks, in the order in which they ended.
        state: `done`, `failed` or `canceled`.
        seconds: How long it took.
        pages: The URIs of the pages that its tasks wrote.
        held_back: Whether a gate is known to have closed although no task's outputs say so.
        unknown: The tasks of which it is not known what became of them.
        is_unsure: Whether a gate may have closed, but its verdict is unknown.
        gone: The tasks whose logs no longer exist, so that some values are unknown.
        page: The URI of its own page; empty where `place` is that, or there is none.
    """

    place: str
    tasks: list[Task]
    state: str
    seconds: float
    pages: list[str]
    held_back: bool = False
    unknown: tuple[str, ...] = ()
    is_unsure: bool = False
    gone: tuple[str, ...] = ()
    page: str = ""

    @property
    def doubt(self) -> str:
        """What is not known of a run that is done; empty if enough is."""
        if self.unknown:
            return f"the result of {', '.join(self.unknown)} is unknown"
        return "whether the model is released is unknown" if self.is_unsure or any(map(_is_silent, self.tasks)) else ""


def conclude(ending: Ending, console: Console) -> int:
    """Prints how a run ended; returns the exit code, as `report` does."""
    lines = [("run", ending.place), *facts_of(ending.tasks), *(("report", report) for report in ending.pages)]
    if ending.page:
        lines.append(("page", ending.page))
    if ending.gone:
        lines.append(("gone", f"the logs of {', '.join(ending.gone)}, with the values that only they contain"))
    console.print()
    for name, value in lines:
        console.print(f"{name:<10} {value}", markup=False, highlight=False, soft_wrap=True)
    code, word = _outcome(ending)
    console.print(f"{word} in {duration(ending.seconds)}", style="green" if code == EXIT_DONE else "red", highlight=False)
    return code


def _outcome(ending: Ending) -> tuple[int, str]:
    """Returns the exit code, and what it stands for: what is known to be so comes before what is not known."""
    if ending.state != "done":
        return EXIT_FAILED, ending.state
    if ending.held_back or any(map(_is_skipped, ending.tasks)):
        return EXIT_NOT_RELEASED, "done; the model is not released"
    return (EXIT_FAILED, f"done; {ending.doubt}") if ending.doubt else (EXIT_DONE, "done")


def outcome_of(tasks: list[Task]) -> str:
    """Returns what a run that is done has come to."""
    return _outcome(Ending("", tasks, "done", 0.0, []))[1]


def facts_of(tasks: list[Task]) -> list[tuple[str, str]]:
    """Finds the verdicts, the registered version and the server in what the tasks gave back."""
    by_component = {task.component: task for task in tasks if task.state != "failed"}
    facts: list[tuple[str, Any]] = []
    if evaluated := by_component.get("evaluate_model"):
        facts.append(("verdict", evaluated.figure or evaluated.outputs.get("verdict", _UNKNOWN)))
    if checked := by_component.get(_SERVING_GATE):
        facts.append(("serving", checked.figure or checked.outputs.get("verdict", _UNKNOWN)))
    if registered := by_component.get("register_model"):
        facts.append(("version", registered.outputs.get("version")))
    if pushed := by_component.get("push_model"):
        receipt = _metadata(pushed, "pushed_model")
        facts.append(("push", pushed.outputs.get("outcome", _UNKNOWN)))
        facts += [(word, receipt.get(key)) for word, key in {"server": "url", "try it": "curl", "stop it": "stop"}.items()]
    if controlled := by_component.get(_BY_HAND):
        facts.append(("release", controlled.figure))
    return [(name, str(decode(value))) for name, value in facts if value]


def _metadata(task: Task, artifact: str) -> dict[str, Any]:
    return decode_metadata(task.outputs[artifact].metadata) if artifact in task.outputs else {}


def _is_skipped(task: Task) -> bool:
    if task.component == _SERVING_GATE and task.outputs.get("verdict", _PASSED) != _PASSED:
        return True
    if task.component == _BY_HAND and task.state != "failed":
        return bool(_metadata(task, "release_state").get("reason"))
    return any(task.outputs.get(name) == value for name, value in _NOT_RELEASED)


def _is_silent(task: Task) -> bool:
    """Returns whether a task succeeded with an unknown result that decides the release of the model."""
    return task.state in {"done", "cached"} and task.component in _TELLING and _TELLING[task.component] not in task.outputs
