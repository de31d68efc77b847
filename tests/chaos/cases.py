"""The cases of a fault campaign, and what must hold in each."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from .site import ENDS
from .trials import NEW, OLD, Seen, Trials

# At which calls a model that answers wrongly is pushed, and what goes wrong then.
WRONG_EVERY = 4
WRONG = "wrong"
# What a task may log before its error.
_RECORD = re.compile(r"\d{4}-\d\d-\d\d [\d:,]{12} WARNING ")
# The exit code of a task that has heard SIGTERM.
TERMINATED = 143


@dataclass(frozen=True)
class Case:
    """One fault at one call.

    Attributes:
        site: The site's name.
        number: The call, from 1.
        fault: The fault's name.
        is_wrong: Whether the pushed model's answers differ from its probe.
    """

    site: str
    number: int
    fault: str
    is_wrong: bool = False

    def __str__(self) -> str:
        """Gives what `parse` takes."""
        return ":".join([self.site, str(self.number), self.fault, *([WRONG] if self.is_wrong else [])])

    @classmethod
    def parse(cls, text: str) -> "Case":
        """Reads a case.

        Raises:
            ValueError: It is not a case.
        """
        site, number, fault, *rest = text.split(":")
        if rest not in ([], [WRONG]):
            raise ValueError(text)
        return cls(site, int(number), fault, bool(rest))


def cases_of(site: str, calls: int, faults: Iterable[str]) -> Iterator[Case]:
    """Gives every fault at every call; at some calls those after it, too, with a model that answers wrongly."""
    for number in range(1, calls + 1):
        for fault in faults:
            yield Case(site, number, fault)
            if number % WRONG_EVERY == 0 and fault.endswith(("-after", "-on")):
                yield Case(site, number, fault, is_wrong=True)


def judge(case: Case, trials: Trials) -> tuple[str, list[str]]:
    """Tries a case.

    Returns:
        The call that the fault met, empty if it met none; and what did not hold.
    """
    seen = trials.run_case(str(case).replace(":", "-"), case.number, case.fault, is_wrong=case.is_wrong)
    found = [*_answers(case, seen), *_faulty(case, seen), *_end(case, seen, trials)]
    return seen.met, [f"{violation} (met {seen.met or 'nothing'}; first run: {seen.faulty.ended})" for violation in found]


def _answers(case: Case, seen: Seen) -> Iterator[str]:
    """Only the old and the new model answer, and only the old one if the new one is wrong."""
    allowed = {OLD} if case.is_wrong else {OLD, NEW}
    if not seen.answers:
        yield "no client sent a request"
    if unexpected := {who: count for who, count in seen.answers.items() if who not in allowed}:
        yield f"clients were answered by {unexpected}"


def _faulty(case: Case, seen: Seen) -> Iterator[str]:
    """The push with the fault says in one line what is wrong, or gives an outcome that is true."""
    ended, outcome = seen.faulty.ended, seen.faulty.outcome
    if seen.met and case.fault.startswith("term") and ended.code == TERMINATED:
        return
    if ended.code < 0:
        if not case.fault.startswith(ENDS) or not seen.met:
            yield "it did not end in time"
    elif ended.code:
        *logged, error = ended.error.splitlines() or [""]
        if ended.code != 1 or outcome or not error.startswith("error: ") or not all(map(_RECORD.match, logged)):
            yield "it failed without saying why in one line"
    else:
        truth = {"pushed": NEW, "rolled_back": OLD}.get(outcome, "")
        if seen.between != {truth}:
            yield f"its outcome is {outcome!r}, but {seen.between} answered"


def _end(case: Case, seen: Seen, trials: Trials) -> Iterator[str]:
    """The second push succeeds, and clients, the destination and the registry agree."""
    serves, outcomes, aliases = NEW, {"pushed", "already_serving"}, {"champion": NEW, "previous": OLD}
    if case.is_wrong:
        serves, outcomes, aliases = OLD, {"rolled_back"}, {"champion": OLD}
    if seen.again.ended.code or seen.again.outcome not in outcomes:
        yield f"the second run: {seen.again.ended}"
    if seen.last != {serves}:
        yield f"{seen.last} answer at the end"
    state = seen.state
    if not state or trials.name_of(state["serving"]) != serves or state["candidate"]:
        yield f"the destination says {state}"
    if not case.is_wrong and trials.name_of(state.get("previous")) != OLD:
        yield f"the destination has lost its rollback point: {state}"
    if seen.aliases != aliases:
        yield f"the registry's aliases are {seen.aliases}"
    if seen.left_over:
        yield f"left over: {seen.left_over}"
