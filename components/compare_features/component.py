"""The KFP interface of compare_features."""

from kfp import dsl
from kfp.dsl import HTML, Artifact, Output, OutputPath

from penstock.components.container import container, never_cached


@never_cached
@dsl.container_component
def compare_features(
    feature_skew: Output[Artifact],
    report: Output[HTML],
    rows: OutputPath(int),
    logs: str,
    feature_repository: str,
    feature_service: str,
    model_name: str = "",
    fingerprint: str = "",
    window_start: str = "",
    window_end: str = "",
    window_hours: float = 24.0,
    full_feature_names: bool = False,
    filter_by_created_timestamp: bool = True,
    tolerance: float = 1e-6,
):
    """Compares the features that a model server fetched from an online store with those that retrieve_features gives for the same keys and times.

    A model is trained on the values that were known when each row happened. The server reads what was materialized last. Each row of the
    prediction log names the features that the server fetched (`fetched`). These values are compared, one by one, with the point-in-time
    values of the row's keys at the time when it was served. Null equals null.

    A value that differs is one of these:

    | Kind | Meaning |
    |---|---|
    | `stale` | The key had this value earlier: the online store lags behind, or serves what is older than the TTL of the feature view. |
    | `missing` | Null was served, and a value was known. |
    | `wrong` | The key never had this value in the table. Features that are computed on demand and lists are never `stale`. |

    monitor_model takes the result into its verdict. What cannot be compared is listed as unknown, and such a window is never `ok`: a log
    that does not say what was fetched, rows without keys or a time, rows with defaults because the feature server was away, features that
    the service does not define, and rows that are later than the newest value of a table by more than the TTL.

    Args:
        feature_skew: `feature_skew.json`: for each feature the number of rows and of values that differ, by kind, with examples.
        report: A page that shows the same.
        rows: The number of rows that were compared.
        logs: Path or URI of the model server's prediction log. Other logs do not say what was fetched.
        feature_repository: The Feast repository: path or URI of the folder that contains `feature_store.yaml`, or its packed files, as in
            retrieve_features.
        feature_service: The name of the feature service that the server fetches.
        model_name: The model whose rows are read. Empty: all.
        fingerprint: The fingerprint of the model, or its start. Empty: all.
        window_start: Start of the window in ISO 8601. Empty: `window_hours` before its end.
        window_end: End of the window. Empty: now.
        window_hours: Length of the window if it has no start.
        full_feature_names: Whether the name of the feature view precedes the name of a feature, as the server's option
            `full_feature_names` says.
        filter_by_created_timestamp: Whether values that were created after a row's time are left out, as in retrieve_features.
        tolerance: The permitted difference between two numbers with a fraction, as a share of the point-in-time value. Whole numbers and
            texts must be equal.
    """
    return container("feast", "compare_features")
