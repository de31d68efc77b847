"""Following a run to its end, and leaving it."""

import shlex
import sys
from typing import TYPE_CHECKING, Any

import click

from .printing import out, say

if TYPE_CHECKING:
    from ...remote.target import Run, Target
    from ...spec.pipeline_file import PipelineFile

_EXIT_INTERRUPTED = 130


def follow(target: "Target", run: "Run", pipeline: "PipelineFile | None", parameters: dict[str, Any], given: dict[str, Any]) -> int:
    """Follows a run to its end. Ctrl-C asks what is to become of it.

    Args:
        target: Where it runs.
        run: The run.
        pipeline: The compiled file; None if it is not at hand.
        parameters: The run's parameters.
        given: The options of the command, by which another one finds the run again.

    Returns:
        The exit code.
    """
    try:
        from ...local.report import conclude
        from ...remote.watch import Watch

        return conclude(Watch(target, pipeline, parameters, out).follow(run.id), out)
    except KeyboardInterrupt:
        if _is_to_be_canceled():
            target.cancel(run.id)
            say("canceled", run.id)
        else:
            say("goes on", to_follow(run, given))
        return _EXIT_INTERRUPTED


def _is_to_be_canceled() -> bool:
    """Asks if stdin is a terminal; another Ctrl-C means no."""
    try:
        return sys.stdin.isatty() and click.confirm("\nThe run goes on. Cancel it?", default=False, err=True)
    except click.Abort:
        click.echo(err=True)
        return False


def to_follow(run: "Run", given: dict[str, Any]) -> str:
    """Returns the command that follows a run."""
    named = {name: given[name] for name in ("target", "context", "host", "namespace", "project", "location")}
    options = [word for name, value in named.items() if value for word in (f"--{name}", value)]
    return shlex.join(["penstock", "runs", "show", run.id, "--wait", *options])
