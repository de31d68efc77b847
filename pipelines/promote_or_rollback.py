"""Promoting what is staged at a destination, or rolling back what serves there, where nobody can type `penstock`."""

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
    """Promotes what is staged at a destination, rolls back what serves there, or says what does.

    Args:
        destination: Where: as push_model takes it.
        action: `promote` (all traffic to the staged model, if its answers are right), `rollback` or `status`.
        model_name: The name under which the model is served and registered.
        to: What to roll back to: `previous`, or a fingerprint (or its start) of a version that served there.
        keep_warm_seconds: For how long the model before is kept ready after a promotion, and the new one checked.
        max_latency_ms: The longest that a probe may take, in milliseconds. 0: no limit.
        tracking_uri: MLflow's tracking server. Empty: `MLFLOW_TRACKING_URI`.
        registry_uri: The model registry: MLflow's, or `vertex://PROJECT/LOCATION`. Empty: the tracking server's.
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
