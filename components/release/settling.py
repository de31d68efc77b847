"""A status is a promise, an answer is a fact: waiting until clients are answered as the traffic was shifted."""

import re
import time
from collections import Counter
from collections.abc import Callable

from .destinations import Ask, StepFailed
from .release import Release

# A gateway follows within a second or two, a large one within half a minute.
SETTLE_SECONDS = 60.0
_PAUSE_SECONDS = 0.5
# So many answers in a row are all of the traffic; a share of it is judged by so many answers, to within so many points.
_IN_A_ROW, _SAMPLE, _POINTS = 20, 100, 10


def wait_until_answered(asker: Callable[[], Ask], release: Release, percent: int = 100) -> None:
    """Waits until a version gives its share of the answers.

    Args:
        asker: Returns what asks once, as the destination is now.
        release: The version.
        percent: Its share.

    Raises:
        StepFailed: It did not within `SETTLE_SECONDS`.
    """
    until = time.monotonic() + SETTLE_SECONDS
    while who := _wrong(asker(), release.fingerprint, percent, until):
        if time.monotonic() > until:
            raise StepFailed(_complaint(who, release, percent))
        time.sleep(_PAUSE_SECONDS)


def _wrong(ask: Ask, wanted: str, percent: int, until: float) -> Counter[str]:
    """Sends requests repeatedly. Returns the number of answers by version if the proportion is wrong; empty if it is correct or unknown."""
    seen: Counter[str] = Counter()
    for _ in range(_IN_A_ROW if percent == 100 else _SAMPLE):
        if (who := ask()) is None:
            return Counter()
        seen[who] += 1
        if (percent == 100 and who != wanted) or time.monotonic() > until:
            return seen
    return Counter() if _is_share(seen[wanted], seen.total(), percent) else seen


def _is_share(count: int, total: int, percent: int) -> bool:
    if percent == 100:
        return count == total
    return 0 < count < total and abs(100 * count / total - percent) <= _POINTS


def _complaint(seen: Counter[str], release: Release, percent: int) -> str:
    wanted = f"all {_IN_A_ROW} of {_IN_A_ROW} answers" if percent == 100 else f"about {percent} of {_SAMPLE} answers"
    who = ", ".join(f"{count} from {release.label if name == release.fingerprint else _called(name)}" for name, count in seen.most_common())
    return f"for {SETTLE_SECONDS:g} s {wanted} should have come from {release.label}, but the last were {who}"


def _called(name: str) -> str:
    """Returns what to call who answers: the start of a fingerprint, or what was answered instead."""
    return f"the model {name[:12]}" if re.fullmatch("[0-9a-f]{64}", name) else name[:300]
