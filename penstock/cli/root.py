"""The command line. What needs kfp is imported when a command runs, so that help is quick."""

import re
import sys
import time
from pathlib import Path
from typing import Any

import click
from rich.console import Console

import penstock
from penstock.components.data.local_runs import ROOT
from penstock.components.protocol import TaskError, redact

from ..errors import UserError, before_anything_starts, disk_full_explained
from ..kfp_adapter.lazy_import import import_kfp
from .budget import budget_options, keep_within_budget, price_table
from .cost import advise, cost
from .images import images
from .lint import lint
from .options import CompiledFile, label_option, name_value_pairs, parameter_options, verbose_option
from .remote import runs, schedule, submit, upload
from .serve import serve

_out = Console(soft_wrap=True)


class _Commands(click.Group):
    """Commands that report an error in one line, wherever it is raised."""

    def invoke(self, context: click.Context) -> Any:
        try:
            with disk_full_explained():
                return super().invoke(context)
        except TaskError as error:
            raise UserError(str(error)) from error
        except click.ClickException as error:
            vars(error)["message"] = redact(error.message)  # which click declares final
            raise


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(penstock.__version__, prog_name="penstock")
def main() -> None:
    """Compile, run and submit gated Kubeflow pipelines.

    Example: penstock run flight_delay_training --params pipelines/flight_delay/local.yaml
    """


for command in (serve, images, lint, submit, upload, schedule, runs, cost, advise):
    main.add_command(command)


@main.command()
@click.argument("file", type=CompiledFile())
@parameter_options
@click.option("--root", default=ROOT, type=click.Path(path_type=Path), show_default=True, help="The folder for runs, cache and tracking.")
@click.option("--fresh", is_flag=True, help="Run every task without the cache.")
@click.option(
    "--runner",
    type=click.Choice(["env", "docker"]),
    default="env",
    show_default=True,
    help="env: each task in its family's virtual environment. docker: each task in its image, with Docker or Podman.",
)
@click.option(
    "--extra-packages",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Hashed requirements of your modules beyond those of the tf family. They get a separate virtual environment.",
)
@click.option("--name", default="", metavar="NAME", help="The name of the run and its folder. Default: the pipeline's and the time.")
@label_option
@click.option(
    "--parallel",
    type=click.IntRange(min=1),
    metavar="N",
    help="How many independent tasks run at the same time. Default: one per processor, at most 4. "
    "1: one process at a time; the next task's process does not start ahead either.",
)
@verbose_option
@budget_options
def run(
    file: Path,
    texts: tuple[str, ...],
    values_file: Path | None,
    root: Path,
    fresh: bool,
    runner: str,
    extra_packages: Path | None,
    name: str,
    labels: tuple[str, ...],
    parallel: int | None,
    **budget: Any,
) -> None:
    """Run a compiled pipeline, or one compiled component, on this machine.

    FILE is a path, or the name of a file that is part of Penstock: training, ingest_examples …

    Exit code 0: succeeded. 1: failed. 2: invalid command. 3: finished, but the model is not blessed or was rolled back.

    \b
    Examples:
      penstock run flight_delay_training --params pipelines/flight_delay/local.yaml
      penstock run ingest_examples -p input_uri=data/flights
      penstock run flight_delay_training --params pipelines/flight_delay/local.yaml --runner docker
    """
    import_kfp()
    from ..kfp_adapter import versions

    with before_anything_starts():
        if not versions.runs_pipelines():
            raise UserError(
                f"`penstock run` needs kfp 2.17 or later, and kfp {versions.installed()} is installed; "
                "upgrade it, or install Penstock into a virtualenv of its own"
            )
    from ..local.refusals import refuse
    from ..local.report import report
    from ..local.run import Interrupted, Named, make_runner
    from ..local.run import run as run_pipeline
    from ..local.side_by_side import default_limit
    from ..remote.release_names import check_names
    from ..spec.pipeline_file import PipelineFile, read_values
    from .run_page import page_uri

    started = time.monotonic()
    given = name_value_pairs(texts)
    named = Named(name, name_value_pairs(labels, "--label"))
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]{0,127}|", name):
        raise click.UsageError(f"--name {name} cannot be the name of a folder; use letters, digits, `-`, `_` and `.`")
    with before_anything_starts():
        pipeline = PipelineFile(file)
        arguments = pipeline.arguments(given, read_values(values_file) if values_file else {})
        refuse(pipeline, arguments)
        check_names(pipeline.document, arguments)
    prices = price_table(budget)
    keep_within_budget(budget, prices, root, pipeline.name, pipeline.document, arguments)
    try:
        limit = parallel or default_limit()
        ours = make_runner(runner, extra_packages, ahead=parallel != 1)
        result = run_pipeline(pipeline, arguments, root, fresh, ours, limit, _out, named)
    except Interrupted as interruption:
        page_uri(interruption.folder, prices)
        click.echo("interrupted; finished tasks are cached", err=True)
        sys.exit(128 + interruption.number)
    sys.exit(report(result, time.monotonic() - started, _out, page_uri(result.folder, prices)))


