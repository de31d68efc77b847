"""Input patterns as TFX has them: globs with `{SPAN}`, `{VERSION}`, and `{YYYY}`, `{MM}`, `{DD}`, which number Spans by days since 1970-01-01."""

import datetime
import re
from collections.abc import Callable, Iterable

from penstock.components.protocol.errors import TaskError
from penstock.components.protocol.values import LARGEST_WHOLE

_FIELD = r"\{(SPAN|VERSION|YYYY|MM|DD)(?::(\d+))?\}"
_TOKEN = re.compile(rf"{_FIELD}|(\*\*/?|\*|\?|\[[^\]]+\])")
_WILDCARDS = {"**": ".*", "**/": "(?:.*/)?", "*": "[^/]*", "?": "[^/]"}
_DIGITS = {"SPAN": r"\d+", "VERSION": r"\d+", "YYYY": r"\d{4}", "MM": r"\d{2}", "DD": r"\d{2}"}
_EPOCH = datetime.date(1970, 1, 1)


class InputPattern:
    """A path or glob that may hold fields.

    Attributes:
        fields: The names of its fields.
        glob: The glob that finds candidates for it.

    Raises:
        TaskError: Its fields do not go together.
    """

    def __init__(self, text: str) -> None:
        self.fields = {match[1] for match in re.finditer(_FIELD, text)}
        self.glob = re.sub(_FIELD, "*", text)
        self._regex = re.compile(_regex(text))
        dated = self.fields & {"YYYY", "MM", "DD"}
        if dated and "SPAN" in self.fields:
            raise TaskError("input_uri has both {SPAN} and a date, but only one of them may number the Spans; remove one")
        if dated not in (set(), {"YYYY"}, {"YYYY", "MM"}, {"YYYY", "MM", "DD"}):
            raise TaskError("input_uri has an incomplete date; a date starts with {YYYY}, then {MM}, then {DD}")

    @property
    def is_dated(self) -> bool:
        """Whether its Spans are days."""
        return "YYYY" in self.fields

    @property
    def has_spans(self) -> bool:
        """Whether anything in it numbers Spans."""
        return self.is_dated or "SPAN" in self.fields

    def numbers(self, path: str) -> tuple[int, int] | None:
        """Returns a path's Span and version (0 where there is no such field), or None if it does not fit."""
        match = self._regex.fullmatch(path)
        if not match:
            return None
        found = {name: int(value) for name, value in match.groupdict().items()}
        if self.is_dated:
            try:
                span = (datetime.date(found["YYYY"], found.get("MM", 1), found.get("DD", 1)) - _EPOCH).days
            except ValueError:  # such as the 31st of February: digits, but no date
                return None
        else:
            span = found.get("SPAN", 0)
        return span, found.get("VERSION", 0)


def _regex(text: str) -> str:
    """Translates a glob with fields; a field that comes again must say the same."""
    pieces: list[str] = []
    seen: set[str] = set()
    end = 0
    for token in _TOKEN.finditer(text):
        pieces.append(re.escape(text[end : token.start()]))
        name, width, wildcard = token.groups()
        if wildcard:
            pieces.append(_WILDCARDS.get(wildcard) or _character_class(wildcard))
        else:
            digits = rf"\d{{{width}}}" if width else _DIGITS[name]
            pieces.append(f"(?P={name})" if name in seen else f"(?P<{name}>{digits})")
            seen.add(name)
        end = token.end()
    return "".join(pieces) + re.escape(text[end:])


def _character_class(wildcard: str) -> str:
    inner = wildcard[1:-1]
    return re.escape(inner) if len(inner) == 1 else wildcard.replace("[!", "[^")


def escape(path: str) -> str:
    """Returns the pattern that only a path itself matches."""
    return re.sub(r"([*?\[{])", r"[\1]", path)


