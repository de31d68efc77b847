"""The KFP interface of score_batch."""

from kfp import dsl
from kfp.dsl import HTML, Artifact, Dataset, Input, Model, Output, OutputPath

from penstock.components.container import container, never_cached


@never_cached
@dsl.container_component
def score_batch(
    examples: Input[Dataset],
    predictions: Output[Dataset],
    report: Output[HTML],
    rows: OutputPath(int),
    errors: OutputPath(int),
    key_columns: list,
    schema: Input[Artifact] = None,
    model: Input[Model] = None,
    evaluation: Input[Artifact] = None,
    model_name: str = "",
    alias: str = "champion",
    evaluation_uri: str = "",
    output_uri: str = "",
    output_format: str = "parquet",
    passthrough_columns: list = [],  # noqa: B006 - kfp reads the default, and nothing changes it
    partition_by: str = "",
    splits: list = [],  # noqa: B006
    max_error_share: float = 0.0,
    tracking_uri: str = "",
    registry_uri: str = "",
    beam_pipeline_args: list = [],  # noqa: B006
):
    """Scores a table with a blessed model: one output part for each part of the Examples, and a manifest.

    The model is an artifact with the Evaluation that blesses it, or a registered version that was registered with a blessing. Any
    other model is refused. An alias is resolved once, and the manifest records the version.

    A row of the output has the key columns, the passthrough columns, a column for each output of the model, and `model_fingerprint`,
    `model_version` and `scored_at`. A row that cannot be scored (a missing key, a missing or misshapen feature, an answer that is NaN or
    infinite) goes to a table of errors, with its key and the reason. The task fails as soon as these are more than `max_error_share`.

    With `output_uri`, a part appears there whole or not at all, and a run that was killed goes on where it stopped when it is started
    again: parts that are complete are not scored again. The folder belongs to one run, which is the same model, rows and parameters;
    another run is refused. These files are in it:

    | File | Content |
    |---|---|
    | `predictions/` | The scored rows; with `partition_by` in folders `column=value/`. |
    | `errors/` | The rows that could not be scored, with the reasons. Only if there are some. |
    | `run.json` | What the run is: the model, the parts, the parameters. |
    | `parts/` | A record for each complete part. A file in `predictions/` that no record names is a remainder of a run that was killed. |
    | `manifest.json` | Written last: every part with the SHA-256 of its input and of its files, rows, errors, the model. |

    If the model has both signatures, `serving_examples` answers, as in evaluate_model. `serving_default`, which is several times
    faster, answers rows for which its answers are shown to be the same: it is tried on a sample of the rows first.

    Args:
        examples: The rows, from ingest_examples, which reads CSV, Parquet and TFRecord files.
        predictions: The output, if `output_uri` is empty; otherwise only `run.json` and `manifest.json`. Metadata: format, rows,
            errors, model fingerprint and version, `output_uri`.
        report: A page with the rows, the errors, and the distribution of the scores beside that of the evaluation's predictions.
        rows: The number of scored rows.
        errors: The number of rows that could not be scored.
        key_columns: The columns that identify a row. A key that is not unique is an error.
        schema: The Schema of the Examples. Needed if the model takes tf.Examples.
        model: The model. Without it, `model_name` and `alias` say which.
        evaluation: The Evaluation that blesses `model`.
        model_name: The name of the registered model. With `model`: a name for the manifest.
        alias: The alias of the version that scores.
        evaluation_uri: Path or URI of the Evaluation, instead of `evaluation`. With an alias it is optional; it must bless the version.
        output_uri: Folder or bucket (`gs://`, `s3://`) for the output. Empty: the output is in `predictions`, and a run that was killed
            starts again.
        output_format: `parquet`, `csv` or `jsonl`.
        passthrough_columns: Other columns of the Examples to keep.
        partition_by: A column of the Examples whose values become folders. Empty: the parts have the names of the Examples' parts.
        splits: The Splits to score. Empty: all.
        max_error_share: The greatest share of rows, 0 to 1, that may fail.
        tracking_uri: URI of MLflow's tracking server. Empty: `MLFLOW_TRACKING_URI`.
        registry_uri: URI of the model registry: MLflow's, or `vertex://PROJECT/LOCATION`. Empty: the tracking server's.
        beam_pipeline_args: Apache Beam options. With a `--runner`, Beam's workers score the parts, each part by one worker.
    """
    return container("tf", "score_batch")
