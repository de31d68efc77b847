"""Errors that a person can mend."""

import click


class UserError(click.ClickException):
    """What is wrong, where, and what to do about it: one line on stderr, exit code 1."""

    def show(self, file=None) -> None:
        click.echo(f"error: {' '.join(self.message.split())}", file=file, err=file is None)
