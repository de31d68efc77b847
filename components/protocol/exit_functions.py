"""What Penstock uses of Python's `atexit` that Python does not document.

A task runs the exit functions and then leaves with `os._exit`. Python itself runs them only at the end of the interpreter, after it has
waited for every thread; no issue asks for a function that runs them earlier. `test_atexit_has_no_function_that_runs_them` in
tests/components/protocol/test_exit_functions.py notices when there is one.
"""

import atexit


def run_exit_functions() -> None:
    """Runs what was registered with `atexit`, the last registered first. Exceptions are printed to stderr."""
    atexit._run_exitfuncs()
