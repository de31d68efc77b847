"""What a task logs: levels, times, and figures that readers of the log find again."""

import re

import pytest

from penstock.components.protocol.marks import figure_in

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
STAMP = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} ")


@pytest.mark.parametrize(
    ("level", "ours", "libraries"),
    [(None, "INFO", "WARNING"), ("debug", "DEBUG", "INFO"), ("WARNING", "WARNING", "WARNING"), ("ERROR", "ERROR", "ERROR")],
)
def test_a_level_says_from_where_on_it_is_logged(toy, monkeypatch, level, ours, libraries):
    if level:
        monkeypatch.setenv("PENSTOCK_LOG_LEVEL", level)
    code, out, err = toy.run("log")
    assert code == 0
    lines = [STAMP.sub("", line, count=1) for line in err.splitlines() if STAMP.match(line)]
    assert len(lines) == len(err.splitlines()), "each line has its time"
    for name, least in (("penstock.toy", ours), ("library", libraries)):
        assert [line for line in lines if f" {name}: " in line] == [
            f"{level} {name}: {level} of {name}" for level in LEVELS[LEVELS.index(least) :]
        ]
    assert [figure_in(line) for line in out.splitlines()[:2]] == ["half way", "done"], "no level leaves a figure out"
    assert ("toy took" in err) == (level == "debug")


def test_a_level_that_is_none_is_one_line(toy, monkeypatch):
    monkeypatch.setenv("PENSTOCK_LOG_LEVEL", "loud")
    code, _, err = toy.run("well")
    assert (code, err) == (1, "error: PENSTOCK_LOG_LEVEL is 'LOUD', which is not a level; set it to DEBUG, INFO, WARNING or ERROR\n")


@pytest.mark.parametrize(
    ("line", "figure"),
    [
        ("2026-11-29 09:19:16,275 INFO [penstock] 2,000 rows\n", "2,000 rows"),
        ("[penstock] 2,000 rows", "2,000 rows"),  # of 0.1.0
        ("[penstock-outputs] {}", None),
        ("said [penstock] 2,000 rows", None),
        ("2026-11-29 09:19:16,275 INFO library: [penstock] 2,000 rows", None),
    ],
)
def test_a_figure_is_found_in_its_line(line, figure):
    assert figure_in(line) == figure
