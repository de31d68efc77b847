"""Errors that a user can fix."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from penstock.components.protocol.disk_space import file_without_space, is_disk_full
from penstock.components.protocol.errors import TaskError
from penstock.components.protocol.redacting import redact


class UserError(click.ClickException):
    """What is wrong, where, and what to do about it: one line on stderr, exit code 1."""

    def show(self, file=None) -> None:
        click.echo(f"error: {' '.join(redact(self.message).split())}", file=file, err=file is None)


class WrongUsage(UserError):
    """An invalid command: exit code 2."""

    exit_code = 2


@contextmanager
def disk_full_explained() -> Iterator[None]:
    """Turns a full disk into an error that a user can fix, wherever it occurs."""
    try:
        yield
    except Exception as error:
        if isinstance(error, (click.ClickException, TaskError)) or not is_disk_full(error):
            raise
        raise UserError(
            f"cannot write {file_without_space(error, [Path.cwd()])}: no space left on the device; free some space and run the command again"
        ) from error


@contextmanager
def before_anything_starts() -> Iterator[None]:
    """Makes every error within the block wrong usage: exit code 1 is for what has been started, and failed."""
    try:
        yield
    except UserError as error:
        raise WrongUsage(error.message) from error
