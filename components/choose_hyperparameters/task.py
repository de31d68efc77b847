"""Chooses the best hyperparameters of several searches."""

from typing import NamedTuple

from penstock.components.protocol import TaskError, figure


class Outputs(NamedTuple):
    """The output parameters of choose_hyperparameters."""

    chosen: dict


def choose_hyperparameters(
    hyperparameters: dict = {},  # noqa: B006 - only read
    candidates: list = [],  # noqa: B006
    scores: list = [],  # noqa: B006
    directions: list = [],  # noqa: B006
) -> Outputs:
    """Chooses; the interface's docstring says what the parameters mean.

    Raises:
        TaskError: The lists do not belong together.
    """
    if not len(candidates) == len(scores) == len(directions):
        raise TaskError(
            f"there are {len(candidates)} candidates, {len(scores)} scores and {len(directions)} directions; collect all three from one loop"
        )
    if not candidates:
        figure("hyperparameters as given")
        return Outputs(hyperparameters)
    if set(directions) not in ({"min"}, {"max"}):
        raise TaskError(
            f"directions are {', '.join(sorted(map(repr, directions)))}; all searches must have the direction 'min', or all 'max'"
        )
    best = (min if directions[0] == "min" else max)(range(len(scores)), key=scores.__getitem__)
    figure(f"score {scores[best]:.4f}, the best of {len(candidates)} searches")
    return Outputs(candidates[best])
