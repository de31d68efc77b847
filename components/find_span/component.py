"""The KFP interface of find_span."""

from kfp import dsl
from kfp.dsl import OutputPath

from penstock.components.container import container, never_cached


@never_cached
@dsl.container_component
def find_span(
    span: OutputPath(str),
    is_new: OutputPath(str),
    input_uri: str,
    marker: str = "",
    settled_minutes: float = 60.0,
    trained_span: str = "",
    model_name: str = "",
    alias: str = "champion",
    tracking_uri: str = "",
    registry_uri: str = "",
):
    """Finds the latest complete Span of the data, and whether the model that serves has seen it.

    A Span is complete if its marker exists. Without a marker, it is complete if none of its files has changed for `settled_minutes`.
    Spans that are incomplete are passed over.

    Args:
        span: The latest complete Span; empty if there is none.
        is_new: `true` if the Span is later than the one that the model has seen, else `false`.
        input_uri: The pattern of the files, with `{SPAN}` or `{YYYY}`, `{MM}` and `{DD}`, as in ingest_examples.
        marker: The name of the file that is written when a Span is complete, such as `_SUCCESS`, in the folder of the Span's
            files. Empty: none.
        settled_minutes: Minutes without a change after which a Span without a marker is complete.
        trained_span: The Span that the model has seen. Empty: the one in the registry, or none without `model_name`.
        model_name: The name of the registered model.
        alias: The alias of the model that serves.
        tracking_uri: URI of MLflow's tracking server. Empty: `MLFLOW_TRACKING_URI`.
        registry_uri: URI of the model registry: MLflow's, or `vertex://PROJECT/LOCATION`. Empty: the tracking server's.
    """
    return container("deploy", "find_span")
