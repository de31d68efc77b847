"""What passes between tasks arrives as it was sent, whichever backend has it in its hands."""

import json
from pathlib import Path
from typing import Any

import pytest

from penstock.components.protocol.values import encode

from ..pipelines import VALUES, passing
from .person import Person

SENT = json.dumps(encode(VALUES, structured=True))


def taken(folder: Path) -> dict[str, Any]:
    """Returns what the second task got, without what a backend adds."""
    found = json.loads((folder / "taken.json").read_text())
    metadata = {name: value for name, value in found["metadata"].items() if name in VALUES}
    return found | {"metadata": metadata}


WANTED = {"metadata": VALUES, "text": VALUES["dollars"], "values": VALUES, "items": [VALUES["emoji"], VALUES["large"]]}


def test_values_arrive_as_they_were_sent_elsewhere(person: Person, backend: Any):
    done = person.submits(passing, "--wait", "--context", backend.name, values=SENT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert taken(person.folder) == WANTED


def test_values_arrive_as_they_were_sent_here(person: Person):
    done = person.runs(passing, values=SENT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert taken(person.folder) == WANTED


@pytest.mark.parametrize("name", VALUES)
def test_what_travels_is_safe(name: str):
    """On its way it has nothing that a backend expands, drops or cannot store; and it comes back."""
    from penstock.components.protocol.values import SUBSTITUTED, decode_metadata, encode_metadata

    travels = encode_metadata({name: VALUES[name]})
    text = json.dumps(travels, ensure_ascii=False)
    assert not any(mark in text for mark in SUBSTITUTED)
    assert max(text) <= "\uffff"
    assert all(type(value) in (str, int, float) for value in travels.values())
    assert decode_metadata(travels) == {name: VALUES[name]}
