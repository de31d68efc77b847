"""The KFP interface of retrieve_features."""

from kfp import dsl
from kfp.dsl import Dataset, Input, Output, OutputPath

from penstock.components.container import container, never_cached


@never_cached
@dsl.container_component
def retrieve_features(
    examples: Input[Dataset],
    examples_with_features: Output[Dataset],
    rows: OutputPath(int),
    feature_repository: str,
    feature_service: str,
    timestamp_column: str,
    filter_by_created_timestamp: bool = True,
    full_feature_names: bool = False,
    exclude_columns: list = [],  # noqa: B006 - kfp reads the default, and nothing changes it
):
    """Adds features of a Feast repository to Examples: for each row, the values that were known at its time.

    A row gets the latest values of its keys whose event time is not after the row's time and, if the feature view has a TTL, not older
    than that. A row without such values gets nulls. The rows keep their order and their Splits. A row that Feast loses or repeats is an
    error. The types of the features are those that the feature views declare, as in ingest_examples.

    The definitions are those of the repository's Python files; a repository without such files has them in the registry that its
    `feature_store.yaml` names. The offline store must be DuckDB, and the sources Parquet files.

    Args:
        examples: The Examples from ingest_examples, with a column for each entity's join key.
        examples_with_features: The Examples with a column for each feature of the service. Metadata: as in ingest_examples;
            `source` also has `feature_repository` (SHA-256 of its definitions and settings), `feature_service` and `feature_tables`
            (each with its SHA-256, or its ETag in a bucket).
        rows: The number of rows in all Splits.
        feature_repository: The Feast repository: path or URI of the folder that contains `feature_store.yaml`, or its packed files. Only
            its Python and YAML files count. Relative paths of tables start at the folder.
        feature_service: The name of the feature service.
        timestamp_column: The column with the time of each row: Unix seconds, as which ingest_examples stores timestamps.
        filter_by_created_timestamp: Whether values that were created after a row's time are left out, such as late corrections of
            an earlier event. It needs a source with a `created_timestamp_column`. False: the latest correction counts, which no model
            could have known.
        full_feature_names: Whether the name of the feature view precedes the name of a feature, as in `weather__wind_speed`.
        exclude_columns: Columns to remove after the features are added, such as keys that are no features.
    """
    return container("feast", "retrieve_features")
