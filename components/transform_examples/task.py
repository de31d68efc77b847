"""The work of transform_examples."""

import functools
import inspect
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from apache_beam.internal.cloudpickle import cloudpickle

from penstock.components.data import load_function
from penstock.components.data.beam import Engine
from penstock.components.data.examples import count_rows, read_schema, split_files, split_folder, split_names
from penstock.components.data.runners import advise, names_runner
from penstock.components.data.tensors import Tensors, load_schema
from penstock.components.data.user_code import own_modules
from penstock.components.images import own_image
from penstock.components.protocol import Input, Output, TaskError, figure, fingerprint

from .analysis import analyze
from .analyzer_cache import AnalyzerCache
from .application import ENDINGS, Part, transform, transform_on
from .user_errors import explained


def transform_examples(
    examples: Input,
    schema: Input,
    transformed_examples: Output,
    transform_graph: Output,
    updated_analyzer_cache: Output,
    module_file: str,
    preprocessing_fn: str = "preprocessing_fn",
    analyze_splits: list = ["train"],  # noqa: B006 - the interface's default
    analyzer_cache: str = "",
    write_analyzer_cache: bool = False,
    output_format: str = "parquet",
    custom_config: dict = {},  # noqa: B006
    beam_pipeline_args: list = [],  # noqa: B006
) -> None:
    """Transforms Examples; the interface's docstring says what the parameters mean.

    Raises:
        TaskError: A parameter, the Examples, the Schema or the user's module cannot be used.
    """
    if output_format not in ENDINGS:
        raise TaskError(f"output_format is {output_format!r}; give one of {', '.join(ENDINGS)}")
    loaded_schema = load_schema(schema.path)
    splits = split_names(examples.path)
    advise(beam_pipeline_args, _check_examples(examples, splits, analyze_splits, Tensors(loaded_schema)), kept_bytes=0)
    function = load_function(module_file, preprocessing_fn)
    if names_runner(beam_pipeline_args):
        for module in own_modules():
            # Workers elsewhere cannot import it. Beam pickles with its own copy of cloudpickle, so that the package's registry has no effect.
            cloudpickle.register_pickle_by_value(module)
    AnalyzerCache.start(updated_analyzer_cache.path, analyzer_cache)
    cache = _cache(examples, updated_analyzer_cache.path, analyze_splits) if analyzer_cache or write_analyzer_cache else None
    started = time.monotonic()
    with Engine(beam_pipeline_args, own_image("tf"), transform_graph) as engine, explained(preprocessing_fn):
        files = {split: split_files(examples.path, split) for split in splits}
        analyzed = {split: [engine.place(examples, _name(file)) for file in files[split]] for split in analyze_splits}
        read = analyze(engine, analyzed, loaded_schema, _bind(function, custom_config), transform_graph.path, cache)
        figure(f"analyzed {', '.join(read) or 'nothing, everything is in the analyzer cache'} in {time.monotonic() - started:.1f} s")
        parts = _parts(engine, examples, files, ENDINGS[output_format])
        if names_runner(beam_pipeline_args):
            done = transform_on(engine, parts, transform_graph.path, transformed_examples)
        else:
            done = transform(parts, transform_graph.path, transformed_examples.path)
        counts: Counter[str] = Counter()
        for split, rows in done:
            counts[split] += rows
            figure(f"{counts.total():,} rows transformed")
    kept = {key: value for key, value in examples.metadata.items() if key in ("span", "version")}
    transformed_examples.metadata |= {"format": output_format, "splits": dict(counts), "rows": counts.total()} | kept
    figure(f"{counts.total():,} rows: {len(loaded_schema.feature)} features -> {_count_features(transform_graph.path)}")


def _check_examples(examples: Input, splits: list[str], analyze_splits: list[str], tensors: Tensors) -> int:
    """Finds out what would otherwise fail in the middle of the work; returns the number of rows."""
    if not analyze_splits:
        raise TaskError("analyze_splits is empty; name at least one Split, such as train")
    for split in analyze_splits:
        split_folder(examples.path, split)
    rows = 0
    for split in splits:
        columns = read_schema(examples.path, split)
        tensors.check(columns, f"Split {split!r}", may_lack=split not in analyze_splits)
        if missing := tensors.missing(columns.names):
            figure(f"Split {split} lacks {', '.join(missing)}; outputs that depend on them are omitted")
        if not (count := count_rows(examples.path, split)):
            raise TaskError(f"Split {split!r} of the Examples at {examples.path} has no rows; change the splits of ingest_examples")
        rows += count
    return rows


def _cache(examples: Input, folder: Path, splits: list[str]) -> AnalyzerCache:
    fingerprints = {split: fingerprint(split_folder(examples.path, split)) for split in splits}
    return AnalyzerCache(folder, int(examples.metadata.get("span", 0)), fingerprints)


def _bind(function: Callable, custom_config: dict) -> Callable:
    takes_config = "custom_config" in inspect.signature(function).parameters
    return functools.partial(function, custom_config=custom_config) if takes_config else function


def _parts(engine: Engine, examples: Input, files: dict[str, list[Path]], ending: str) -> list[Part]:
    return [
        Part(split, engine.place(examples, _name(file)), f"{file.parent.name}/{file.stem}{ending}")
        for split in files
        for file in files[split]
    ]


def _name(file: Path) -> str:
    """Returns where a file of a Split is in its Examples."""
    return f"{file.parent.name}/{file.name}"


def _count_features(transform_graph: Path) -> int:
    return len(load_schema(transform_graph / "transformed_metadata").feature)
