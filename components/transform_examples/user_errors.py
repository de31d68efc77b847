"""Turns what a user's preprocessing_fn raises, here or on a Beam worker, into one line that names the line in the module."""

import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from penstock.components.runtime import TaskError


@contextmanager
def explained(module: Path, function: str) -> Iterator[None]:
    """Raises errors of the user's making as TaskErrors; others pass as they are.

    Args:
        module: The file of the user's module.
        function: The name of the preprocessing_fn.
    """
    try:
        yield
    except TaskError:
        raise
    except Exception as error:
        text = "".join(traceback.format_exception(error))  # Beam's workers hand over their traceback as text
        what = _reason(text)
        if found := re.search(r"TaskError: (.*)", text):
            raise TaskError(re.sub(r" \[while running .*", "", found[1])) from error
        if lines := re.findall(rf'File "{re.escape(str(module))}", line (\d+)', text):
            raise TaskError(f"{function} of module_file raised {what} (line {lines[-1]}); correct the module") from error
        if isinstance(error, (ValueError, TypeError)) or "apply the transformation" in text:
            raise TaskError(f"tf.Transform cannot use {function} of module_file: {what}; correct the module") from error
        raise


def _reason(text: str) -> str:
    """Returns the first error in a traceback's text: the cause of the others."""
    found = re.search(r"^(?:[\w.]+\.)?(\w*(?:Error|Exception|Assertion)\w*: .+)", text, re.MULTILINE)
    return re.sub(r" \[while running .*", "", found[1])[:300] if found else text.strip().splitlines()[-1][:300]
