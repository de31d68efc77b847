"""Turns what a user's preprocessing_fn raises, here or on a Beam worker, into one line that names the line in the module."""

import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from penstock.components.data.beam_errors import without_step
from penstock.components.data.user_code import own_lines, refuse_end
from penstock.components.protocol import TaskError
from penstock.components.protocol.disk_space import is_disk_full


@contextmanager
def explained(function: str) -> Iterator[None]:
    """Raises errors of the user's making as TaskErrors; others pass as they are.

    Args:
        function: The name of the preprocessing_fn.

    Raises:
        TaskError: The module, or rows that do not fit the Schema.
        OSError: No space is left.
    """
    try:
        yield
    except TaskError:
        raise
    except SystemExit as end:
        refuse_end(end, f"{function} of module_file raised")
    except Exception as error:
        if is_disk_full(error):
            raise
        text = "".join(traceback.format_exception(error))  # Beam's workers hand over their traceback as text
        if lines := own_lines(text):
            raise TaskError(f"{function} of module_file raised {_reason(text)} ({lines[-1]}); correct the module") from error
        if isinstance(error, ValueError | TypeError) or "{{node " in text:
            raise TaskError(f"tf.Transform cannot use {function} of module_file: {_reason(text)}; correct the module") from error
        raise


def _reason(text: str) -> str:
    """Returns the first error in a traceback's text, which is the cause of the others."""
    if in_graph := re.search(r"^(.+)\n\s*\[\[\{\{node (\S+?)\}\}", text, re.MULTILINE):
        return f"{in_graph[1]} (at the node {in_graph[2]})"
    first = re.search(r"^(?:\w+\.)*(\w+(?:Error|Exception): .+)", text, re.MULTILINE)
    return without_step(first[1] if first else text.strip().splitlines()[-1])[:300]
