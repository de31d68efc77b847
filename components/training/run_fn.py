"""What a `run_fn` is called with, and the call."""

import sys
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import saved_model_pb2

import penstock
from penstock.components.data.examples import count_rows, split_files, split_folder
from penstock.components.data.filesystems import fetch_folder
from penstock.components.data.tensors import SCHEMA_FILE, load_schema
from penstock.components.data.tfx_types import FnArgs
from penstock.components.data.user_code import in_user_code
from penstock.components.protocol import Input, TaskError, fingerprint, local_path

from .data_accessor import data_accessor
from .distributed_keras import corrected_keras
from .strategy import strategy_scope


@dataclass(frozen=True)
class Training:
    """What `run_fn` is called with besides its hyperparameters, as the parameters of train_model say it."""

    examples: Input
    transform_graph: Input
    schema: Input
    train_split: str
    eval_split: str
    train_steps: int
    eval_steps: int
    custom_config: dict[str, Any]
    base_model: str
    seed: int
    mixed_precision: bool
    xla: bool

    @property
    def logged(self) -> dict[str, Any]:
        """What a run's parameters say of it."""
        return {name: getattr(self, name) for name in ("train_steps", "eval_steps", "seed", "mixed_precision", "xla")}

    def check(self) -> int | None:
        """Makes sure that there are rows and a Schema; returns the rows to train on, None where nothing says how many.

        Raises:
            TaskError: A Split is missing or has no rows, or the Schema cannot be read.
        """
        rows = [_count(self.examples, split) for split in (self.train_split, self.eval_split)]
        load_schema(self.schema.path)
        return rows[0]

    def configure(self) -> None:
        """Sets what run_fn's layers and graphs are made with, for Keras 3 and, where the module loaded it, for Keras 2."""
        policy = "mixed_float16" if self.mixed_precision else "float32"
        for package in filter(None, map(sys.modules.get, ("keras", "tf_keras"))):
            package.mixed_precision.set_global_policy(policy)
        tf.config.optimizer.set_jit(self.xla)

    def inputs(self, fn_args: FnArgs) -> dict[str, Any]:
        """Returns what determines a training, besides the module and its hyperparameters."""
        return self.logged | {
            "transform_graph": self.transform_graph.fingerprint,
            "schema": self.schema.fingerprint,
            "splits": [self.train_split, self.eval_split],
            "custom_config": self.custom_config,
            "base_model": fingerprint(fn_args.base_model) if fn_args.base_model else "",
            "versions": [penstock.__version__, tf.__version__, keras.__version__],
        }

    def fn_args(
        self, working_dir: Path, model: Path, logs: Path, hyperparameters: dict[str, Any], passes: list[int] | None = None
    ) -> FnArgs:
        """Returns the FnArgs of a call.

        Args:
            working_dir: The folder for scratch files.
            model: Where the SavedModel goes.
            logs: Where logs go.
            hyperparameters: Their values by name.
            passes: The data_accessor's.

        Raises:
            TaskError: `base_model` is not a SavedModel.
        """
        return FnArgs(
            working_dir=str(working_dir),
            train_files=[str(split_folder(self.examples.path, self.train_split) / "*")],
            eval_files=[str(split_folder(self.examples.path, self.eval_split) / "*")],
            train_steps=self.train_steps or None,
            eval_steps=self.eval_steps or None,
            schema_path=str(self.schema.path / SCHEMA_FILE),
            schema_file=str(self.schema.path / SCHEMA_FILE),
            transform_graph_path=str(self.transform_graph.path),
            transform_output=str(self.transform_graph.path),
            data_accessor=data_accessor(passes),
            serving_model_dir=str(model),
            eval_model_dir=str(working_dir / "eval_model"),
            model_run_dir=str(logs),
            base_model=_fetch(self.base_model, working_dir) if self.base_model else None,
            hyperparameters=hyperparameters,
            custom_config=self.custom_config,
        )


def seed_everything(seed: int) -> None:
    """Seeds Python, NumPy and TensorFlow, whose ops are repeatable on a CPU then."""
    keras.utils.set_random_seed(seed)
    if not tf.config.list_physical_devices("GPU"):  # on GPUs it costs speed, and lacks some ops
        tf.config.experimental.enable_op_determinism()


def call(function: Callable[[FnArgs], Any], fn_args: FnArgs, sources: Iterable[str]) -> str:
    """Calls run_fn, and returns the strategy's name; what it raises is in the log with its traceback, and in the error with the module's line."""
    devices = [device.name for device in tf.config.list_logical_devices("GPU")]
    with in_user_code(f"{function.__name__} of module_file raised"), corrected_keras(), strategy_scope(devices, sources) as strategy:
        try:
            function(fn_args)
        except Exception as error:
            if not isinstance(error, TaskError):
                traceback.print_exc()
            raise
    return strategy


def signatures(model: Path) -> list[str]:
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


def _count(examples: Input, split: str) -> int | None:
    """Returns a Split's rows, as Parquet files or else the Examples' metadata say, None where neither does; no row is an error."""
    folder = split_folder(examples.path, split)
    is_parquet = all(file.suffix == ".parquet" for file in split_files(examples.path, split))
    rows = count_rows(examples.path, split) if is_parquet else (examples.metadata.get("splits") or {}).get(split)
    if rows == 0:
        raise TaskError(f"Split {split!r} at {folder} has no rows; change the splits of ingest_examples")
    return rows


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
        signatures(path)
    except (TaskError, OSError, ValueError, ImportError) as error:
        raise TaskError(f"base_model: {base_model} is not a SavedModel ({error}); give the path or URI of one") from error
    return str(path)
