"""What is stored can grow: what a newer version has added is kept, what cannot be read is one line."""

import json
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from penstock.components.data import stored
from penstock.components.data.stored import Malformed, Stored, TooNew

FUTURE = {
    "name": "a",
    "tomorrow": {"deep": [1, None]},
    "unknown": "a key like any other",
    "before": [{"name": "b", "tomorrow": 1}],
    "beside": {"name": "c", "tomorrow": 0, "before": [{"name": "d", "tomorrow": ""}]},
    "probe": {"tomorrow": True},
}


@dataclass(frozen=True)
class Toy(Stored):
    """Something that is stored."""

    name: str
    count: int = 0
    share: float = 0.0
    sizes: dict[str, int | str] = field(default_factory=dict)
    probe: dict[str, Any] = field(default_factory=dict)
    before: "tuple[Toy, ...]" = ()
    beside: "Toy | None" = None


def read(text: str | bytes) -> Toy:
    return stored.load_as(Toy, text, "the toy /x", "correct it")


def _kept(wanted: object, found: object) -> bool:
    """Tells whether everything that is wanted is in what was found."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        return all(key in found and _kept(value, found[key]) for key, value in wanted.items())
    if isinstance(wanted, list) and isinstance(found, list):
        return len(wanted) == len(found) and all(_kept(*pair) for pair in zip(wanted, found, strict=True))
    return wanted == found


def test_what_a_newer_version_added_comes_back_wherever_it_stood():
    known = read(json.dumps({"schema": 1} | FUTURE))
    assert (known.name, known.before[0].name, known.beside.before[0].name) == ("a", "b", "d")
    again = json.loads(stored.dump(replace(known, count=3)))
    assert _kept({"schema": 1, "count": 3} | FUTURE, again)


def test_what_is_missing_has_its_default_and_what_has_no_number_is_the_first_schema():
    assert read('{"name": "a", "share": 1}') == Toy("a", share=1)
    assert json.loads(stored.dump(Toy("a")))["schema"] == 1


def test_what_takes_the_place_of_something_keeps_its_unknown_keys():
    before = read(json.dumps(FUTURE))
    assert json.loads(stored.dump(stored.growing(Toy("new"), before)))["tomorrow"] == FUTURE["tomorrow"]
    assert stored.growing(Toy("new"), None) == Toy("new")


def test_a_schema_that_is_too_new_asks_for_an_upgrade():
    with pytest.raises(TooNew, match=r"the toy /x has schema 2, but this version of Penstock supports only 1; .*: upgrade Penstock"):
        read('{"schema": 2, "name": ["another", "shape"]}')


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        '{"name": "a"',
        "null",
        "[]",
        "3",
        b"\xff\xfe\xff",
        "[" * 100_000,
        '{"name": ' + "9" * 5000 + "}",
        "{}",
        '{"name": null}',
        '{"name": "a", "count": "1"}',
        '{"name": "a", "count": true}',
        '{"name": "a", "share": "1"}',
        '{"name": "a", "sizes": {"x": null}}',
        '{"name": "a", "sizes": []}',
        '{"name": "a", "before": {}}',
        '{"name": "a", "before": ["b"]}',
        '{"name": "a", "before": [{"count": 1}]}',
        '{"name": "a", "beside": {"name": 1}}',
        '{"name": "a", "schema": "1"}',
        '{"name": "a", "schema": null}',
        '{"name": "a", "schema": 0}',
    ],
)
def test_what_cannot_be_read_is_one_line(text: str | bytes):
    with pytest.raises(Malformed, match=r"^the toy /x .*; correct it$") as error:
        read(text)
    assert "\n" not in str(error.value)
