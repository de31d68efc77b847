"""What robfig/cron 1.2, which the API server checks a schedule with, takes.

Five fields are taken too, but then the first is the second, and the last, the day of the week, is left out.
"""

import re

_FIELDS = [("second", 0, 59), ("minute", 0, 59), ("hour", 0, 23), ("day of month", 1, 31), ("month", 1, 12), ("day of week", 0, 6)]
_NAMES = {
    "month": dict(zip(["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"], range(1, 13), strict=True)),
    "day of week": dict(zip(["sun", "mon", "tue", "wed", "thu", "fri", "sat"], range(7), strict=True)),
}
_DESCRIPTORS = {"@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"}
_PART = re.compile(r"(?P<from>\*|\?|\w+)(?:-(?P<to>\w+))?(?:/(?P<step>\d+))?")


def problem(text: str) -> str:
    """Says why a schedule is not taken; empty where it is."""
    if text.startswith("@"):
        known = text in _DESCRIPTORS or re.fullmatch(r"@every (\d+(\.\d+)?(h|m|s|ms))+", text)
        return "" if known else f"Unrecognized descriptor: {text}"
    fields = text.split()
    if not 5 <= len(fields) <= 6:
        return f"Expected 5 to 6 fields, found {len(fields)}: {text}"
    return next((found for field, rule in zip(fields, _FIELDS, strict=False) if (found := _problem_in(field, *rule))), "")


def _problem_in(field: str, name: str, least: int, most: int) -> str:
    for part in field.split(","):
        match = _PART.fullmatch(part)
        if not match:
            return f'Failed to parse int from {part}: strconv.Atoi: parsing "{part}": invalid syntax'
        everything = match["from"] in {"*", "?"}
        start = least if everything else _number(match["from"], name)
        end = _number(match["to"], name) if match["to"] else most if everything or match["step"] else start
        if start is None or end is None:
            return f'Failed to parse int from {part}: strconv.Atoi: parsing "{part}": invalid syntax'
        if start < least:
            return f"Beginning of range ({start}) below minimum ({least}): {part}"
        if end > most:
            return f"End of range ({end}) above maximum ({most}): {part}"
        if start > end:
            return f"Beginning of range ({start}) beyond end of range ({end}): {part}"
        if match["step"] and not int(match["step"]):
            return f"Step of range should be a positive number: {part}"
    return ""


def _number(text: str, name: str) -> int | None:
    known = _NAMES.get(name, {}).get(text.lower())
    return int(text) if known is None and text.isdigit() else known
