"""Promotes or rolls back a destination, for users without the `penstock` command."""

from kfp import dsl

from penstock.components import control_release


@dsl.pipeline(name="promote-or-rollback")
def promote_or_rollback(
    destination: str,
    action: str,
    model_name: str,
    to: str = "previous",
    keep_warm_seconds: int = 0,
    max_latency_ms: float = 0.0,
    tracking_uri: str = "",
    registry_uri: str = "",
):
    """Promotes the staged model at a destination, rolls the destination back, or reports its state.

    Args:
        destination: The destination, as in push_model.
        action: `promote` gives all traffic to the staged model if its answers are correct. `rollback` returns to an earlier
            model. `status` reports the state, and fails if no model or another model than the recorded one answers.
        model_name: The name under which the model is served. It is also the registered name if the release's record contains
            none.
        to: The target of a rollback: `previous`, or the fingerprint (or its start) of a version that served at the destination.
        keep_warm_seconds: Seconds after a promotion during which the previous model stays ready and the new one is watched.
        max_latency_ms: Maximum latency of a probe request in milliseconds. 0: no limit.
        tracking_uri: URI of MLflow's tracking server. Empty: `MLFLOW_TRACKING_URI`.
        registry_uri: URI of the model registry: MLflow's, or `vertex://PROJECT/LOCATION`. Empty: the tracking server's.
    """
    control_release(
        destination=destination,
        action=action,
        model_name=model_name,
        to=to,
        keep_warm_seconds=keep_warm_seconds,
        max_latency_ms=max_latency_ms,
        tracking_uri=tracking_uri,
        registry_uri=registry_uri,
    )
