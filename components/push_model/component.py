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
    traffic_steps: list = [5, 25, 50, 100],  # noqa: B006 - kfp reads the default, and nothing changes it
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
    """Pushes a blessed and checked model to its destination step by step, and rolls back if a step fails.

    Args:
        model: The model to push.
        evaluation: The Evaluation of the model. Its `blessing.json` must bless exactly these bytes, in comparison with the
            model that serves now.
        serving_check: The serving check of the model, which must have passed. Its `probe.json` contains the requests and the
            expected answers.
        pushed_model: The receipt: `receipt.json` with the outcome, the URL, the fingerprint, the rollback point and every step.
        outcome: `pushed`, `already_serving`, `shadowing` or `rolled_back`.
        url: The URL for predictions.
        destination: The destination: `local://DIR?port=8501` (a model server on this machine),
            `kserve://NAMESPACE/NAME?mode=standard` (or `knative`; without a mode, the cluster's default) or
            `vertex://PROJECT/LOCATION/ENDPOINT` (an ID or a display name).
        model_name: The name under which the model is served and registered.
        model_version: The version in the registry, from register_model. Empty: the task does not change the registry.
        strategy: `replace` (stage and probe the model, then give it all traffic), `canary` (increase its traffic in
            `traffic_steps`), `blue_green` (like `replace`, and keep the old model warm) or `shadow` (give it a copy of the
            traffic until you promote it; it answers no client).
        traffic_steps: The canary's shares of the traffic in percent, in increasing order up to 100.
        bake_seconds: Seconds to watch each canary step or the shadow.
        keep_warm_seconds: Seconds to keep the old model ready and watch the new one after it has all traffic. During this time
            a rollback takes seconds; later, the old model must start again.
        max_latency_ms: Maximum latency of a probe request in milliseconds. 0: no limit.
        max_model_mb: Maximum size of the model in MiB. 0: no limit.
        allow_stale_baseline: Whether to push even if the model that serves now is not the Baseline of the evaluation.
        serving_options: Options for the model server. KServe: `cpu`, `memory`, `gpu`, `min_replicas`, `max_replicas`,
            `scale_target`, `scale_metric`, `logger_url`, `service_account`, `runtime`, `image`. Vertex AI: `machine_type`,
            `accelerator_type`, `accelerator_count`, `min_replicas`, `max_replicas`, `scale_target`, `service_account`, `image`.
            `image` is a copy of Penstock's serve image in a registry that the destination can pull from; without it Vertex AI
            runs its prebuilt TensorFlow container. With Penstock's server: `prediction_log` (a bucket, or for `local://` a
            folder, for a sample of requests and answers), `prediction_log_sample` (the share to keep, 0 to 1, default 0.1) and
            `prediction_log_key` (the field of each row that is its id in the log; the model does not see it. Without it the
            server makes ids), `monitoring` (the folder or bucket of monitor_model's figures, which the server shows), and
            `feature_service` (a Feast feature service from whose feature server the server gets the features that requests lack,
            `http://HOST:6566/SERVICE?keys=KEY,KEY&timeout_ms=50&when_away=fail`).
        champion_alias: The alias of the version that serves.
        previous_alias: The alias of the version that served before.
        tracking_uri: URI of MLflow's tracking server. Empty: `MLFLOW_TRACKING_URI`.
        registry_uri: URI of the model registry: MLflow's, or `vertex://PROJECT/LOCATION`. Empty: the tracking server's.
    """
    return container("deploy", "push_model")
