"""The page of a run on this machine: its tasks, what its gates said, and what it took and cost."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from penstock.components.data.local_runs import DONE, ROOT, LocalRun, read_run
from penstock.components.protocol.atomic import atomically

from ..cost.runs import RunUse, recorded_run
from ..cost.statement import Statement, make_statement
from ..errors import UserError
from ..local.display import duration
from ..local.task_records import read_record
from ..local.tasks import reason

if TYPE_CHECKING:
    from ..cost.prices import Prices

FILE = "index.html"


def page_uri(folder: Path, prices: "Prices | None") -> str:
    """Writes a run's page, and returns its URI; empty if it cannot be written: how the run ended does not depend on its page."""
    try:
        return write_run_page(folder, prices).as_uri()
    except (OSError, UserError):  # the disk is full, which the run's tasks have said
        return ""
    except Exception as error:
        click.echo(f"warning: the run's page cannot be written: {reason(error)}", err=True)
        return ""


def write_run_page(folder: Path, prices: "Prices | None") -> Path:
    """Writes a run's page into its folder, from what is there: the links on it are relative.

    Args:
        folder: The run's folder.
        prices: The price table; None: the page says what was taken, and how to learn what that costs.

    Raises:
        UserError: The run has no record of its tasks.
        OSError: The page cannot be written.
    """
    from penstock.components.evidence.page import write_page

    run, record = read_run(folder), read_record(folder)
    statement, problem = _stated(recorded_run(folder, record), prices)
    page = folder / FILE
    with atomically(page) as file:
        write_page(
            Path(__file__).with_name("run_page.html.j2"),
            file,
            title=run.name,
            run=run,
            outcome=record.outcome if run.state == DONE else run.state,
            started=f"{datetime.fromisoformat(run.created):%Y-%m-%d %H:%M:%S %Z}",
            took=_took(run),
            record=record,
            longest=max((task.seconds for task in record.tasks), default=0.0) or 1.0,
            duration=duration,
            statement=statement,
            prices=prices,
            problem=problem,
            called=run.name if folder.parent == Path.cwd() / ROOT else folder,
        )
    return page


def _stated(use: RunUse, prices: "Prices | None") -> tuple[Statement, str]:
    """Returns what the run took, with its price if the table has what it takes; else why not."""
    try:
        return make_statement(use, prices), ""
    except UserError as error:
        return make_statement(use, None), error.message


def _took(run: LocalRun) -> str:
    if not run.ended:
        return ""
    return duration((datetime.fromisoformat(run.ended) - datetime.fromisoformat(run.created)).total_seconds())
