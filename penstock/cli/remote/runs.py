"""`penstock runs`."""

import json
import sys
import tempfile
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ...errors import UserError
from .follow import follow
from .options import connected, where_options
from .printing import print_table, say, time_text

if TYPE_CHECKING:
    from ...remote.target import Target
    from ...spec.pipeline_file import PipelineFile


@click.group()
def runs() -> None:
    """List, follow and cancel runs on Kubeflow or on Vertex AI.

    Example: penstock runs list --target kubeflow
    """


@runs.command("list")
@where_options
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1), help="The maximum number of runs to list.")
@click.option("--named", default="", metavar="TEXT", help="Only runs with this text in their names.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per run, with its page.")
def list_runs(limit: int, named: str, as_json: bool, **where: str) -> None:
    """List the newest runs.

    \b
    Examples:
      penstock runs list --target vertex --limit 50
      penstock runs list --target kubeflow --named retrain --json
    """
    target, _ = connected(where)
    found = islice(target.runs(named), limit)
    if as_json:
        for run in found:
            created = run.created.isoformat() if run.created else ""
            click.echo(json.dumps({"id": run.id, "name": run.name, "state": run.state, "created": created, "url": run.url}))
        return
    print_table(("id", "name", "state", "created"), ((run.id, run.name, run.state, time_text(run.created)) for run in found))


@runs.command()
@click.argument("run_id", metavar="RUN")
@where_options
@click.option("--wait", is_flag=True, help="Follow the run to its end.")
def show(run_id: str, wait: bool, **where: str) -> None:
    """Show a run's tasks. With --wait the exit code is that of `penstock submit --wait`.

    Example: penstock runs show 7f6c1f0e-7f0c-4d5c-9d42-8e0e2b6e2a11 --target kubeflow --wait
    """
    target, _ = connected(where)
    run = target.run(run_id)
    say("page", run.url)
    if wait:
        sys.exit(follow(target, run, *_source(target, run_id), where))
    say(run.name, run.state if not run.error else f"{run.state}: {run.error}")
    print_table(
        ("task", "state", "started", "ended", "error"),
        ((task.key, task.state, time_text(task.started), time_text(task.ended), task.error) for task in run.tasks),
    )


@runs.command()
@click.argument("run_id", metavar="RUN")
@where_options
def cancel(run_id: str, **where: str) -> None:
    """Cancel a run. A finished run does not change.

    Example: penstock runs cancel 7f6c1f0e-7f0c-4d5c-9d42-8e0e2b6e2a11 --target kubeflow
    """
    target, _ = connected(where)
    target.cancel(run_id)
    say("canceled", run_id)


@runs.command()
@click.argument("run_id", metavar="RUN")
@click.argument("task")
@where_options
def logs(run_id: str, task: str, **where: str) -> None:
    """Print the log of a task.

    Example: penstock runs logs 7f6c1f0e-7f0c-4d5c-9d42-8e0e2b6e2a11 train-model --target kubeflow
    """
    target, _ = connected(where)
    for line in target.logs(run_id, task):
        click.echo(line)


def _source(target: "Target", run_id: str) -> "tuple[PipelineFile | None, dict[str, Any]]":
    """Returns the pipeline that a run was made of, as far as it can be known, and the run's parameters."""
    import yaml

    from ...spec.pipeline_file import PipelineFile

    document, parameters = target.source(run_id)
    with tempfile.TemporaryDirectory(prefix="penstock-run-") as folder:
        file = Path(folder) / "pipeline.yaml"
        file.write_text(yaml.safe_dump(document), encoding="utf-8")
        try:
            return PipelineFile(file), parameters
        except UserError:  # the backend does not tell, or it is a pipeline of a newer kfp: its tasks are shown as they come
            return None, parameters
