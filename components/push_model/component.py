"""The KFP interface of push_model."""

from kfp import dsl
from kfp.dsl import Artifact, Input, Model, Output, OutputPath

from penstock.components.container import container


@dsl.container_component
def push_model(
    model: Input[Model],
    evaluation: Input[Artifact],
    pushed_model: Output[Artifact],
    outcome: OutputPath(str),
    url: OutputPath(str),
    destination: str,
    model_name: str,
    model_version: str = "",
    champion_alias: str = "champion",
    previous_alias: str = "previous",
    tracking_uri: str = "",
):
    """Pushes a blessed model to where it serves: stage, probe, shift, probe again, and roll back if an answer is wrong.

    Args:
        model: The model to push.
        evaluation: Its Evaluation: `blessing.json` must bless exactly these bytes, and `probe.json` holds the requests whose
            answers are checked.
        pushed_model: The receipt: `receipt.json` with the outcome, the URL, the fingerprint, the rollback point and every step.
        outcome: `pushed`, `already_serving` or `rolled_back`.
        url: The URL that answers predictions.
        destination: Where to: `local://DIR?port=8501` (a model server on this machine).
        model_name: The name under which the model is served and registered.
        model_version: Its version in the registry, from register_model. Empty: the registry is left alone.
        champion_alias: The alias that moves to this version once it serves.
        previous_alias: The alias that the former champion keeps.
        tracking_uri: MLflow's tracking server. Empty: `MLFLOW_TRACKING_URI`.
    """
    return container("deploy", "push_model")
