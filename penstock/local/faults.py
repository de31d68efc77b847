"""kfp.local ends a run with a traceback, or with a line in its log alone, where it cannot go on; here the user sees the reason.

Upstream (kfp 2.17): `run_enhanced_dag` lets any error of a nested pipeline's inputs or outputs through, so that exit handlers do not run, and
`execute_parallel_tasks` logs it and fails without a word.
"""

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from ..kfp_adapter.orchestrator import EXECUTE_TASK, RUN_LOOP, Status
from ..kfp_adapter.patch_point import replaced
from .tasks import View, reason

_view: View | None = None


def view() -> View | None:
    """Returns who watches the run; None outside of one."""
    return _view


def tell(message: str) -> None:
    """Tells why the pipeline cannot go on; what went wrong, with its traceback, is in the log.

    Raises:
        Exception: No view is set: the error that is being handled.
    """
    if _view is None:
        raise
    logging.getLogger(__name__).info("%s", message, exc_info=True)
    _view.broken(message)


def _guarded(run: Callable[..., Any], failed: Any) -> Callable[..., Any]:
    """Makes a task fail, rather than everything around it."""

    def guard(*, task_name: str, **rest: Any) -> Any:
        try:
            return run(task_name=task_name, **rest)
        except Exception as error:
            tell(f"{task_name}: {reason(error)}")
            return failed

    return guard


@contextmanager
def patch() -> Iterator[None]:
    """Patches errors beside tasks' own: those of nested pipelines, conditions and loops."""
    with (
        EXECUTE_TASK.wrapped(partial(_guarded, failed=({}, Status.FAILURE))),
        RUN_LOOP.wrapped(partial(_guarded, failed=True)),
    ):
        yield


@contextmanager
def watched(by: View) -> Iterator[None]:
    """Shows a view why a pipeline cannot go on."""
    with replaced(sys.modules[__name__], "_view", by):
        yield
