"""Errors that a user can fix: one line, exit code 1, no traceback."""


class TaskError(Exception):
    """Bad input, described in one line: what is wrong, where, and what to do about it."""


class GateFailed(TaskError):
    """A gate that closed: the task fails, and the evidence in its outputs is kept for readers."""
