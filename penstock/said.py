"""What a task's process says on stdout and stderr, line by line."""

_FIGURE_MARK = "[penstock] "
_ERROR_MARK = "error: "


def figure_in(line: str) -> str:
    """Returns the figure that matters now; empty where the line says none."""
    return line.removeprefix(_FIGURE_MARK).strip() if line.startswith(_FIGURE_MARK) else ""


def error_in(line: str) -> str:
    """Returns why the task failed, said in one line; empty where the line does not say so."""
    return line.removeprefix(_ERROR_MARK).strip() if line.startswith(_ERROR_MARK) else ""
