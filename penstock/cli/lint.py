"""The command `penstock lint`."""

import dataclasses
import json
import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

import click

from penstock.components.protocol import redact

from .options import CompiledFile

_BACKENDS = ("kubeflow", "vertex", "local")
_COLORS = {"error": "red", "warning": "yellow"}
_INDENT = " " * 9
# What is not read on a terminal is not broken into lines.
_NO_WIDTH = 1_000_000


@click.command()
@click.argument("file", required=False, type=CompiledFile())
@click.option("--target", "targets", type=click.Choice(_BACKENDS), multiple=True, help="The backend. You can repeat it. Default: all.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="The output format.")
@click.option("--explain", metavar="RULE", help="Explain a rule, with its source.")
def lint(file: Path | None, targets: tuple[str, ...], form: str, explain: str | None) -> None:
    """Check whether a compiled pipeline or component runs on Kubeflow, on Vertex AI and on a laptop.

    Checks any file that KFP's compiler wrote. Exit code 0: no errors. 1: errors. 2: invalid command, or not a compiled pipeline.

    \b
    Examples:
      penstock lint flight_delay_training
      penstock lint pipeline.yaml --target vertex --format json
      penstock lint --explain concat-placeholder
    """
    if explain:
        _explain(explain)
        return
    if not file:
        raise click.UsageError("Missing argument 'FILE'.")
    findings = _findings(file, targets or _BACKENDS)
    counts = {severity: sum(finding.severity == severity for finding in findings) for severity in _COLORS}
    if form == "json":
        click.echo(json.dumps({"file": str(file), **_counted(counts), "findings": list(map(dataclasses.asdict, findings))}, indent=2))
    else:
        _show(file, findings, counts)
    sys.exit(1 if counts["error"] else 0)


def _findings(file: Path, backends: Iterable[str]) -> list:
    from ..lint import UnreadableError
    from ..lint import lint as check

    try:
        findings = check(file.read_text(encoding="utf-8"), tuple(backends))
        return [dataclasses.replace(finding, message=redact(finding.message)) for finding in findings]
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableError(f"cannot read {file}: {getattr(error, 'strerror', None) or error}") from error
    except UnreadableError as error:
        raise UnreadableError(f"{file} is {error.message}") from error


def _explain(name: str) -> None:
    from rich.console import Console
    from rich.markdown import Markdown

    from ..lint.reference import find, section

    Console().print(Markdown(section(find(name))))


def _show(file: Path, findings: list, counts: dict[str, int]) -> None:
    click.echo(str(file))
    for (severity, rule, backends), group in groupby(findings, lambda finding: (finding.severity, finding.rule, finding.backends)):
        head = f"{click.style(f'{severity:<7}', fg=_COLORS[severity], bold=True)}  {click.style(rule, bold=True)}"
        click.echo(f"\n{head}  {click.style(', '.join(backends), dim=True)}")
        for line in _places(group):
            click.echo(line)
    total = ", ".join(f"{count} {severity}{'s' if count != 1 else ''}" for severity, count in counts.items())
    click.echo(f"\n{total}" + ("; `penstock lint --explain RULE` explains a rule" if findings else ""))


def _places(findings: Iterable) -> Iterator[str]:
    """Yields each message once, with its places below it."""
    by_message: dict[str, list[str]] = {}
    for finding in findings:
        by_message.setdefault(finding.message, []).append(finding.place)
    for message, places in by_message.items():
        yield _wrapped(message, _INDENT)
        yield from (click.style(f"{_INDENT}at {place}", dim=True) for place in places)


def _wrapped(text: str, indent: str) -> str:
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else _NO_WIDTH
    return textwrap.fill(text, width, initial_indent=indent, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _counted(counts: dict[str, int]) -> dict[str, int]:
    return {f"{severity}s": count for severity, count in counts.items()}
