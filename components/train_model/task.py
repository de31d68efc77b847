"""Trains a model with a TFX `run_fn`."""

import sys
import tempfile
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import keras
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import saved_model_pb2

from penstock.components.data import load_function, read_module
from penstock.components.data.examples import count_rows, split_files, split_folder
from penstock.components.data.filesystems import fetch_folder
from penstock.components.data.saved_models import settle_fingerprint
from penstock.components.data.tensors import SCHEMA_FILE, load_schema
from penstock.components.data.tfx_types import FnArgs
from penstock.components.data.user_code import in_user_code
from penstock.components.protocol import Input, Output, TaskError, figure, local_path

from .data_accessor import data_accessor
from .strategy import MIRRORED, own_strategy
from .tracking import follow_fits, tracked_run


class Outputs(NamedTuple):
    """What the task returns."""

    tracking_run_id: str


def train_model(
    examples: Input,
    transform_graph: Input,
    schema: Input,
    model: Output,
    training_logs: Output,
    metrics: Output,
    module_file: str,
    run_fn: str = "run_fn",
    train_split: str = "train",
    eval_split: str = "eval",
    train_steps: int = 0,
    eval_steps: int = 0,
    hyperparameters: dict = {},  # noqa: B006 - only read
    custom_config: dict = {},  # noqa: B006
    base_model: str = "",
    seed: int = 0,
    mixed_precision: bool = False,
    xla: bool = False,
    tracking_uri: str = "",
    experiment: str = "penstock",
) -> Outputs:
    """Trains a model; the interface's docstring says what the parameters mean.

    Raises:
        TaskError: The Examples, the module, what the module exported, or the tracking server cannot be used.
    """
    rows = {split: _count(examples, split) for split in (train_split, eval_split)}
    load_schema(schema.path)
    module = read_module(module_file)
    _seed(seed)
    function = load_function(module, run_fn)
    _configure(mixed_precision, xla)
    lineage = {
        "examples_fingerprint": examples.fingerprint,
        "module_sha256": module.sha256,
    }
    params = {"train_steps": train_steps, "eval_steps": eval_steps, "seed": seed, "mixed_precision": mixed_precision, "xla": xla}
    training_logs.path.mkdir(parents=True)
    with tempfile.TemporaryDirectory(prefix="penstock-train-") as working_dir:
        fn_args = FnArgs(
            working_dir=working_dir,
            train_files=[str(split_folder(examples.path, train_split) / "*")],
            eval_files=[str(split_folder(examples.path, eval_split) / "*")],
            train_steps=train_steps or None,
            eval_steps=eval_steps or None,
            schema_path=str(schema.path / SCHEMA_FILE),
            schema_file=str(schema.path / SCHEMA_FILE),
            transform_graph_path=str(transform_graph.path),
            transform_output=str(transform_graph.path),
            data_accessor=data_accessor(),
            serving_model_dir=str(model.path),
            eval_model_dir=str(Path(working_dir) / "eval_model"),
            model_run_dir=str(training_logs.path),
            base_model=_fetch(base_model, Path(working_dir)) if base_model else None,
            hyperparameters=hyperparameters,
            custom_config=custom_config,
        )
        with tracked_run(tracking_uri, experiment, params | hyperparameters, lineage) as run, follow_fits(run):
            strategy = _call(function, fn_args, module.sources)
            signatures = _signatures(model.path)
    settle_fingerprint(model.path)
    model.metadata |= lineage | {
        "framework": "tensorflow",
        "signatures": signatures,
        "strategy": strategy,
        "train_rows": rows[train_split],
        "tracking_run_id": run.run_id,
    }
    metrics.metadata |= run.metrics
    return Outputs(run.run_id)


def _count(examples: Input, split: str) -> int | None:
    """Returns a Split's rows, as Parquet files or else the Examples' metadata say, None where neither does; no row is an error."""
    folder = split_folder(examples.path, split)
    is_parquet = all(file.suffix == ".parquet" for file in split_files(examples.path, split))
    rows = count_rows(examples.path, split) if is_parquet else (examples.metadata.get("splits") or {}).get(split)
    if rows == 0:
        raise TaskError(f"Split {split!r} at {folder} has no rows; change the splits of ingest_examples")
    return rows


def _seed(seed: int) -> None:
    keras.utils.set_random_seed(seed)
    if not tf.config.list_physical_devices("GPU"):  # on GPUs it costs speed, and lacks some ops
        tf.config.experimental.enable_op_determinism()


def _configure(mixed_precision: bool, xla: bool) -> None:
    """Sets what run_fn's layers and graphs are made with, for Keras 3 and, where the module loaded it, for Keras 2."""
    policy = "mixed_float16" if mixed_precision else "float32"
    for package in filter(None, map(sys.modules.get, ("keras", "tf_keras"))):
        package.mixed_precision.set_global_policy(policy)
    tf.config.optimizer.set_jit(xla)


def _fetch(base_model: str, folder: Path) -> str:
    """Returns the local path of the SavedModel at a path or URI.

    Raises:
        TaskError: There is none.
    """
    path = Path(local_path(base_model))
    try:
        if not path.exists() and "://" in base_model:
            path = folder / "base_model"
            fetch_folder(base_model, path)
        _signatures(path)
    except (TaskError, OSError, ValueError, ImportError) as error:
        raise TaskError(f"base_model: {base_model} is not a SavedModel ({error}); give the path or URI of one") from error
    return str(path)


def _call(function: Callable[[FnArgs], Any], fn_args: FnArgs, sources: Iterable[str]) -> str:
    """Calls run_fn, and returns the strategy's name; what it raises is in the log with its traceback, and in the error with the module's line."""
    devices = [device.name for device in tf.config.list_logical_devices("GPU")]
    with in_user_code(f"{function.__name__} of module_file raised"), strategy_scope(devices, sources) as strategy:
        try:
            function(fn_args)
        except Exception as error:
            if not isinstance(error, TaskError):
                traceback.print_exc()
            raise
    return strategy


@contextmanager
def strategy_scope(devices: list[str], sources: Iterable[str]) -> Iterator[str]:
    """Returns the scope for run_fn and the name of its strategy, or an empty name.

    Args:
        devices: The devices to train on: MirroredStrategy where there are several, unless the module makes a strategy of its own.
        sources: The sources of the module and of what came with it.
    """
    own = next(filter(None, map(own_strategy, sources)), "")
    if own:
        figure(f"run_fn creates its own strategy, {own}")
    if own or len(devices) < 2:
        yield own
        return
    figure(f"{MIRRORED} distributes the batches to {len(devices)} devices: {', '.join(devices)}")
    with tf.distribute.MirroredStrategy(devices).scope():
        yield MIRRORED


def _signatures(model: Path) -> list[str]:
    """Returns the names of a SavedModel's signatures, without loading it.

    Raises:
        TaskError: There is no SavedModel.
    """
    file = model / "saved_model.pb"
    try:
        saved = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    except (OSError, DecodeError) as error:
        raise TaskError(
            f"no SavedModel at {model} ({type(error).__name__}); export to fn_args.serving_model_dir with tf.saved_model.save"
        ) from error
    return sorted(name for graph in saved.meta_graphs for name in graph.signature_def if not name.startswith("__"))
