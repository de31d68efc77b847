"""What a task puts out travels unchanged, and the next task reads what was put out: through the command that a container runs."""

import copy
import json

import pytest

from penstock.components.protocol import values

HOSTILE = {
    "none": None,
    "yes": True,
    "large": 2**53 + 1,
    "list": ["a", 1, None, True, [2**60]],
    "dict": {"train": 2, "eval": {"rows": 1, "none": None}},
    "dollars": "cost: $$5, $(KFP_POD_NAME)",
    "braces": "{{workflow.name}} {{=1+1}} {{$}} {{{",
    "emoji": "\U0001f600 \u00e9",
    "marked": f"{values.MARK}5",
    "$(a)": "a name",
    "share": 0.25,
}


def test_the_next_task_reads_what_was_put_out(toy):
    assert toy.run("values", options=values.encode(HOSTILE, structured=True))[0] == 0
    out = json.dumps(toy.output(), ensure_ascii=False)
    assert not any(mark in out for mark in values.SUBSTITUTED)
    assert max(out) <= "\uffff"
    assert {name: toy.metadata()[name] for name in HOSTILE} == HOSTILE
    word = toy.output()["parameterValues"]["word"]
    assert (toy.root / "parameters" / "word").read_text() == word

    given = toy.input("well", names=[word])
    given["inputs"]["artifacts"] = {"given": toy.output()["artifacts"]["made"]}
    toy.root = toy.root.with_name("run-2")
    again = copy.deepcopy(given)
    again["outputs"] = toy.input("")["outputs"]
    code, _, err = toy.run_spec(again)
    assert (code, err) == (0, "")
    assert toy.metadata()["arguments"][-1] == [HOSTILE["dollars"]]


def test_a_number_that_would_arrive_as_another_one_is_refused(toy):
    """A parameter of type int has no other form."""
    code, _, err = toy.run("count too far")
    assert code == 1
    assert err.endswith("error: output parameter count is 9007199254740993, which would arrive as another number; return it as text\n")
    assert toy.files() == []


@pytest.mark.parametrize("text", [f"{values.MARK}{{", f"{values.MARK}", f"{values.MARK}{'[' * 100_000}"])
def test_text_that_only_looks_encoded_stays(text):
    assert values.decode(text) == text
    assert values.decode(values.encode(text)) == text


def test_kubeflow_s_pages_get_lists_and_dicts_of_classification_metrics():
    drawn = {"confidenceMetrics": [{"confidenceThreshold": 0.5}], "confusionMatrix": {"rows": [{"row": [1, 2]}]}, "none": None, "yes": True}
    travels = values.encode_metadata(drawn, "system.ClassificationMetrics")
    assert travels == drawn | {"none": "penstock-json:null", "yes": "penstock-json:true"}
    assert values.decode_metadata(travels) == drawn


def test_metadata_from_kubeflow_is_read():
    assert values.decode_metadata({"a": {"list": [1.0]}, "b": {"struct": {"c": 2.0}}, "d": {"list": 5}}) == {
        "a": [1],
        "b": {"c": 2},
        "d": {"list": 5},
    }
