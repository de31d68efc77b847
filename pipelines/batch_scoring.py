"""Scores a table with the model that the registry's alias names, behind a validation of the rows."""

from kfp import dsl

from penstock.components import ingest_examples, require_verdict, score_batch, validate_examples


@dsl.pipeline(name="batch-scoring")
def batch_scoring(
    input_uri: str,
    key_columns: list,
    model_name: str,
    schema_file: str,
    output_uri: str = "",
    alias: str = "champion",
    input_format: str = "auto",
    delimiter: str = ",",
    spans: str = "latest",
    columns: list = [],  # noqa: B006 - kfp reads the default, and nothing changes it
    row_filter: list = [],  # noqa: B006
    exclude_columns: list = [],  # noqa: B006
    column_types: dict = {},  # noqa: B006
    training_statistics: str = "",
    drift_threshold: float = 0.1,
    min_rows: int = 1,
    on_anomalies: str = "fail",
    evaluation_uri: str = "",
    output_format: str = "parquet",
    passthrough_columns: list = [],  # noqa: B006
    partition_by: str = "",
    max_error_share: float = 0.0,
    accelerator_type: str = "",
    accelerator_count: str = "",
    tracking_uri: str = "",
    registry_uri: str = "",
    beam_pipeline_args: list = [],  # noqa: B006
):
    """Validates rows against the Schema and the training's Statistics, and scores them with a blessed model.

    Args:
        input_uri: The rows: a file, folder, glob, table or URI, as in ingest_examples.
        key_columns: The columns that identify a row.
        model_name: The name of the registered model.
        schema_file: The Schema that the model was trained with: text, path or URI.
        output_uri: Folder or bucket for the output. A run that was killed goes on there. Empty: the output is an artifact.
        alias: The alias of the version that scores.
        input_format: `csv`, `parquet`, `tfrecord` or `auto`.
        delimiter: The column delimiter of CSV files.
        spans: `latest`, `7`, `3:7` or `latest:k`.
        columns: Columns to read. Empty: all.
        row_filter: Conditions that rows must meet, as in ingest_examples.
        exclude_columns: Columns to leave out.
        column_types: Types of columns, such as `{"zip": "string"}`.
        training_statistics: Path or URI of the training's `FeatureStats.pb`, for drift. Empty: drift is not checked.
        drift_threshold: The drift limit for features whose Schema has no drift comparator.
        min_rows: The minimum number of rows.
        on_anomalies: `fail` or `warn`.
        evaluation_uri: Path or URI of the Evaluation that blessed the version. The report compares the scores with it.
        output_format: `parquet`, `csv` or `jsonl`.
        passthrough_columns: Other columns to keep.
        partition_by: A column whose values become folders.
        max_error_share: The greatest share of rows, 0 to 1, that may fail.
        accelerator_type: The accelerator, as in the training pipeline. Empty: none.
        accelerator_count: The number of accelerators, as text. Empty: none.
        tracking_uri: URI of MLflow's tracking server. Empty: `MLFLOW_TRACKING_URI`.
        registry_uri: URI of the model registry: MLflow's, or `vertex://PROJECT/LOCATION`. Empty: the tracking server's.
        beam_pipeline_args: Apache Beam options for ingest_examples, validate_examples and score_batch. With a `--runner`, they run on
            Beam.
    """
    ingest = ingest_examples(
        input_uri=input_uri,
        input_format=input_format,
        delimiter=delimiter,
        spans=spans,
        splits={"serving": 1},
        columns=columns,
        row_filter=row_filter,
        exclude_columns=exclude_columns,
        column_types=column_types,
        schema_file=schema_file,
        beam_pipeline_args=beam_pipeline_args,
    )
    validate = validate_examples(
        examples=ingest.outputs["examples"],
        schema_file=schema_file,
        environments={"serving": "SERVING"},
        previous_statistics=training_statistics,
        drift_threshold=drift_threshold,
        min_rows=min_rows,
        on_anomalies="warn",
        beam_pipeline_args=beam_pipeline_args,
    )
    validated = require_verdict(evidence=validate.outputs["anomalies"], on_failure=on_anomalies)
    score = score_batch(
        examples=ingest.outputs["examples"],
        schema=validate.outputs["schema"],
        key_columns=key_columns,
        model_name=model_name,
        alias=alias,
        evaluation_uri=evaluation_uri,
        output_uri=output_uri,
        output_format=output_format,
        passthrough_columns=passthrough_columns,
        partition_by=partition_by,
        max_error_share=max_error_share,
        tracking_uri=tracking_uri,
        registry_uri=registry_uri,
        beam_pipeline_args=beam_pipeline_args,
    ).after(validated)
    score.set_accelerator_type(accelerator_type).set_accelerator_limit(accelerator_count)
