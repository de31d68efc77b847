"""How amounts are shown: one that is not known is `unknown`."""

UNKNOWN = "unknown"
GIB = 1 << 30


def of(used: str, requested: str) -> str:
    """Returns what was used of what was requested."""
    return f"{used} of {requested}" if requested else used


def number(value: float | None, form: str, missing: str = UNKNOWN) -> str:
    """Returns a number in a form such as `{:.1f}`."""
    return missing if value is None else form.format(value)


def money(value: float | None) -> str:
    """Returns a price with three digits that count: tasks of seconds cost small shares of a cent."""
    if value is None:
        return UNKNOWN
    return f"{value:.2f}" if value >= 1 or value == 0 else f"{value:.3g}" if value >= 0.0001 else f"{value:.7f}"


def gib(value: float | None, missing: str = UNKNOWN) -> str:
    """Returns an amount of memory."""
    return missing if value is None else f"{value / GIB:.2f} GiB"


def size(value: float | None) -> str:
    """Returns a number of bytes."""
    return UNKNOWN if value is None else f"{value / 10**6:.1f} MB"
