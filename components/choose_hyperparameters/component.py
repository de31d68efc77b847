"""The KFP interface of choose_hyperparameters."""

from kfp import dsl
from kfp.dsl import OutputPath

from penstock.components.container import container


@dsl.container_component
def choose_hyperparameters(
    chosen: OutputPath(dict),
    hyperparameters: dict = {},  # noqa: B006 - kfp reads the default, and nothing changes it
    candidates: list = [],  # noqa: B006
    scores: list = [],  # noqa: B006
    directions: list = [],  # noqa: B006
):
    """Chooses the best hyperparameters of several searches, or passes on the given ones.

    A pipeline collects the outputs of tune_model from a loop over shards. Its branch without a search ends with this task too, so
    that `dsl.OneOf` gives train_model the hyperparameters of either.

    Args:
        chosen: The candidate with the best score. Without candidates: `hyperparameters`.
        hyperparameters: The hyperparameters of a pipeline that does not search.
        candidates: `best_hyperparameters` of each search.
        scores: `best_score` of each search, in the same order.
        directions: `best_direction` of each search, in the same order. All must be the same.
    """
    return container("deploy", "choose_hyperparameters")
