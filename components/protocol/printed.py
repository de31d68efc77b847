"""What a program printed before it ended."""

_ERROR = "error: "


def reason_in(printed: str, otherwise: str = "it printed nothing") -> str:
    """Returns the last line that says why a program ended, without its `error: `, or else the last line of all.

    Args:
        printed: What the program printed, or a part of it.
        otherwise: What to return if that is nothing.
    """
    lines = [line.strip() for line in printed.splitlines() if line.strip()]
    errors = [line.removeprefix(_ERROR) for line in lines if line.startswith(_ERROR)]
    return (errors or lines or [otherwise])[-1]
