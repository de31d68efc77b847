"""A fault campaign: a push is killed or terminated at each of its calls, and each call fails in every way, once each.

`make chaos`, or `python -m tests.chaos` in the environment of the deploy family. On each site (KServe in both modes, Vertex AI) `first`
serves and a canary push of `second` meets one fault; then it is pushed again. Clients send requests all the time. Only the old or the
new model may answer them, never a model with wrong answers, and the second push must succeed.
"""

import argparse
import functools
import signal
import sys
import tempfile
import time
from pathlib import Path

from .campaign import SITES, Campaign, Tally
from .cases import Case


def main() -> int:
    """Returns the exit code: 0 if everything held."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__.splitlines()[0])
    parser.add_argument("--destination", action="append", choices=list(SITES), help="one site; all by default")
    parser.add_argument("--fault", action="append", metavar="NAME", help="only faults whose names begin so, such as kill or term")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only every Nth case")
    parser.add_argument("--only", action="append", type=Case.parse, metavar="CASE", help="one case, such as kserve-standard:17:kill-after")
    parser.add_argument("--jobs", type=int, default=2, help="how many cases at a time")
    options = parser.parse_args()
    if unexpected := {case.site for case in options.only or []} - set(SITES):
        parser.error(f"unknown site {', '.join(unexpected)}; use {', '.join(SITES)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that its servers end as well
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="penstock-chaos-") as folder, Campaign(Path(folder)) as campaign:
        begins = tuple(options.fault or [""])
        every = (case for site in options.destination or SITES for case in campaign.cases(site) if case.fault.startswith(begins))
        cases = options.only or list(every)[:: options.every]
        tally = campaign.run(cases, options.jobs, functools.partial(_progress, len(cases)))
    print("\r\033[K" if sys.stdout.isatty() else "", end="")
    for site, counter in tally.tried.items():
        print(f"{site}: {counter.total()} cases: {', '.join(f'{fault} {count}' for fault, count in counter.items())}")
    if tally.missed:
        print(f"{tally.missed} more did not reach their call")
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
