"""The KFP interface of materialize_features."""

from kfp import dsl
from kfp.dsl import OutputPath

from penstock.components.container import container, never_cached


@never_cached
@dsl.container_component
def materialize_features(
    rows: OutputPath(int),
    feature_repository: str,
    feature_views: list = [],  # noqa: B006 - kfp reads the default, and nothing changes it
    start_time: str = "",
    end_time: str = "",
):
    """Writes the latest values of features from a Feast repository's tables to its online store, from which a model server reads them.

    It does what `feast materialize-incremental` does, and with `start_time` what `feast materialize` does. The registry and the online
    store are those of `feature_store.yaml`. Run `feast apply` in the repository first: a registry without a definition of the Python
    files, or with another one, is an error. A model would be served other features than retrieve_features has trained it on.

    The registry records what has been materialized after a feature view is written. If the task fails or is ended before, it writes
    the same values again when it runs again. SQLite takes the values of a feature view whole or not at all. In Redis, each key
    has all of a feature view's values or none.

    Args:
        rows: The number of keys whose values were written, over all feature views.
        feature_repository: The Feast repository: path or URI of the folder that contains `feature_store.yaml`, or its packed files. A
            registry or online store at a relative path needs the path of a folder.
        feature_views: The names of the feature views. Empty: all that have `online` set.
        start_time: The event time from which values count, as ISO 8601; in UTC without an offset. Empty: the end of the last
            materialization, or the age that the feature view's TTL allows.
        end_time: The event time up to which values count, such as the time of the schedule. Empty: now.
    """
    return container("feast", "materialize_features")
