"""The KFP interface of push_model."""

from kfp import dsl
from kfp.dsl import Artifact, Input, Model, Output, OutputPath

from penstock.components.container import container, never_cached


@never_cached
@dsl.container_component
def push_model(
    model: Input[Model],
    evaluation: Input[Artifact],
    serving_check: Input[Artifact],
    pushed_model: Output[Artifact],
    outcome: OutputPath(str),
    url: OutputPath(str),
    destination: str,
    model_name: str,
    model_version: str = "",
    strategy: str = "replace",
    traffic_steps: list = [5, 25, 50, 100],  # noqa: B006 - kfp reads it, nobody changes it
    bake_seconds: int = 60,
    keep_warm_seconds: int = 0,
    max_latency_ms: float = 0.0,
    max_model_mb: int = 0,
    allow_stale_baseline: bool = False,
    serving_options: dict = {},  # noqa: B006
    champion_alias: str = "champion",
    previous_alias: str = "previous",
    tracking_uri: str = "",
    registry_uri: str = "",
):
    """Pushes a blessed and checked model to where it serves, step by step, and rolls back if a step goes wrong.

    Args:
        model: The model to push.
        evaluation: Its Evaluation: `blessing.json` must bless exactly these bytes, against the model that serves now.
        serving_check: Its serving check, which must have passed: `probe.json` holds the requests whose answers are checked.
        pushed_model: The receipt: `receipt.json` with the outcome, the URL, the fingerprint, the rollback point and every step.
        outcome: `pushed`, `already_serving`, `shadowing` or `rolled_back`.
        url: The URL that answers predictions.
        destination: Where to: `local://DIR?port=8501` (a model server on this machine), `kserve://NAMESPACE/NAME?mode=standard` (or
            `knative`; without it as the cluster has it), `vertex://PROJECT/LOCATION/ENDPOINT` (an ID, or a display name).
        model_name: The name under which the model is served and registered.
        model_version: Its version in the registry, from register_model. Empty: the registry is left alone.
        strategy: `replace` (staged, probed, then all traffic at once), `canary` (in traffic_steps), `blue_green` (as replace, and the
            old one is kept warm) or `shadow` (a copy of the traffic, answers to nobody, until somebody promotes it).
        traffic_steps: The canary's shares of the traffic in percent; they rise to 100.
        bake_seconds: For how long each canary step, or the shadow, is watched.
        keep_warm_seconds: For how long the old model is kept ready, and the new one watched, once it has all traffic. Until then a rollback takes
            seconds; afterwards as long as the old model needs to start again.
        max_latency_ms: The longest that a probe may take, in milliseconds. 0: no limit.
        max_model_mb: The largest model that may be pushed, in MiB. 0: no limit.
        allow_stale_baseline: Whether to push although the model that serves now is not the one that this one was compared with.
        serving_options: How to serve it. KServe: `cpu`, `memory`, `gpu`, `min_replicas`, `max_replicas`, `scale_target`,
            `scale_metric`, `logger_url`, `service_account`, `runtime`, `image`. Vertex AI: `machine_type`, `accelerator_type`,
            `accelerator_count`, `min_replicas`, `max_replicas`, `scale_target`, `service_account`, `image`. `image` is a copy of
            Penstock's serve image where the destination can pull it; without one Vertex AI runs its prebuilt TensorFlow container.
            Wherever Penstock's server runs: `prediction_log` (a bucket, or for `local://` a folder: some of the requests and answers are
            kept there) and `prediction_log_sample` (their share, 0 to 1; 0.1 if not given).
        champion_alias: The alias of the version that serves.
        previous_alias: The alias that the former champion keeps.
        tracking_uri: MLflow's tracking server. Empty: `MLFLOW_TRACKING_URI`.
        registry_uri: The model registry: MLflow's, or `vertex://PROJECT/LOCATION`. Empty: the tracking server's.
    """
    return container("deploy", "push_model")
