"""What the commands for runs elsewhere are told: which backend, and what a run is to be."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ...errors import before_anything_starts
from ...kfp_adapter.lean import import_kfp
from ..options import CompiledFile, parameter_options, verbose_option

if TYPE_CHECKING:
    from ...remote.settings import Settings
    from ...remote.target import Target

FILE = click.argument("file", type=CompiledFile())
_Command = Callable[..., Any]
_Decorator = Callable[[_Command], _Command]


def where_options(command: _Command) -> _Command:
    """Adds the options that say which backend is meant."""
    options: list[_Decorator] = [
        click.option("--target", type=click.Choice(["kubeflow", "vertex"]), help="Default: what --context says."),
        click.option("--context", default="", metavar="NAME", help="A context of penstock.toml. Default: the one for --target."),
        click.option("--host", default="", metavar="URL", help="Kubeflow: where its API is."),
        click.option("--namespace", default="", metavar="NAME", help="Kubeflow: your namespace, where there are several users."),
        click.option("--project", default="", metavar="ID", help="Vertex AI: the project."),
        click.option("--location", default="", metavar="REGION", help="Vertex AI: the region."),
        verbose_option,
    ]
    for option in reversed(options):
        command = option(command)
    return command


def run_options(command: _Command) -> _Command:
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


def connected(where: dict[str, Any]) -> "tuple[Target, Settings]":
    """Returns the backend that a command means, and what is set for it.

    Raises:
        WrongUsage: It is not known where the backend is.
    """
    import_kfp()
    from ...remote.connect import connect

    flags = {name: where[name] for name in ("host", "namespace", "project", "location")}
    with before_anything_starts():
        return connect(where["context"], where["target"] or "", flags)
