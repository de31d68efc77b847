"""YAML that stands for too much, or for nothing, in every file that the commands read: one line."""

import time

import pytest
import yaml

from penstock.spec.yaml_text import load_document, load_documents

from ..pipelines import compiled, gate

LAUGHS = "a0: &a0 [lol, lol]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
MERGES = "a0: &a0 {x: 1}\n" + "".join(f"a{n}: &a{n} {{{', '.join(f'k{m}: *a{n - 1}' for m in range(9))}}}\n" for n in range(1, 12))
HOSTILE = {
    "laughs": LAUGHS,
    "mappings": MERGES,
    "nested": "[" * 50_000,
    "nested mappings": '{"a":' * 50_000,
    "nested and closed": "[" * 500 + "]" * 500,
    "circle": "a: &a [*a]",
    "no date": "a: 2024-13-99",
    "no number": "a: !!int x",
    "no value": "a: !!float []",
    "tag": "a: !!python/object/apply:os.system ['touch ran']",
    "unhashable": "? [a]\n: b",
    "character": "a: \x07",
    "twice": "a: 1\nb: 2\na: 3",
    "twice, deep": "- x: {a: {b: 1}, c: [a], a: 2}",
    "twice, written in two ways": "'a': 1\na: 2",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_is_refused_at_once(name):
    started = time.monotonic()
    with pytest.raises(yaml.YAMLError):
        load_documents(HOSTILE[name])
    assert time.monotonic() - started < 10


def test_the_same_name_in_two_places_is_no_crime():
    assert load_document("a: {a: a, b: a}\nb: [{a: 1}, {a: 2}, a, a]")["b"] == [{"a": 1}, {"a": 2}, "a", "a"]
    assert load_document("a: &a {x: 1}\nb: {<<: *a, x: 2}\nc: {<<: *a, <<: {y: 1}}")["b"] == {"x": 2}
    assert len(load_documents("a: 1\n---\na: 1")) == 2


def test_anchors_are_no_crime():
    assert load_document("a: &a [1, 2]\nb: *a\nc: {<<: &m {x: 1}, y: 2}") == {"a": [1, 2], "b": [1, 2], "c": {"x": 1, "y": 2}}
    assert load_documents("&a x\n---\n- &a y\n- *a") == ["x", ["y", "y"]]
    with pytest.raises(yaml.YAMLError, match="more than one document"):
        load_document("a: 1\n---\nb: 2")


@pytest.mark.parametrize("name", ["laughs", "nested", "no date", "tag"])
def test_every_command_says_so_in_one_line(penstock, tmp_path, name):
    (tmp_path / "hostile.yaml").write_text(HOSTILE[name])
    (tmp_path / "penstock.toml").write_text('[contexts.kubeflow]\ntarget = "kubeflow"\nhost = "http://127.0.0.1:1"\n')
    pipeline = compiled(gate, tmp_path)
    for words in (
        ("run", "hostile.yaml"),
        ("lint", "hostile.yaml"),
        ("run", pipeline, "--params", "hostile.yaml"),
        ("submit", pipeline, "--target", "kubeflow", "-p", "folder=x", "--platform", "hostile.yaml", "--dry-run"),
    ):
        done = penstock(*words)
        assert done.returncode == 2, (words, done.stderr)
        assert done.stderr.startswith("error: ")
        assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "ran").exists()


def test_a_hostile_context_is_one_line(penstock, tmp_path):
    (tmp_path / "penstock.toml").write_text("a = " + "[" * 50_000)
    done = penstock("runs", "list", "--target", "kubeflow")
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), done.stderr
    assert "penstock.toml" in done.stderr


def test_what_a_person_types_has_the_numbers_of_yaml_1_2_and_dates_are_text():
    typed = "rate: 1e-4\nfew: 1.5\nwhole: -3\nday: 2013-12-01\nat: 2013-12-01 10:00:00\nclock: 12:30\npostal: 01234\nnested: {rates: [1e-7, +1E3, .5]}\nyes: true"
    assert load_document(typed) == {
        "rate": 1e-4,
        "few": 1.5,
        "whole": -3,
        "day": "2013-12-01",
        "at": "2013-12-01 10:00:00",
        "clock": "12:30",
        "postal": "01234",
        "nested": {"rates": [1e-7, 1000.0, 0.5]},
        True: True,
    }


def test_what_a_program_has_written_is_read_as_it_was_written():
    written = {"text": "1e-4", "number": 1e-7, "day": "2013-12-01", "clock": "12:30"}
    assert load_documents(yaml.safe_dump(written)) == [written]
