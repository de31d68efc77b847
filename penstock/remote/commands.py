"""The commands for runs elsewhere: `penstock submit`, `upload`, `schedule` and `runs`."""

import shlex
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from ..errors import UserError, before_anything_starts
from ..lean_kfp import import_kfp
from ..options import name_value_pairs, parameter_options

if TYPE_CHECKING:
    from ..lint import Finding
    from ..pipeline_file import PipelineFile
    from .submission import Submission, Wishes
    from .target import Run, Schedule, Target

_out = Console(soft_wrap=True)
_Command = Callable[..., Any]
_FILE = click.argument("file", type=click.Path(path_type=Path))
_EXIT_INTERRUPTED = 130


def _where(command: _Command) -> _Command:
    """Adds the options that say which backend is meant."""
    options = [
        click.option("--target", type=click.Choice(["kubeflow", "vertex"]), help="Default: what --context says."),
        click.option("--context", default="", metavar="NAME", help="A context of penstock.toml. Default: the one for --target."),
        click.option("--host", default="", metavar="URL", help="Kubeflow: where its API is."),
        click.option("--namespace", default="", metavar="NAME", help="Kubeflow: your namespace, where there are several users."),
        click.option("--project", default="", metavar="ID", help="Vertex AI: the project."),
        click.option("--location", default="", metavar="REGION", help="Vertex AI: the region."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def _run_options(command: _Command) -> _Command:
    """Adds the options that say what a run is to be."""
    options = [
        parameter_options,
        click.option("--experiment", default="", metavar="NAME", help="The experiment that the runs belong to."),
        click.option("--name", default="", metavar="NAME", help="The name. Default: the pipeline's, and the time."),
        click.option("--service-account", default="", metavar="ACCOUNT", help="Whom the tasks run as."),
        click.option("--pipeline-root", default="", metavar="URI", help="Where the artifacts lie."),
        click.option(
            "--platform",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="Kubeflow: settings for the platform document: secrets, nodes …",
        ),
        click.option("--no-cache", is_flag=True, help="Run every task, whatever is cached."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@click.command()
@_FILE
@_where
@_run_options
@click.option("--wait", is_flag=True, help="Follow the run to its end, as `penstock run` does.")
@click.option("--dry-run", is_flag=True, help="Check everything and print what would be sent; send nothing.")
def submit(file: Path, wait: bool, dry_run: bool, **given: Any) -> None:
    """Run a compiled pipeline on Kubeflow or on Vertex AI.

    Exit code 0: submitted; with --wait: done. 1: failed. 2: wrong usage. 3: with --wait: finished, but the model is not
    blessed or was rolled back.

    \b
    Examples:
      penstock submit compiled/flight_delay_training.yaml --target kubeflow --params kubeflow.yaml --wait
      penstock submit compiled/flight_delay_training.yaml --target vertex -p input_uri=gs://bucket/rows -p accelerator_type=l4
      penstock submit compiled/flight_delay_training.yaml --target vertex --params vertex.yaml --dry-run
    """
    prepared = _prepared(file, given)
    if dry_run:
        _print_document(prepared.request)
        _warn(prepared.findings)
        click.echo("nothing was sent", err=True)
        return
    run = prepared.target.submit(prepared.submission)
    _say("submitted", run.id)
    _say("page", run.url)
    if wait:
        sys.exit(_follow(prepared.target, run, prepared.pipeline, prepared.submission.parameters, given))
    _say("follow it", _to_follow(run, given))


@click.command()
@_FILE
@_where
@click.option("--name", default="", metavar="NAME", help="The name in the list. Default: the pipeline's.")
@click.option("--platform", type=click.Path(path_type=Path), metavar="FILE", help="Settings for the platform document.")
def upload(file: Path, name: str, platform: Path | None, **where: str) -> None:
    """Put a compiled pipeline or component into Kubeflow's list of pipelines. The same bytes are the same version.

    \b
    Examples:
      penstock upload compiled/flight_delay_training.yaml --target kubeflow
      penstock upload compiled/components/validate_examples.yaml --context staging
    """
    target, settings = _connected(where)
    from ..pipeline_file import PipelineFile
    from .submission import package

    with before_anything_starts():
        submission, _ = package(PipelineFile(file), name, platform, settings, target.name)
    uploaded = target.upload(submission)
    _say("uploaded" if uploaded.is_new else "is there", f"{uploaded.name}, version {uploaded.version}")
    _say("page", uploaded.url)


@click.group()
def runs() -> None:
    """See, follow and end runs on Kubeflow or on Vertex AI.

    Example: penstock runs list --target kubeflow
    """


@runs.command("list")
@_where
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1), help="The most runs to list.")
def list_runs(limit: int, **where: str) -> None:
    """List the newest runs.

    Example: penstock runs list --target vertex --limit 50
    """
    target, _ = _connected(where)
    _print_table(
        ("id", "name", "state", "created"), ((run.id, run.name, run.state, _time(run.created)) for run in islice(target.runs(), limit))
    )


@runs.command()
@click.argument("run_id", metavar="RUN")
@_where
@click.option("--wait", is_flag=True, help="Follow it to its end.")
def show(run_id: str, wait: bool, **where: str) -> None:
    """Show a run's tasks. With --wait the exit code is that of `penstock submit --wait`.

    Example: penstock runs show 7f6c1f0e-7f0c-4d5c-9d42-8e0e2b6e2a11 --target kubeflow --wait
    """
    target, _ = _connected(where)
    run = target.run(run_id)
    _say("page", run.url)
    if wait:
        sys.exit(_follow(target, run, *_source(target, run_id), where))
    _say(run.name, run.state if not run.error else f"{run.state}: {run.error}")
    _print_table(
        ("task", "state", "started", "ended", "error"),
        ((task.key, task.state, _time(task.started), _time(task.ended), task.error) for task in run.tasks),
    )


@runs.command()
@click.argument("run_id", metavar="RUN")
@_where
def cancel(run_id: str, **where: str) -> None:
    """End a run; one that has ended is left alone.

    Example: penstock runs cancel 7f6c1f0e-7f0c-4d5c-9d42-8e0e2b6e2a11 --target kubeflow
    """
    target, _ = _connected(where)
    target.cancel(run_id)
    _say("canceled", run_id)


@runs.command()
@click.argument("run_id", metavar="RUN")
@click.argument("task")
@_where
def logs(run_id: str, task: str, **where: str) -> None:
    """Print what a task of a run has printed.

    Example: penstock runs logs 7f6c1f0e-7f0c-4d5c-9d42-8e0e2b6e2a11 train-model --target kubeflow
    """
    target, _ = _connected(where)
    for line in target.logs(run_id, task):
        click.echo(line)


@click.group()
def schedule() -> None:
    """Make runs by the clock, on Kubeflow or on Vertex AI.

    Example: penstock schedule create compiled/flight_delay_training.yaml --target vertex --params vertex.yaml --cron "0 6 * * *"
    """


@schedule.command()
@_FILE
@_where
@_run_options
@click.option("--cron", required=True, metavar="CRON", help="Minute, hour, day of the month, month, day of the week.")
@click.option("--time-zone", default="UTC", show_default=True, metavar="ZONE", help="An IANA time zone, such as Europe/Berlin.")
@click.option("--max-concurrency", default=1, show_default=True, type=click.IntRange(1), help="The most runs at the same time.")
@click.option("--catch-up", is_flag=True, help="Make up for runs that were missed.")
@click.option("--start", type=click.DateTime(), help="No run before it, in --time-zone.")
@click.option("--end", type=click.DateTime(), help="No run after it, in --time-zone.")
def create(
    file: Path, cron: str, time_zone: str, max_concurrency: int, catch_up: bool, start: datetime | None, end: datetime | None, **given: Any
) -> None:
    """Make a schedule of runs of a compiled pipeline.

    \b
    Examples:
      penstock schedule create compiled/flight_delay_training.yaml --target vertex --params vertex.yaml --cron "0 6 * * *"
      penstock schedule create compiled/flight_delay_training.yaml --target kubeflow --params kubeflow.yaml --cron "30 5 * * 1" --time-zone Europe/Berlin
    """
    from .timetable import timetable

    when = timetable(given["name"], cron, time_zone, max_concurrency, catch_up, start, end)
    prepared = _prepared(file, given)
    made = prepared.target.create_schedule(prepared.submission, replace(when, name=when.name or prepared.pipeline.name))
    _say("scheduled", made.id)
    _say("page", made.url)
    if made.next_run:
        _say("next run", _time(made.next_run))


@schedule.command("list")
@_where
def list_schedules(**where: str) -> None:
    """List the schedules.

    Example: penstock schedule list --target kubeflow
    """
    target, _ = _connected(where)
    _print_table(("id", "name", "state", "cron", "time zone", "next run"), map(_cells, target.schedules()))


def _changing(word: str, verb: str, help_text: str) -> None:
    """Adds a command that changes one schedule."""

    @schedule.command(word, help=f"{help_text}\n\nExample: penstock schedule {word} 3f7a09c1-d2e4-4b53-8f0a-5a1d2c7b9e10 --target kubeflow")
    @click.argument("schedule_id", metavar="SCHEDULE")
    @_where
    def change(schedule_id: str, **where: str) -> None:
        target, _ = _connected(where)
        getattr(target, f"{word}_schedule")(schedule_id)
        _say(verb, schedule_id)


_changing("pause", "paused", "Let a schedule make no more runs until it is resumed.")
_changing("resume", "resumed", "Let a schedule make runs again.")
_changing("delete", "deleted", "Delete a schedule; its runs stay.")


def _connected(where: dict[str, Any]) -> "tuple[Target, Any]":
    import_kfp()
    from .connect import connect

    flags = {name: where[name] for name in ("host", "namespace", "project", "location")}
    with before_anything_starts():
        return connect(where["context"], where["target"] or "", flags)


@dataclass(frozen=True)
class _Prepared:
    """What a command sends, which the backend would take as far as can be known without asking.

    Attributes:
        target: The backend.
        pipeline: The compiled file.
        submission: What is to be sent.
        request: The same in the backend's form.
        findings: What is worth knowing about it.
    """

    target: "Target"
    pipeline: "PipelineFile"
    submission: "Submission"
    request: dict[str, Any]
    findings: "list[Finding]"


def _prepared(file: Path, given: dict[str, Any]) -> _Prepared:
    target, settings = _connected(given)
    from ..pipeline_file import PipelineFile
    from .submission import prepare

    with before_anything_starts():
        pipeline = PipelineFile(file)
        submission, findings = prepare(pipeline, _wishes(given), settings, target.name)
        return _Prepared(target, pipeline, submission, target.request(submission), findings)


def _wishes(given: dict[str, Any]) -> "Wishes":
    from ..pipeline_file import read_values
    from .submission import Wishes

    return Wishes(
        texts=name_value_pairs(given["texts"]),
        values=read_values(given["values_file"]) if given["values_file"] else {},
        caching=False if given["no_cache"] else None,
        **{name: given[name] for name in ("name", "experiment", "service_account", "pipeline_root", "platform")},
    )


def _source(target: "Target", run_id: str) -> "tuple[PipelineFile | None, dict[str, Any]]":
    """Returns the pipeline that a run was made of, as far as it can be known, and the run's parameters."""
    import yaml

    from ..pipeline_file import PipelineFile

    document, parameters = target.source(run_id)
    with tempfile.TemporaryDirectory(prefix="penstock-run-") as folder:
        file = Path(folder) / "pipeline.yaml"
        file.write_text(yaml.safe_dump(document), encoding="utf-8")
        try:
            return PipelineFile(file), parameters
        except UserError:  # the backend does not tell, or it is a pipeline of a newer kfp: its tasks are shown as they come
            return None, parameters


def _follow(target: "Target", run: "Run", pipeline: "PipelineFile | None", parameters: dict[str, Any], given: dict[str, Any]) -> int:
    """Follows a run to its end; returns the exit code. Ctrl-C asks what is to become of it."""
    try:
        from ..report import conclude
        from .watch import Watch

        return conclude(Watch(target, pipeline, parameters, _out).follow(run.id), _out)
    except KeyboardInterrupt:
        if _is_to_be_canceled():
            target.cancel(run.id)
            _say("canceled", run.id)
        else:
            _say("goes on", _to_follow(run, given))
        return _EXIT_INTERRUPTED


def _is_to_be_canceled() -> bool:
    """Asks, if there is somebody; another Ctrl-C means no."""
    try:
        return sys.stdin.isatty() and click.confirm("\nThe run goes on. Cancel it?", default=False, err=True)
    except click.Abort:
        click.echo(err=True)
        return False


def _to_follow(run: "Run", given: dict[str, Any]) -> str:
    """Returns the command that follows a run."""
    named = {name: given[name] for name in ("target", "context", "host", "namespace", "project", "location")}
    options = [word for name, value in named.items() if value for word in (f"--{name}", value)]
    return shlex.join(["penstock", "runs", "show", run.id, "--wait", *options])


def _cells(item: "Schedule") -> tuple[str, ...]:
    return item.id, item.timetable.name, item.state, item.timetable.cron, item.timetable.time_zone, _time(item.next_run)


def _time(moment: datetime | None) -> str:
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S") if moment else ""


def _warn(findings: Iterable[Any]) -> None:
    for finding in findings:
        click.echo(f"warning: {finding.place}: {finding.message} ({finding.rule})", err=True)


def _say(word: str, text: str) -> None:
    _out.print(f"{word:<10} {text}", markup=False, highlight=False, soft_wrap=True)


def _print_document(document: dict[str, Any]) -> None:
    import yaml

    click.echo(yaml.safe_dump(document, sort_keys=False, allow_unicode=True), nl=False)


def _print_table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    """Prints rows below their heads, each as wide as it is: what is copied from them must be whole."""
    lines = [heads, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        click.echo("  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip())
