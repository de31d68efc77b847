"""A fault campaign: the pusher is killed and terminated at every call, every call fails in every way, once each.

`make chaos`, or `python -m tests.chaos` in the environment of the deploy family. On each ground (KServe in both modes, Vertex AI) `first`
serves and a canary push of `second` meets one fault; then it is pushed again. All the while clients ask. Nobody but the old or the new
model may answer them, a model that answers wrongly never, and the second push must end well.
"""

import argparse
import functools
import signal
import sys
import tempfile
import time
from pathlib import Path

from .campaign import GROUNDS, Campaign, Tally
from .cases import Case


def main() -> int:
    """Returns the exit code: 0 if everything held."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__.splitlines()[0])
    parser.add_argument("--destination", action="append", choices=list(GROUNDS), help="a ground; all if none is given")
    parser.add_argument("--fault", action="append", metavar="NAME", help="faults that begin so only, such as kill or term")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="every Nth case only")
    parser.add_argument("--only", action="append", type=Case.parse, metavar="CASE", help="one case, such as kserve-standard:17:kill-after")
    parser.add_argument("--jobs", type=int, default=2, help="how many cases at a time")
    options = parser.parse_args()
    if strangers := {case.ground for case in options.only or []} - set(GROUNDS):
        parser.error(f"there is no {', '.join(strangers)}; there are {', '.join(GROUNDS)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that its servers end as well
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="penstock-chaos-") as folder, Campaign(Path(folder)) as campaign:
        begins = tuple(options.fault or [""])
        every = (case for ground in options.destination or GROUNDS for case in campaign.cases(ground) if case.fault.startswith(begins))
        cases = options.only or list(every)[:: options.every]
        tally = campaign.run(cases, options.jobs, functools.partial(_progress, len(cases)))
    print("\r\033[K" if sys.stdout.isatty() else "", end="")
    for ground, counter in tally.tried.items():
        print(f"{ground}: {counter.total()} cases: {', '.join(f'{fault} {count}' for fault, count in counter.items())}")
    if tally.missed:
        print(f"{tally.missed} more never came to their call")
    print(f"{tally.count} cases, {len(tally.violations)} violations, {time.monotonic() - started:.0f} s")
    return 1 if tally.violations or not tally.count else 0


def _progress(cases: int, case: Case, tally: Tally) -> None:
    """Says where the campaign is on one line, and leaves a line for each violation."""
    line = f"{tally.count + tally.missed}/{cases} cases, {len(tally.violations)} violations, last {case}"
    if sys.stdout.isatty():
        print(f"\r\033[K{line}", end="", flush=True)
    for violation in tally.violations.get(str(case), []):
        print(f"\n{case}: {violation}\n  repeat it: make chaos ARGS='--only {case}'", flush=True)


if __name__ == "__main__":
    sys.exit(main())
