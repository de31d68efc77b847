"""What KServe's annotations and Vertex AI's descriptions keep of releases: read back, cut to size, and refused where they are none."""

import json
from typing import Any

import pytest
from google.cloud.aiplatform_v1.types import Endpoint, Model

from penstock.components.protocol import TaskError
from penstock.components.release.destinations.kserve import record as kserve_record
from penstock.components.release.destinations.kserve.record import RECORD, KServeVersion
from penstock.components.release.destinations.vertex import record as vertex_record
from penstock.components.release.destinations.vertex.models import Note, read_note

NONE = ["", "{", "null", "[]", '{"uri": "gs://models/a", "history": {}}', '{"uri": "gs://models/a", "schema": 2}']
NO_RECORDS = [
    '{"schema": 2}',
    "",
    "{",
    "null",
    "[]",
    '{"serving": 1}',
    '{"history": [null]}',
    '{"split": {"1": "all"}}',
    '{"candidate": {}}',
]


def predictor(uri: str, **fields: Any) -> dict[str, Any]:
    return {"containers": [{"name": "kserve-container", "env": [{"name": "STORAGE_URI", "value": uri}]}]} | fields


def test_an_annotation_has_as_much_of_the_history_as_there_is_room_for():
    large = {"annotations": {"team": "x" * (40 << 10)}}
    history = tuple(
        KServeVersion(predictor(f"gs://models/{number}", **large), str(number), uri=f"gs://models/{number}") for number in range(10)
    )
    written = kserve_record.write_version(KServeVersion(predictor("gs://models/a"), "a", uri="gs://models/a", history=history))
    assert len(written["annotations"][RECORD]) < 200 << 10
    again = kserve_record.read_version(written)
    assert again.history == history[: len(again.history)]
    assert len(again.history) == 4


@pytest.mark.parametrize("text", NONE)
def test_an_annotation_that_is_none(text: str):
    with pytest.raises(TaskError, match=r"^the predictor's annotation penstock.dev/record ") as error:
        kserve_record.read_version(predictor("gs://models/a", annotations={RECORD: text}))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", NO_RECORDS)
def test_a_description_that_is_none(text: str):
    endpoint = Endpoint(name="endpoints/flights", description=f"for the dashboards\npenstock: {text}")
    with pytest.raises(TaskError, match=r"^the record in the last line of the description of endpoints/flights ") as error:
        vertex_record.read_record(endpoint)
    assert "\n" not in str(error.value)


def test_a_description_from_elsewhere_is_no_note_and_one_of_a_newer_version_is_refused():
    for text in ("", "for the dashboards", "[]", '{"owner": "another"}'):
        assert read_note(Model(version_description=text)) == Note()
    for note, message in (({"schema": 2, "fingerprint": []}, "upgrade Penstock"), ({"fingerprint": 1}, "not of type str")):
        with pytest.raises(TaskError, match=message):
            read_note(Model(name="models/flights", version_id="3", version_description=json.dumps(note)))