def known_folders(pattern: str, exists: Callable[[str], bool]) -> str:
    """Returns what a pattern begins with as far as it is there: an existing path is that path, whatever its characters."""
    known, rest = "", pattern
    while rest:
        step, slash, after = rest.partition("/")
        if _TOKEN.search(step) and not exists(known + step):
            break
        known, rest = f"{known}{step}{slash}", after
    return known


def numbering_keys(pattern: str) -> set[str]:
    """Returns the keys of a pattern's folders `key={SPAN}` and the like, which number Spans and are not partitions."""
    steps = (step.partition("=") for step in pattern.split("/"))
    return {key for key, _, value in steps if re.search(_FIELD, value)}


def select(pattern: InputPattern, paths: Iterable[str], spans: str, version: str) -> tuple[list[str], int, int]:
    """Chooses the paths of the wanted Spans, each in its wanted version.

    Args:
        pattern: What the paths were found with.
        paths: Candidates.
        spans: `latest`, `latest:k`, one Span, or a range `first:last` (both ends count). Spans of a dated pattern may be given as
            ISO dates.
        version: `latest` or a number.

    Returns:
        The paths sorted by Span and name, the latest Span and the latest version among them.

    Raises:
        TaskError: `spans` or `version` cannot be read, does not fit the pattern, or nothing is there; or a Span has too many digits.
    """
    found: dict[int, dict[int, list[str]]] = {}
    for path in paths:
        if numbers := pattern.numbers(path):
            found.setdefault(numbers[0], {}).setdefault(numbers[1], []).append(path)
    chosen = _choose_spans(pattern, sorted(found), spans)
    if chosen[-1] > LARGEST_WHOLE:
        raise TaskError(f"Span {chosen[-1]} is above 2^53, and loses digits on its way between tasks; number the Spans with fewer digits")
    selected: list[str] = []
    versions = []
    for span in chosen:
        versions.append(_choose_version(pattern, sorted(found[span]), span, version))
        selected += sorted(found[span][versions[-1]])
    return selected, chosen[-1], max(versions)


def _choose_spans(pattern: InputPattern, known: list[int], spans: str) -> list[int]:
    if not known:
        raise TaskError(f"input_uri matches no file ({pattern.glob}); correct the path, or wait for the data")
    if spans == "latest":
        return known[-1:]
    if not pattern.has_spans:
        raise TaskError(f"spans is {spans!r}, but input_uri has no {{SPAN}} and no {{YYYY}}-{{MM}}-{{DD}}; add one, or use latest")
    if re.fullmatch(r"latest:[1-9]\d*", spans):
        return known[-int(spans.partition(":")[2]) :]
    wanted = re.fullmatch(r"([\d-]+)(?::([\d-]+))?", spans)
    if not wanted:
        raise TaskError(f"spans is {spans!r}; give latest, latest:k, one Span such as 7, or a range such as 3:7")
    first, last = _span_number(pattern, wanted[1]), _span_number(pattern, wanted[2] or wanted[1])
    chosen = [span for span in known if first <= span <= last]
    if not chosen:
        raise TaskError(f"input_uri has no Span in {spans!r}: {len(known)} exist, from {known[0]} to {known[-1]}; choose one of them")
    return chosen


def _span_number(pattern: InputPattern, text: str) -> int:
    try:
        if pattern.is_dated and "-" in text:
            return (datetime.date.fromisoformat(text) - _EPOCH).days
        return int(text)
    except ValueError:
        raise TaskError(
            f"spans names {text!r}, which is not a Span; give a number (or a date such as 2013-12-31 if the pattern has dates)"
        ) from None


def _choose_version(pattern: InputPattern, known: list[int], span: int, version: str) -> int:
    if version == "latest":
        return known[-1]
    if "VERSION" not in pattern.fields:
        raise TaskError(f"version is {version!r}, but input_uri has no {{VERSION}}; add it, or use latest")
    if not version.isdecimal() or int(version) not in known:
        raise TaskError(f"Span {span} has no version {version!r}: it has {', '.join(map(str, known[-10:]))}; choose one of these or latest")
    return int(version)
