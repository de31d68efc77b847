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
    analyze_splits: list = ["train"],  # noqa: B006 - kfp reads the default, and nothing changes it
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
        transformed_examples: The transformed Examples, one folder per Split. A Split that is not analyzed may lack columns,
            such as labels. Outputs that depend on them are omitted there.
        transform_graph: TFT's output folder (transform_fn, transformed_metadata, metadata).
        updated_analyzer_cache: The analyzer cache with the entries of this Span, for the next Span. Empty if there is no cache.
        module_file: The module that defines `preprocessing_fn`: source text (packed or plain), or the path or URI of a file, a
            folder or a wheel. A file may import other files of its folder. `NAME@` before a folder or a wheel selects a module
            in it.
        preprocessing_fn: The name of the function: `preprocessing_fn(inputs)` or `preprocessing_fn(inputs, custom_config)`.
        analyze_splits: The Splits for full-pass analyzers. Do not include evaluation Splits.
        analyzer_cache: Path or URI of an earlier `updated_analyzer_cache`. Its Spans count as if their rows were analyzed here.
            The task does not read a Split again whose rows are in the cache, and adds new entries. Empty: the task analyzes
            everything.
        write_analyzer_cache: Whether to start a cache if `analyzer_cache` is empty. On a small table the analysis then takes a
            quarter longer.
        output_format: `parquet`, or `tfrecord` (gzip) for TFX modules that open the files themselves.
        custom_config: The argument `custom_config` of the preprocessing_fn, if it accepts one.
        beam_pipeline_args: Apache Beam options. With a `--runner`, the analysis and the transformation run on Beam. Otherwise
            the analysis uses Beam's in-memory runner, and the transformation runs in this process.
    """
    return container("tf", "transform_examples")
