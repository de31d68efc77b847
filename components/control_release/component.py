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
    """Promotes what is staged at a destination, rolls back what serves there, or says what does: by hand what push_model does.

    Args:
        release_state: `state.json`: what serves, what served before, what is staged and with which share of the traffic; for `status`,
            `answering`: the fingerprints that answered when the destination itself was asked.
        outcome: `promoted`, `rolled_back` or `unchanged`.
        url: The URL that answers predictions.
        destination: Where: as push_model takes it.
        action: `promote` (all traffic to the staged model, if its answers are right), `rollback` or `status`,
            which fails if another version answers than the records say, or none.
        model_name: The name under which the model is served, and registered where its release's record does not say under which.
        to: What to roll back to: `previous`, or a fingerprint (or its start) of a version that served there.
        keep_warm_seconds: For how long the model before is kept ready after a promotion, and the new one checked.
        max_latency_ms: The longest that a probe may take, in milliseconds. 0: no limit.
        champion_alias: The alias of the version that serves.
        previous_alias: The alias that the former champion keeps.
        tracking_uri: MLflow's tracking server. Empty: `MLFLOW_TRACKING_URI`.
        registry_uri: The model registry: MLflow's, or `vertex://PROJECT/LOCATION`. Empty: the tracking server's.
    """
    return container("deploy", "control_release")
