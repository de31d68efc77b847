"""What a task's end uses of Python that Python does not document; test_executor has its effect."""

import atexit


def test_atexit_has_no_function_that_runs_them():
    """When this fails, see whether the new name runs the functions: if so, `exit_functions` can go."""
    assert {name for name in dir(atexit) if not name.startswith("_")} == {"register", "unregister"}
