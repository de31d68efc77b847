"""The shapes of values in a settings file, as pydantic's types, and errors that name the place, the mistake and the correction."""

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Tag, TypeAdapter, ValidationError, model_validator

from ..errors import UserError
from ..spec.pipeline_file import did_you_mean

# In a place, pydantic names the form of a value beside its key.
_SHORT, _FULL, _KEY = "short form", "full form", "[key]"
_MAPPING = "must be `name: value` lines"
_QUOTED = r"'(.+?)'"
_WORDS = {
    "string_type": "must be text in quotes",
    "int_type": "must be a whole number",
    "bool_type": "must be true or false",
    "list_type": "must be a list",
    "dict_type": _MAPPING,
    "invalid-json-value": "must be a JSON value (text, number, true, false, or a list or mapping of these)",
}

SHORT, FULL = Tag(_SHORT), Tag(_FULL)
# The default of what may be left out. Only what is given is read.
NOT_GIVEN: Any = None
# Of a union: a mapping is the full form.
EITHER = Discriminator(lambda value: _FULL if isinstance(value, dict) else _SHORT)


class Record(BaseModel):
    """A mapping with certain keys."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _check_keys(cls, value: Any) -> Any:
        known = list(cls.model_fields)
        if not isinstance(value, dict):
            raise ValueError(f"{_MAPPING} of {', '.join(known)}, not {value!r}")
        for key in value:
            if key not in known:
                raise ValueError(f"has no setting {key}{did_you_mean(str(key), known)}")
        return value


def form(holds: Callable[[str], bool], words: str) -> BeforeValidator:
    """Returns what makes sure that something holds of a text; `words` say what the text must be."""

    return _required(lambda value: isinstance(value, str) and holds(value), words)


def number(holds: Callable[[float], bool], words: str) -> BeforeValidator:
    """Returns what makes sure that something holds of a finite number; `words` say what the number must be."""
    return _required(
        lambda value: isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and holds(value), words
    )


def _required(holds: Callable[[Any], bool], words: str) -> BeforeValidator:
    def check_value(value: Any) -> Any:
        if not holds(value):
            raise ValueError(f"must be {words}, not {value!r}")
        return value

    return BeforeValidator(check_value)


def check(value: Any, shape: Any, where: str = "") -> None:
    """Checks a value of a settings file.

    Args:
        value: The value.
        shape: Its type, as pydantic takes it.
        where: The keys that lead to the value.

    Raises:
        UserError: The value is not of that type.
    """
    try:
        TypeAdapter(shape).validate_python(value, strict=True)
    except ValidationError as error:
        raise UserError(_sentence(error.errors(include_url=False)[0], where)) from error


def _sentence(error: Mapping[str, Any], where: str) -> str:
    kind, place = error["type"], error["loc"]
    if kind == "missing":
        return f"{_place(where, place[:-1])} lacks {place[-1]}"
    if kind == "value_error":
        return f"{_place(where, place)} {error['ctx']['error']}"
    words = _WORDS.get(kind, error["msg"])
    if kind == "literal_error":  # 'Exists' or 'Equal'
        words = f"must be one of {', '.join(re.findall(_QUOTED, error['ctx']['expected']))}"
    return f"{_place(where, place)} {words}, not {error['input']!r}"


def _place(where: str, parts: tuple[int | str, ...]) -> str:
    """Returns the place of a value: `tasks.train.tolerations[0].operator`."""
    for number, part in enumerate(parts):
        if part in (_SHORT, _FULL, _KEY):
            continue
        if isinstance(part, int) and parts[number + 1 : number + 2] != (_KEY,):
            where += f"[{part}]"
        else:
            where += f".{part}" if where else str(part)
    return where or "the file"
