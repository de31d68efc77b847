"""choose_hyperparameters through the command that its container runs."""

import pytest

NAME = "choose_hyperparameters"


@pytest.mark.parametrize(("direction", "best"), [("min", {"x": 2}), ("max", {"x": 1})])
def test_the_best_search_wins(run_task, direction, best):
    given = {"candidates": [{"x": 1}, {"x": 2}, {"x": 3}], "scores": [0.9, 0.1, 0.5], "directions": [direction] * 3}
    assert run_task(NAME, given | {"hyperparameters": {"x": 0}}).parameters["chosen"] == best


def test_without_a_search_the_given_ones_are_passed_on(run_task):
    assert run_task(NAME, {"hyperparameters": {"units": [8, 4], "rate": None}}).parameters["chosen"] == {"units": [8, 4], "rate": None}


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"candidates": [{}], "scores": [], "directions": ["min"]}, "there are 1 candidates, 0 scores and 1 directions"),
        ({"candidates": [{}, {}], "scores": [1, 2], "directions": ["min", "max"]}, "directions are 'max', 'min'"),
        ({"candidates": [{}], "scores": [1], "directions": ["up"]}, "directions are 'up'"),
    ],
)
def test_lists_that_do_not_belong_together_are_an_error(run_task, parameters, says):
    done = run_task(NAME, parameters)
    assert done.code == 1
    assert says in done.error
