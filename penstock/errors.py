"""Errors that a person can mend."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from penstock.components.protocol.errors import TaskError
from penstock.components.protocol.redacting import redact
from penstock.components.protocol.room import is_out_of_room, without_room


class UserError(click.ClickException):
    """What is wrong, where, and what to do about it: one line on stderr, exit code 1."""

    def show(self, file=None) -> None:
        click.echo(f"error: {' '.join(redact(self.message).split())}", file=file, err=file is None)


class WrongUsage(UserError):
    """What was typed cannot be meant: exit code 2."""

    exit_code = 2


@contextmanager
def room_told() -> Iterator[None]:
    """Makes a full disk an error that a person can mend, wherever it is met."""
    try:
        yield
    except Exception as error:
        if isinstance(error, (click.ClickException, TaskError)) or not is_out_of_room(error):
            raise
        raise UserError(f"no room to write {without_room(error, [Path.cwd()])}; free some space and type it again") from error


@contextmanager
def before_anything_starts() -> Iterator[None]:
    """Makes every error within the block wrong usage: exit code 1 is for what has been started, and failed."""
    try:
        yield
    except UserError as error:
        raise WrongUsage(error.message) from error
