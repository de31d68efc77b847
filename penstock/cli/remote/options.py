"""The options of the commands for remote runs: the backend and the run."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ...errors import before_anything_starts
from ...kfp_adapter.lazy_import import import_kfp
from ..options import CompiledFile, add_options, parameter_options, verbose_option

if TYPE_CHECKING:
    from ...remote.settings import Settings
    from ...remote.target import Target

FILE = click.argument("file", type=CompiledFile())
_Command = Callable[..., Any]
_Decorator = Callable[[_Command], _Command]


def where_options(command: _Command) -> _Command:
    """Adds the options that say which backend is meant."""
    options: list[_Decorator] = [
        click.option("--target", type=click.Choice(["kubeflow", "vertex"]), help="The backend. Default: the one of --context."),
        click.option("--context", default="", metavar="NAME", help="A context in penstock.toml. Default: the one for --target."),
        click.option("--host", default="", metavar="URL", help="Kubeflow: the URL of its API."),
        click.option("--namespace", default="", metavar="NAME", help="Kubeflow: your namespace, in an installation with several users."),
        click.option("--project", default="", metavar="ID", help="Vertex AI: the project."),
        click.option("--location", default="", metavar="REGION", help="Vertex AI: the region."),
        verbose_option,
    ]
    return add_options(command, options)


def run_options(command: _Command) -> _Command:
    """Adds the options that say what a run is to be."""
    options = [
        parameter_options,
        click.option("--experiment", default="", metavar="NAME", help="The experiment of the runs."),
        click.option("--name", default="", metavar="NAME", help="The name of the run. Default: the name of the pipeline and the time."),
        click.option("--service-account", default="", metavar="ACCOUNT", help="The service account of the tasks."),
        click.option("--pipeline-root", default="", metavar="URI", help="The location of the artifacts."),
        click.option(
            "--platform",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="Kubeflow: a file of platform settings: secrets, nodes …",
        ),
        click.option("--no-cache", is_flag=True, help="Run every task without the cache."),
    ]
    return add_options(command, options)


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
