"""Errors that a person can mend."""

from collections.abc import Iterator
from contextlib import contextmanager

import click

from .components.runtime.redacting import redact


class UserError(click.ClickException):
    """What is wrong, where, and what to do about it: one line on stderr, exit code 1."""

    def show(self, file=None) -> None:
        click.echo(f"error: {' '.join(redact(self.message).split())}", file=file, err=file is None)


class WrongUsage(UserError):
    """What was typed cannot be meant: exit code 2."""

    exit_code = 2


@contextmanager
def before_anything_starts() -> Iterator[None]:
    """Makes every error within the block wrong usage: exit code 1 is for what has been started, and failed."""
    try:
        yield
    except UserError as error:
        raise WrongUsage(error.message) from error