_destination = click.argument("destination")
_model_name = click.option("--model-name", default="", metavar="NAME", help="The model's name. Default: the only model at DESTINATION.")
_root = click.option(
    "--root", default=ROOT, type=click.Path(path_type=Path), show_default=True, help="The tracking folder of `penstock run`."
)
_tracking_uri = click.option(
    "--tracking-uri",
    default="",
    metavar="URI",
    help="URI of MLflow's tracking server. Default: MLFLOW_TRACKING_URI, else the one in --root.",
)
_registry_uri = click.option(
    "--registry-uri",
    default="",
    metavar="URI",
    help="URI of MLflow's registry, or vertex://PROJECT/LOCATION. Default: the tracking server's.",
)


@main.command()
@_destination
@_model_name
@_root
@verbose_option
def status(destination: str, model_name: str, root: Path) -> None:
    """Show the current model, the staged model and the rollback target of DESTINATION.

    The command asks the destination and changes nothing. Exit code 0: the recorded model answers. 1: another model or none answers.

    \b
    Examples:
      penstock status local://serving
      penstock status "kserve://models/flights?mode=standard"
    """
    from .control import ServedModel, control

    sys.exit(control("status", ServedModel.named(destination, model_name), {}, root, _out))


@main.command()
@_destination
@_model_name
@_tracking_uri
@_registry_uri
@_root
@verbose_option
def promote(destination: str, model_name: str, tracking_uri: str, registry_uri: str, root: Path) -> None:
    """Give all traffic to the staged model at DESTINATION if its answers are correct, and make it the champion.

    Exit code 0: succeeded. 1: failed. 2: invalid command. 3: the answers are wrong, and the model was rolled back.

    \b
    Examples:
      penstock promote local://serving
      penstock promote vertex://my-project/europe-west4/flights --registry-uri vertex://my-project/europe-west4
    """
    from .control import ServedModel, control

    given = {"tracking_uri": tracking_uri, "registry_uri": registry_uri}
    sys.exit(control("promote", ServedModel.named(destination, model_name), given, root, _out))


@main.command()
@_destination
@click.option("--to", default="previous", show_default=True, metavar="VERSION", help="The target: previous, or the start of a fingerprint.")
@_model_name
@_tracking_uri
@_registry_uri
@_root
@verbose_option
def rollback(destination: str, to: str, model_name: str, tracking_uri: str, registry_uri: str, root: Path) -> None:
    """Remove the staged model at DESTINATION. If there is none, return to the previous version and make it the champion.

    Exit code 0: succeeded. 1: failed. 2: invalid command.

    \b
    Examples:
      penstock rollback local://serving
      penstock rollback "kserve://models/flights?mode=standard" --to 3f7a09c1d2e4
    """
    from .control import ServedModel, control

    given = {"to": to, "tracking_uri": tracking_uri, "registry_uri": registry_uri}
    sys.exit(control("rollback", ServedModel.named(destination, model_name), given, root, _out))


