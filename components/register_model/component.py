"""The KFP interface of register_model."""

from kfp import dsl
from kfp.dsl import Artifact, Input, Model, OutputPath

from penstock.components.container import container, never_cached


@never_cached
@dsl.container_component
def register_model(
    model: Input[Model],
    evaluation: Input[Artifact],
    serving_check: Input[Artifact],
    version: OutputPath(str),
    model_name: str,
    alias: str = "challenger",
    tracking_run_id: str = "",
    reason: str = "",
    tags: dict = {},  # noqa: B006 - kfp reads the default, and nothing changes it
    tracking_uri: str = "",
    registry_uri: str = "",
):
    """Registers a blessed and checked model as a version in the registry, with its evidence as tags.

    If the same bytes are registered already, the task returns the existing version.

    Args:
        model: The model to register.
        evaluation: The Evaluation of the model. Its `blessing.json` must bless exactly these bytes.
        serving_check: The serving check of the model, which must have passed.
        version: The version in the registry.
        model_name: The name of the registered model. The task creates it if it does not exist.
        alias: The alias for the new version.
        tracking_run_id: The MLflow run that trained the model, for lineage. Empty: none.
        reason: Why the model was trained, such as the verdict of monitor_model, as a tag. Empty: not known.
        tags: Additional tags.
        tracking_uri: URI of MLflow's tracking server. Empty: `MLFLOW_TRACKING_URI`.
        registry_uri: URI of the model registry: MLflow's, or `vertex://PROJECT/LOCATION`. Empty: the tracking server's.
    """
    return container("deploy", "register_model")
