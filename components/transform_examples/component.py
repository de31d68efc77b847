"""The KFP interface of transform_examples."""

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Output

from penstock.components.container import container


@dsl.container_component
def transform_examples(
    examples: Input[Dataset],
    schema: Input[Artifact],
    transformed_examples: Output[Dataset],
    transform_graph: Output[Artifact],
    updated_analyzer_cache: Output[Artifact],
    module_file: str,
    preprocessing_fn: str = "preprocessing_fn",
    analyze_splits: list = ["train"],  # noqa: B006 - kfp reads it, nobody changes it
    analyzer_cache: str = "",
    write_analyzer_cache: bool = False,
    output_format: str = "parquet",
    custom_config: dict = {},  # noqa: B006
    beam_pipeline_args: list = [],  # noqa: B006
):
    """Runs tf.Transform: analyzes the named Splits, then applies the TransformGraph to every Split.

    Args:
        examples: The Examples to transform.
        schema: The Schema of the Examples, from validate_examples.
        transformed_examples: The transformed Examples, Split by Split. A Split that is not analyzed may lack columns, such as
            labels: what is computed from them is left out there.
        transform_graph: TFT's output folder (transform_fn, transformed_metadata, metadata).
        updated_analyzer_cache: The analyzers' cache with this Span's entries added, for the next Span; empty where none is kept.
        module_file: The module that defines `preprocessing_fn`: source (packed or plain), or the path or URI of a
            file, with what it imports of its folder, of a folder or of a wheel (`NAME@` before it names a module in it).
        preprocessing_fn: The function's name: `preprocessing_fn(inputs)` or `preprocessing_fn(inputs, custom_config)`.
        analyze_splits: The Splits that full-pass analyzers see. Evaluation Splits do not belong here.
        analyzer_cache: Path or URI of an earlier `updated_analyzer_cache`: its Spans count as if their rows were analyzed here, a
            Split whose rows it knows is not read again, and what is new is added. Empty: everything is analyzed.
        write_analyzer_cache: Starts a cache where `analyzer_cache` is empty. On a small table that makes the analysis a quarter longer.
        output_format: `parquet`, or `tfrecord` (gzip) for TFX modules that open the files themselves.
        custom_config: Passed to the preprocessing_fn, if it takes it.
        beam_pipeline_args: Apache Beam options. Naming a `--runner` makes both the analysis and the transformation run on
            Beam; otherwise the analysis runs on Beam's in-memory runner and the transformation in this process.
    """
    return container("tf", "transform_examples")
