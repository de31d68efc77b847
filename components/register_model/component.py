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
    tags: dict = {},  # noqa: B006 - kfp reads it, nobody changes it
    tracking_uri: str = "",
    registry_uri: str = "",
):
    """Registers a blessed and checked model as a version in the registry, with its evidence as tags. The same bytes, the same version.

    Args:
        model: The model to register.
        evaluation: Its Evaluation: `blessing.json` must bless exactly these bytes.
        serving_check: Its serving check, which must have passed.
        version: The version in the registry.
        model_name: The registered model's name; made if it is new.
        alias: The alias that the new version gets.
        tracking_run_id: The MLflow run that trained the model, for lineage. Empty: none.
        tags: Further tags.
        tracking_uri: MLflow's tracking server. Empty: `MLFLOW_TRACKING_URI`.
        registry_uri: The model registry: MLflow's, or `vertex://PROJECT/LOCATION`. Empty: the tracking server's.
    """
    return container("deploy", "register_model")
