"""The page of a search, where there is little to show and where there is much."""

import re
from pathlib import Path
from typing import Any

import pytest

from penstock.components.tune_model.report import write_report
from penstock.components.tune_model.space import read_space
from penstock.components.tune_model.trials import COMPLETED, FAILED, STOPPED, Trial

SPACE = {"rate": {"min": 0.001, "max": 0.1, "log": True}, "layers": [[8], [16, 8]], "a_name_that_is_as_long_as_some_are": [1, 2]}
VALUES = {"rate": 0.01, "layers": [16, 8], "a_name_that_is_as_long_as_some_are": 2}


def trial(number: int, status: str, score: float | None, **known: Any) -> Trial:
    return Trial(number, status, VALUES, score, 1.5, curve=(score,) if score else (), **known)


@pytest.fixture
def page(tmp_path: Path) -> Any:
    """Returns `page(trials)`, the page's text."""

    def write(*trials: Trial) -> str:
        write_report(tmp_path / "report", "val_loss", "min", list(trials), read_space(SPACE, {"wide": True}))
        return (tmp_path / "report").read_text()

    return write


def test_one_trial(page):
    text = page(trial(0, COMPLETED, 0.5), trial(1, FAILED, None, reason="too <large>"))
    assert "2 (1 completed, 1 failed)" in text
    assert "too &lt;large&gt;" in text
    assert "Needs two trials with a score." in text
    assert "Needs 5 trials with a score." in text
    assert "<svg" not in text
    assert "<code>wide</code> true" in text


def test_trials_that_are_equally_good(page):
    failed = trial(0, FAILED, None, reason="no")
    text = page(failed, *(trial(number, COMPLETED, 0.5) for number in range(1, 5)), trial(5, STOPPED, 0.5))
    assert re.findall(r'"number">(\d)</td><td class="(?:good|note|bad)">', text) == ["1", "2", "3", "4", "5", "0"], "failed trials are last"
    assert "Stopped: ended early" in text
    assert "Needs trials with different scores." in text


def test_each_axis_has_its_values(page):
    text = page(trial(0, COMPLETED, 0.25), trial(1, COMPLETED, 0.75))
    shown = re.findall(r">([^<>]+)</text>", text)
    assert {"rate", "layers", "val_loss", "a_name_that_is_…ong_as_some_are"} <= set(shown)
    assert {"0.001", "0.1", "[8]", "[16, 8]", "1", "2", "0.25", "0.75"} <= set(shown)