@main.command("compile")
@click.option("--check", is_flag=True, help="Change nothing. Exit with 1 if a generated file is not up to date.")
@click.option(
    "--registry", default="", metavar="REGISTRY", help="Use images of this registry. Default: the registry of the released images."
)
@click.option("--tag", default="", metavar="TAG", help="Use images with this tag. Default: the version of the package.")
@click.option(
    "--digests", type=click.Path(path_type=Path), metavar="FILE", help="Use the images with the digests in this file instead of a tag."
)
@click.option(
    "--output", type=click.Path(path_type=Path), metavar="DIR", help="Write only the compiled pipelines and components to this folder."
)
def compile_(check: bool, registry: str, tag: str, digests: Path | None, output: Path | None) -> None:
    """Compile Penstock's pipelines and components.

    In a checkout of Penstock, the command writes all generated files: compiled/, the components' pages, the README's table. Elsewhere, give
    the folder with --output. The command does not change other files there.

    \b
    Examples:
      penstock compile
      penstock compile --check
      penstock compile --output compiled --registry europe-west4-docker.pkg.dev/my-project/penstock --digests digests.json
    """
    if tag and digests:
        raise click.UsageError("--tag and --digests exclude each other; give one of them")
    from ..compile.generate import generate, generate_compiled
    from ..compile.pinning import pins

    named = pins(registry, tag, digests)
    changed = generate_compiled(output, check, named) if output else generate(Path.cwd(), check, named)
    for path in changed:
        click.echo(f"{'not up to date' if check else 'wrote'}: {path}")
    if check and changed:
        click.echo("run `penstock compile` with the same options except --check", err=True)
        sys.exit(1)


@main.command()
@click.argument("name", required=False)
def components(name: str | None) -> None:
    """List the components. With NAME, show its inputs, outputs and parameters.

    \b
    Examples:
      penstock components
      penstock components train_model
    """
    from rich.markdown import Markdown

    from ..compile.reference import markdown, summaries

    if name:
        _out.print(Markdown(markdown(name)))
    else:
        width = max(map(len, summaries()))
        for component, summary in summaries().items():
            _out.print(f"{component:<{width}}  {summary}", markup=False, highlight=False)


@main.group()
def envs() -> None:
    """Manage the virtual environments of the dependency families.

    Example: penstock envs list
    """


def _families(names: tuple[str, ...]) -> list:
    from penstock.components.images import FAMILIES

    from ..local.envs import environment

    return list({item.path: item for item in map(environment, names or FAMILIES)}.values())


_FAMILY_ARGUMENT = click.argument("families", nargs=-1, metavar="[FAMILY]...")


@envs.command("list")
def list_() -> None:
    """List the environments: family, Python version, state, path, and the TFDV version of this machine.

    Example: penstock envs list
    """
    from ..local.envs import tfdv_choice

    for item in _families(()):
        click.echo(f"{item.family:<7} {item.version:<5} {'ready' if item.ready else 'absent':<7} {item.path}")
    click.echo(tfdv_choice())


@envs.command()
@_FAMILY_ARGUMENT
def make(families: tuple[str, ...]) -> None:
    """Create missing environments. Default: all families.

    Example: penstock envs make tf tfdv
    """
    for item in _checked(families):
        item.make(lambda env: click.echo(f"creating the {env.family} environment (Python {env.version}) in {env.path}"))


@envs.command()
@_FAMILY_ARGUMENT
def remove(families: tuple[str, ...]) -> None:
    """Remove environments. Default: all families.

    Example: penstock envs remove serve
    """
    for item in _checked(families):
        item.remove()


@envs.command()
@click.argument("family")
def python(family: str) -> None:
    """Print the Python interpreter of a family's environment. Creates the environment if it is missing.

    Example: $(penstock envs python tf) pipelines/flight_delay/make_data.py data/flights
    """
    item = _checked((family,))[0]
    item.make(lambda env: click.echo(f"creating the {env.family} environment (Python {env.version}) in {env.path}", err=True))
    click.echo(item.python)


def _checked(names: tuple[str, ...]) -> list:
    from penstock.components.images import FAMILIES

    for name in names:
        if name not in FAMILIES:
            raise click.UsageError(f"{name} is not a family; the families are {', '.join(FAMILIES)}")
    return _families(names)


@main.command()
def doctor() -> None:
    """List what is missing on this machine and how to fix it. Exit code 1 if something is missing.

    Example: penstock doctor
    """
    from ..local.doctor import examine

    findings = examine()
    for finding in findings:
        click.echo(f"{'ok     ' if finding.good else 'MISSING'} {finding.what}{'' if finding.good else f': {finding.fix}'}")
    sys.exit(0 if all(finding.good for finding in findings) else 1)
