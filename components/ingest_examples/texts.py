"""Infers the type of a column of texts: the narrowest type that represents every value exactly."""

from collections.abc import Iterable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

_INSTANTS = (pa.timestamp("us"), pa.timestamp("us", "UTC"))
_CANDIDATES = (pa.int64(), pa.float64(), pa.bool_(), *_INSTANTS)
_CANDIDATES_OF = {pa.int64(): (pa.int64(), pa.bool_(), *_INSTANTS), pa.float32(): (pa.float64(),), pa.string(): ()}
_FLOAT32_MAX = 3.4028234e38
_SHORTEST_DIGEST = 5
# A number would lose the zero, the sign or the base.
_MARKED = r"^\s*(?:\+|-?0[0-9xX])"
_WHOLE = r"^\s*-?[0-9]+\s*$"
_BARE_EXPONENT = r"^\s*[0-9]+[eE][0-9]+\s*$"


class Texts:
    """What was seen of a column so far.

    Attributes:
        kind: The narrowest type that all values fit: int64, double, bool, timestamp or string; null where there was none.
        misfit: The first value that does not fit the wanted type.
    """

    def __init__(self, wanted: pa.DataType | None = None) -> None:
        """Starts with nothing seen.

        Args:
            wanted: The type that Examples shall hold; None: the narrowest.
        """
        self._is_wanted = wanted not in (None, pa.string())
        self._candidates = _CANDIDATES if wanted is None else _CANDIDATES_OF[wanted]
        self.kind = pa.null()
        self.misfit = ""
        self._is_marked = self._is_wide = self._has_point = self._has_bare_exponent = self._overflows = False
        self._lengths: set[int] = set()

    def to_object(self) -> dict[str, Any]:
        """Returns what was seen as a JSON value."""
        return {
            **vars(self),
            "kind": str(self.kind),
            "_candidates": [str(kind) for kind in self._candidates],
            "_lengths": sorted(self._lengths),
        }

    @classmethod
    def from_object(cls, content: dict[str, Any]) -> "Texts":
        """Reads what `to_object` returned elsewhere."""
        kinds = {str(kind): kind for kind in (*_CANDIDATES, pa.string(), pa.null())}
        texts = cls()
        vars(texts).update(content)
        texts.kind, texts._lengths = kinds[content["kind"]], set(content["_lengths"])
        texts._candidates = tuple(kinds[name] for name in content["_candidates"])
        return texts

    @property
    def is_number(self) -> bool:
        """Whether all values can be read as numbers."""
        return self.kind in (pa.int64(), pa.float64())

    def add(self, column: pa.Array) -> None:
        """Sees more of the column, as strings."""
        if self.kind == pa.string() or column.null_count == len(column):
            return
        kind = next((candidate for candidate in self._possible() if _fits(column, candidate)), pa.string())
        if kind == pa.string() and self._is_wanted:
            self.misfit = next((text for text in column.drop_null().to_pylist() if not self._fits_alone(text)), "")
        self.kind = kind
        if self.is_number:
            self._look_for_codes(column.drop_null())

    def _possible(self) -> tuple[pa.DataType, ...]:
        if pt.is_null(self.kind):
            return self._candidates
        return tuple(kind for kind in (self.kind, pa.float64()) if kind in self._candidates) if self.kind == pa.int64() else (self.kind,)

    def _fits_alone(self, text: str) -> bool:
        return any(_fits(pa.array([text]), kind) for kind in self._possible())

    def _look_for_codes(self, column: pa.Array) -> None:
        self._is_marked = self._is_marked or _any(pc.match_substring_regex(column, _MARKED))
        if self._has_point:
            return
        self._has_point = _any(pc.match_substring(column, "."))
        if len(self._lengths) < 2:
            self._lengths |= set(pc.min_max(pc.binary_length(column)).as_py().values())
        if self.kind == pa.float64() and not self._has_point:
            self._is_wide = self._is_wide or not _fits(column.filter(pc.match_substring_regex(column, _WHOLE)), pa.int64())
            exponents = column.filter(pc.match_substring_regex(column, _BARE_EXPONENT))
            if len(exponents):
                self._has_bare_exponent = True
                numbers = pc.cast(pc.utf8_trim_whitespace(exponents), pa.float64())
                self._overflows = self._overflows or _any(pc.greater(numbers, _FLOAT32_MAX))


def are_codes(columns: Iterable[Texts]) -> bool:
    """Whether numbers are codes, so that a number would not say what they say: they stay texts.

    Codes have leading zeros (00037), a plus sign or a base (0x1f), are whole and beyond int64, or look like hexadecimal digests: all
    whole or of digits around an `e` (12e45), and of one length, or too large for a float32.
    """
    numbers = [column for column in columns if column.is_number]
    if any(column._is_marked for column in numbers):
        return True
    if any(column._has_point for column in numbers):
        return False
    if any(column._is_wide or column._overflows for column in numbers):
        return True
    lengths = set().union(*(column._lengths for column in numbers))
    return any(column._has_bare_exponent for column in numbers) and len(lengths) == 1 and min(lengths) >= _SHORTEST_DIGEST


def parse(text: str, kind: pa.DataType, wanted: pa.DataType) -> Any:
    """Returns what a text says as a value of a canonical type, by way of the type that it fits."""
    if kind == pa.bool_():
        return int(text.strip().lower() == "true")
    value = pa.array([text.strip() if kind != pa.string() else text]).cast(kind)
    return (value.cast(pa.timestamp("s"), safe=False) if pt.is_timestamp(kind) else value).cast(wanted, safe=False)[0].as_py()


def _any(flags: pa.Array) -> bool:
    return bool(pc.any(flags).as_py())


def _fits(column: pa.Array, kind: pa.DataType) -> bool:
    if kind == pa.bool_():
        words = pc.utf8_lower(pc.utf8_trim_whitespace(column)).drop_null()
        return pc.all(pc.is_in(words, value_set=pa.array(["true", "false"]))).as_py()
    try:
        pc.cast(column, kind)
    except pa.ArrowInvalid:
        # The CSV converters allow blanks around numbers; casts do not.
        padded = pc.utf8_trim_whitespace(column)
        return kind not in _INSTANTS and not padded.equals(column) and _fits(padded, kind)
    return True
