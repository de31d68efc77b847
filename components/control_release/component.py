"""The KFP interface of control_release."""

from kfp import dsl
from kfp.dsl import Artifact, Output, OutputPath

from penstock.components.container import container, never_cached


@never_cached
@dsl.container_component
def control_release(
    release_state: Output[Artifact],
    outcome: OutputPath(str),
    url: OutputPath(str),
    destination: str,
    action: str,
    model_name: str,
    to: str = "previous",
    keep_warm_seconds: int = 0,
    max_latency_ms: float = 0.0,
    champion_alias: str = "champion",
    previous_alias: str = "previous",
    tracking_uri: str = "",
    registry_uri: str = "",
):
    """Promotes the staged model at a destination, rolls the destination back, or reports its state.

    Use it for the steps that push_model leaves to you.

    Args:
        release_state: `state.json`: the current model, the previous model, and the staged model with its share of the traffic.
            With `status` it also contains `answering`, the fingerprints of the models that answered requests at the
            destination.
        outcome: `promoted`, `rolled_back` or `unchanged`.
        url: The URL for predictions.
        destination: The destination, as in push_model.
        action: `promote` gives all traffic to the staged model if its answers are correct. `rollback` returns to an earlier
            model. `status` reports the state, and fails if no model or another model than the recorded one answers.
        model_name: The name under which the model is served. It is also the registered name if the release's record contains
            none.
        to: The target of a rollback: `previous`, or the fingerprint (or its start) of a version that served at the destination.
        keep_warm_seconds: Seconds after a promotion during which the previous model stays ready and the new one is watched.
        max_latency_ms: Maximum latency of a probe request in milliseconds. 0: no limit.
        champion_alias: The alias of the version that serves.
        previous_alias: The alias of the version that served before.
        tracking_uri: URI of MLflow's tracking server. Empty: `MLFLOW_TRACKING_URI`.
        registry_uri: URI of the model registry: MLflow's, or `vertex://PROJECT/LOCATION`. Empty: the tracking server's.
    """
    return container("deploy", "control_release")
