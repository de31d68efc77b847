"""The KFP interface of choose_response."""

from kfp import dsl
from kfp.dsl import Artifact, Input, OutputPath

from penstock.components.container import container


@dsl.container_component
def choose_response(
    monitoring: Input[Artifact],
    response: OutputPath(str),
    on_degraded: str = "alert",
    on_drifted: str = "alert",
):
    """Chooses what follows from a monitoring: nothing, an alert, a rollback or a training.

    | Verdict | Response |
    |---|---|
    | `ok` | `none` |
    | `degraded` | `on_degraded`. `rollback` only if the predecessor is better on the same labeled rows, else `alert`. `retrain` only if no feature is skewed, else `alert`. |
    | `drifted` | `on_drifted` |
    | `skewed` | `alert`: correct what is served; a training does not. |
    | `not_enough_data`, `no_data` | `alert` |

    An alert starts no task. Prometheus raises it from the figures of monitor_model.

    Args:
        monitoring: The monitoring of monitor_model.
        response: `none`, `alert`, `rollback` or `retrain`.
        on_degraded: `alert`, `rollback` or `retrain`.
        on_drifted: `alert` or `retrain`.
    """
    return container("deploy", "choose_response")
