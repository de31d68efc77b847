"""The KFP interface of resolve_baseline."""

from kfp import dsl
from kfp.dsl import Input, Model, Output, OutputPath

from penstock.components.container import container, never_cached


@never_cached
@dsl.container_component
def resolve_baseline(
    baseline: Output[Model],
    version: OutputPath(str),
    model_name: str,
    candidate: Input[Model] = None,
    alias: str = "champion",
    on_broken_baseline: str = "fail",
    tracking_uri: str = "",
    registry_uri: str = "",
):
    """Finds the Baseline: the registered model that the alias points to. The result may be that there is none.

    A model is never compared with itself. If the alias points to the candidate's own bytes (a rerun), the Baseline is the model
    that the candidate's blessing was based on.

    Args:
        baseline: The Baseline's SavedModel. If there is no Baseline, the folder contains only `NO_BASELINE.txt`, and `reason`
            in the metadata gives the reason.
        version: The Baseline's version in the registry. Empty if there is no Baseline.
        model_name: The name of the registered model.
        candidate: The model that evaluate_model will compare with the Baseline. None: the alias alone counts.
        alias: The alias of the model in production.
        on_broken_baseline: The behavior if the files of the Baseline are missing, changed or do not load: `fail`, or `ignore`
            to record the error and continue without a Baseline.
        tracking_uri: URI of MLflow's tracking server. Empty: `MLFLOW_TRACKING_URI`.
        registry_uri: URI of the model registry: MLflow's, or `vertex://PROJECT/LOCATION`. Empty: the tracking server's.
    """
    return container("deploy", "resolve_baseline")
