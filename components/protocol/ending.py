"""How a process is asked to end: SIGTERM raises SystemExit, so that the process cleans up as it does after an error."""

TERMINATED = 143  # what a shell says of a process that SIGTERM has ended


def exit_in(error: BaseException) -> SystemExit | None:
    """Finds the end that was asked for, also where a task group (anyio's, in which httpx connects) has put it into a group of errors."""
    if isinstance(error, SystemExit):
        return error
    return next(filter(None, map(exit_in, getattr(error, "exceptions", ()))), None)
