"""Options that several commands have."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from penstock.components.protocol.logs import LEVEL, configure_logging, is_verbose, redact_logging

from ..spec.compiled_files import find_compiled


class CompiledFile(click.ParamType):
    """A compiled pipeline or component: the path of a file, or the name of one that Penstock comes with."""

    name = "file"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Returns the file; see `find_compiled`."""
        return find_compiled(str(value))


def add_options(command: Callable[..., Any], options: list[Callable[..., Any]]) -> Callable[..., Any]:
    """Adds options to a command, which its help shows in this order."""
    for option in reversed(options):
        command = option(command)
    return command


def parameter_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds `--param` (as `texts`) and `--params` (as `values_file`)."""
    file = click.option(
        "--params",
        "values_file",
        metavar="FILE",
        type=click.Path(path_type=Path),
        help="A YAML file of parameters. --param takes precedence.",
    )
    one = click.option(
        "--param", "-p", "texts", metavar="NAME=VALUE", multiple=True, help="The value of a parameter. Write lists and objects as JSON."
    )
    return one(file(command))


def label_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds `--label`, as `labels`."""
    text = "What to say about the run. Kubeflow shows it as the description."
    return click.option("--label", "labels", metavar="NAME=VALUE", multiple=True, help=text)(command)


def verbose_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds `--verbose`, which shows what this process and the tasks that it starts log, from the level DEBUG on."""

    def be_verbose(context: click.Context, parameter: click.Parameter, value: bool) -> None:
        if value:
            os.environ[LEVEL] = "DEBUG"
        if is_verbose():
            configure_logging()
            redact_logging()

    text = "Show what is logged, from DEBUG on, HTTP requests too."
    return click.option("--verbose", is_flag=True, expose_value=False, callback=be_verbose, help=text)(command)


def name_value_pairs(texts: tuple[str, ...], option: str = "--param") -> dict[str, str]:
    """Returns what `--param`, or another option, gives by name.

    Raises:
        UsageError: One is not NAME=VALUE.
    """
    for text in texts:
        if "=" not in text:
            raise click.UsageError(f"{option} {text} is not NAME=VALUE")
    return dict(text.split("=", 1) for text in texts)
