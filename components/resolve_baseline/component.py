"""The KFP interface of resolve_baseline."""

from kfp import dsl
from kfp.dsl import Input, Model, Output, OutputPath

from penstock.components.container import container, never_cached


@never_cached
@dsl.container_component
def resolve_baseline(
    candidate: Input[Model],
    baseline: Output[Model],
    version: OutputPath(str),
    model_name: str,
    alias: str = "champion",
    on_broken_baseline: str = "fail",
    tracking_uri: str = "",
    registry_uri: str = "",
):
    """Finds the Baseline: the registered model that the alias points to. None is a normal answer.

    A model is not compared with itself: where the alias points to the candidate's own bytes (the same run again), the Baseline
    is the one that the candidate was blessed against.

    Args:
        candidate: The model that will be compared.
        baseline: The Baseline's SavedModel. Where there is none, a folder with only `NO_BASELINE.txt`, and the metadata's
            `reason` says why.
        version: The Baseline's version in the registry; empty where there is none.
        model_name: The registered model's name.
        alias: The alias that marks the model in production.
        on_broken_baseline: What to do with a Baseline whose files are gone, changed, or do not load: `fail`, or `ignore` to
            record it and go on as if there were none.
        tracking_uri: MLflow's tracking server. Empty: `MLFLOW_TRACKING_URI`.
        registry_uri: The model registry: MLflow's, or `vertex://PROJECT/LOCATION`. Empty: the tracking server's.
    """
    return container("deploy", "resolve_baseline")
