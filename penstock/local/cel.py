"""The subset of CEL that the KFP compiler writes into conditions: parsed here, and computed as Kubeflow's CEL computes it.

    condition  := and ("||" and)*
    and        := comparison ("&&" comparison)*
    comparison := operand (("==" | "!=" | "<" | "<=" | ">" | ">=") operand)?
    operand    := "!" operand | "(" condition ")" | ("int" | "double") "(" condition ")" | value
    value      := inputs.parameter_values['NAME'] | 'text' | "text" | 1 | -1.5 | true | false | null

A condition is untrusted text: it is never passed to Python, and its size and depth are limited.
"""

import math
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

_LONGEST = 100_000  # characters, as cel-go has it
_DEEPEST = 30
_INT64 = 1 << 63
_TOKENS = re.compile(
    r"""\s*(?:
    inputs\s*\.\s*parameter_values\s*\[\s*(?P<input>'(?:\\.|[^'\\\r\n])*'|"(?:\\.|[^"\\\r\n])*")\s*\]
    |(?P<text>'(?:\\.|[^'\\\r\n])*'|"(?:\\.|[^"\\\r\n])*")
    |(?P<double>-?(?:[0-9]+\.[0-9]+(?:[eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+))(?![\w.])
    |(?P<int>-?[0-9]+)(?![\w.])
    |(?P<word>[A-Za-z_]\w*)
    |(?P<sign>&&|\|\||==|!=|<=|>=|[<>!()])
    )""",
    re.VERBOSE | re.ASCII,
)
_ESCAPES = re.compile(r"""\\(?:([abfnrtv\\?"'`])|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2})|(.))""", re.DOTALL)
_NAMED = dict(zip("abfnrtv", "\a\b\f\n\r\t\v", strict=True))
_CONSTANTS = {"true": True, "false": False, "null": None}
_ORDERS: dict[str, Callable[[Any, Any], bool]] = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}

_Values = Mapping[str, Any]
_Expression = Callable[[_Values], Any]


class CelError(ValueError):
    """What cannot be parsed or computed."""


def parse(text: str) -> _Expression:
    """Parses a condition.

    Returns:
        What computes it: called with the inputs' values by name, it returns the result or raises `CelError`.

    Raises:
        CelError: It is not in the subset.
    """
    if len(text) > _LONGEST:
        raise CelError(f"it is longer than {_LONGEST} characters")
    parser = _Parser(_tokens(text))
    expression = parser.condition()
    if parser.kind:
        raise CelError(f"{parser.value!r} is unexpected")
    return expression


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    at, end = 0, len(text.rstrip())
    while at < end:
        token = _TOKENS.match(text, at)
        if token is None:
            raise CelError(f"{text[at : at + 20].strip()!r} is not valid CEL")
        assert token.lastgroup
        yield token.lastgroup, token[token.lastgroup]
        at = token.end()


class _Parser:
    """Descends through a condition, one token ahead.

    Attributes:
        kind: The next token's kind; empty at the end.
        value: The next token.
    """

    def __init__(self, tokens: Iterator[tuple[str, str]]) -> None:
        self._tokens = tokens
        self._depth = 0
        self._advance()

    def _advance(self) -> str:
        taken = getattr(self, "value", "")
        self.kind, self.value = next(self._tokens, ("", "the end"))
        return taken

    def _take(self, *signs: str) -> str:
        """Takes the next token if it is one of these; returns it, or nothing."""
        return self._advance() if self.kind == "sign" and self.value in signs else ""

    def condition(self) -> _Expression:
        return self._chain("||", True, lambda: self._chain("&&", False, self._comparison))

    def _chain(self, sign: str, decisive: bool, operand: Callable[[], _Expression]) -> _Expression:
        operands = [operand()]
        while self._take(sign):
            operands.append(operand())
        return operands[0] if len(operands) == 1 else lambda values: _decide(operands, decisive, values)

    def _comparison(self) -> _Expression:
        left = self._operand()
        sign = self._take("==", "!=", *_ORDERS)
        if not sign:
            return left
        right = self._operand()
        if sign in _ORDERS:
            return lambda values: _ordered(sign, left(values), right(values))
        return lambda values: _equal(left(values), right(values)) is (sign == "==")

    def _operand(self) -> _Expression:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise CelError(f"it is nested deeper than {_DEEPEST}")
        try:
            return self._nested()
        finally:
            self._depth -= 1

    def _nested(self) -> _Expression:
        if self._take("!"):
            negated = self._operand()
            return lambda values: not _bool(negated(values))
        if self.kind == "sign":
            return self._in_parentheses()
        kind, token = self.kind, self._advance()
        if kind == "input":
            name = _unescape(token)
            return lambda values: _value(name, values)
        if kind == "word" and token in _CONVERSIONS:
            convert, argument = _CONVERSIONS[token], self._in_parentheses()
            return lambda values: convert(argument(values))
        constant = _constant(kind, token)
        return lambda _: constant

    def _in_parentheses(self) -> _Expression:
        self._expect("(")
        inner = self.condition()
        self._expect(")")
        return inner

    def _expect(self, sign: str) -> None:
        if not self._take(sign):
            raise CelError(f"{sign!r} expected, found {self.value!r}")


