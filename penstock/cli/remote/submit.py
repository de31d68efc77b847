"""`penstock submit` and `penstock upload`."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from penstock.components.protocol import redact, redact_all

from ...errors import before_anything_starts
from ..budget import budget_options, keep_within_budget, price_table
from ..options import label_option
from .follow import follow, to_follow
from .options import FILE, connected, run_options, where_options
from .prepared import prepare
from .printing import say

if TYPE_CHECKING:
    from ...lint import Finding


@click.command()
@FILE
@where_options
@run_options
@label_option
@budget_options
@click.option("--once", is_flag=True, help="If there is a run with this --name, start none and print that one.")
@click.option("--wait", is_flag=True, help="Follow the run to its end, as `penstock run` does.")
@click.option("--dry-run", is_flag=True, help="Check everything and print the request without sending it.")
def submit(file: Path, wait: bool, dry_run: bool, **given: Any) -> None:
    """Run a compiled pipeline on Kubeflow or on Vertex AI.

    Exit code 0: submitted, or with --wait succeeded. 1: failed. 2: invalid command. 3: with --wait, finished, but the model is not
    blessed or was rolled back.

    \b
    Examples:
      penstock submit flight_delay_training --target kubeflow --params kubeflow.yaml --wait
      penstock submit flight_delay_training --target vertex -p input_uri=gs://bucket/rows -p accelerator_type=l4
      penstock submit flight_delay_training --target vertex --params vertex.yaml --dry-run
      penstock submit flight_delay_training --target vertex --params vertex.yaml --max-cost 20 --like RUN --prices gcp.yaml
      penstock submit flight_delay_training --target vertex --params vertex.yaml --name retrain-2026-11 --once --label reason=drift
    """
    if given["once"] and not given["name"]:
        raise click.UsageError("--once needs --name, which says which run is meant")
    prepared = prepare(file, given)
    submission = prepared.submission
    keep_within_budget(given, price_table(given), prepared.target, prepared.pipeline.name, submission.spec, submission.parameters)
    if dry_run:
        _print_document(redact_all(prepared.request))
        _warn(prepared.findings)
        click.echo("nothing was sent", err=True)
        return
    run = prepared.target.submit(submission)
    say("submitted", run.id)
    say("page", run.url)
    if wait:
        sys.exit(follow(prepared.target, run, prepared.pipeline, submission.parameters, given))
    say("follow it", to_follow(run, given))


@click.command()
@FILE
@where_options
@click.option("--name", default="", metavar="NAME", help="The name in the list. Default: the name of the pipeline.")
@click.option("--platform", type=click.Path(path_type=Path), metavar="FILE", help="A file of platform settings.")
def upload(file: Path, name: str, platform: Path | None, **where: str) -> None:
    """Add a compiled pipeline or component to Kubeflow's list of pipelines. The same bytes give the same version.

    \b
    Examples:
      penstock upload flight_delay_training --target kubeflow
      penstock upload validate_examples --context staging
    """
    target, settings = connected(where)
    from ...remote.submission import package
    from ...spec.pipeline_file import PipelineFile

    with before_anything_starts():
        submission, _ = package(PipelineFile(file), name, platform, settings, target.name)
    uploaded = target.upload(submission)
    say("uploaded" if uploaded.is_new else "is there", f"{uploaded.name}, version {uploaded.version}")
    say("page", uploaded.url)


def _warn(findings: "Iterable[Finding]") -> None:
    for finding in findings:
        click.echo(f"warning: {finding.place}: {redact(finding.message)} ({finding.rule})", err=True)


def _print_document(document: dict[str, Any]) -> None:
    import yaml

    click.echo(yaml.safe_dump(document, sort_keys=False, allow_unicode=True), nl=False)