def _constant(kind: str, token: str) -> Any:
    if kind == "text":
        return _unescape(token)
    if kind == "int":
        return _int(token)
    if kind == "double":
        return float(token)
    if token in _CONSTANTS:
        return _CONSTANTS[token]
    raise CelError(f"{token!r} is unexpected")


def _unescape(quoted: str) -> str:
    def replace(match: re.Match[str]) -> str:
        named, *codes, other = match.groups()
        if other:
            raise CelError(f"\\{other} is not an escape sequence")
        if named:
            return _NAMED.get(named, named)
        code = int(codes[3], 8) if codes[3] else int(next(filter(None, codes)), 16)
        if code > 0x10FFFF or 0xD800 <= code < 0xE000:
            raise CelError(f"{match[0]} is not a character")
        return chr(code)

    return _ESCAPES.sub(replace, quoted[1:-1])


def _value(name: str, values: _Values) -> Any:
    if name not in values:
        raise CelError(f"there is no value {name!r}")
    return values[name]


def _decide(operands: list[_Expression], decisive: bool, values: _Values) -> bool:
    """Computes `&&` (False decides) or `||` (True decides): as in CEL, what decides outweighs what cannot be computed."""
    failed: CelError | None = None
    for operand in operands:
        try:
            if _bool(operand(values)) is decisive:
                return decisive
        except CelError as error:
            failed = failed or error
    if failed:
        raise failed
    return not decisive


def _bool(value: Any) -> bool:
    if not isinstance(value, bool):
        raise CelError(f"{_brief(value)} is neither true nor false")
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _equal(left: Any, right: Any) -> bool:
    """Numbers are equal across types; nothing else is equal to a value of another type."""
    for value in (left, right):
        if isinstance(value, (dict, list)):
            raise CelError(f"{_brief(value)} cannot be compared")
    return (type(left) is type(right) or (_is_number(left) and _is_number(right))) and left == right


def _ordered(sign: str, left: Any, right: Any) -> bool:
    if not ((_is_number(left) and _is_number(right)) or (type(left) is type(right) and isinstance(left, (str, bool)))):
        raise CelError(f"{_brief(left)} and {_brief(right)} cannot be ordered")
    return _ORDERS[sign](left, right)


def _int(value: Any) -> int:
    if isinstance(value, str) and re.fullmatch(r"[+-]?0*[0-9]{1,19}", value, re.ASCII):
        value = int(value)
    elif isinstance(value, float) and math.isfinite(value):
        value = math.trunc(value)
    if isinstance(value, bool) or not isinstance(value, int) or not -_INT64 <= value < _INT64:
        raise CelError(f"{_brief(value)} is not a 64-bit integer")
    return value


def _double(value: Any) -> float:
    try:
        if (isinstance(value, str) and re.fullmatch(r"[+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?", value, re.ASCII)) or _is_number(value):
            return float(value)
    except (ValueError, OverflowError):
        pass
    raise CelError(f"{_brief(value)} is not a number")


_CONVERSIONS: dict[str, Callable[[Any], Any]] = {"int": _int, "double": _double}


def _brief(value: Any) -> str:
    text = repr(value) if isinstance(value, (str, int, float)) or value is None else type(value).__name__
    return text if len(text) <= 60 else f"{text[:60]}..."
