"""What a module written for TFX imports of `tfx`: the types of its contract, found where TFX itself is not installed.

The contract is that of TFX 1.16's `fn_args_utils`: the same names and meanings.
"""

import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from .errors import TaskError


class DataAccessor(NamedTuple):
    """Reads Examples, whatever their format.

    Attributes:
        tf_dataset_factory: `(file patterns, TensorFlowDatasetOptions, Schema) -> tf.data.Dataset` of batches: dicts of tensors as
            the Schema describes them, or `(dict, label)` where the options name a label.
        record_batch_factory: `(file patterns, RecordBatchesOptions, Schema) -> iterator of pyarrow.RecordBatch`; every column is
            a list.
        data_view_decode_fn: None: there are no DataViews.
    """

    tf_dataset_factory: Callable[..., Any]
    record_batch_factory: Callable[..., Any]
    data_view_decode_fn: Callable[..., Any] | None = None


@dataclass
class FnArgs:
    """What a `run_fn` is called with.

    Attributes:
        working_dir: A folder for scratch files.
        train_files: File patterns of the training Split.
        eval_files: File patterns of the evaluation Split.
        train_steps: How many steps to train; None leaves it to the module.
        eval_steps: How many steps to evaluate; None leaves it to the module.
        schema_path: The file of the raw Examples' Schema.
        schema_file: The same; TFX's former name.
        transform_graph_path: TFT's output folder.
        transform_output: The same; TFX's former name.
        data_accessor: Reads the files.
        serving_model_dir: Where the SavedModel goes.
        eval_model_dir: Where an Estimator's evaluation model would go.
        model_run_dir: Where logs go.
        base_model: A SavedModel to start from, or None.
        hyperparameters: Their values by name.
        custom_config: Whatever the pipeline's author says.
    """

    working_dir: str | None = None
    train_files: list[str] | None = None
    eval_files: list[str] | None = None
    train_steps: int | None = None
    eval_steps: int | None = None
    schema_path: str | None = None
    schema_file: str | None = None
    transform_graph_path: str | None = None
    transform_output: str | None = None
    data_accessor: DataAccessor | None = None
    serving_model_dir: str | None = None
    eval_model_dir: str | None = None
    model_run_dir: str | None = None
    base_model: str | None = None
    hyperparameters: dict[str, Any] | None = None
    custom_config: dict[str, Any] | None = None


def parse_pbtxt_file(file_name: str, message: Any) -> Any:
    """Reads a text proto into a message, as `tfx.v1.utils.parse_pbtxt_file` does."""
    from google.protobuf import text_format

    return text_format.Parse(Path(file_name).read_text(encoding="utf-8"), message)


_TYPES = {"FnArgs": FnArgs, "DataAccessor": DataAccessor}
_OFFERED: dict[str, dict[str, Any]] = {
    "tfx": {},
    "tfx.v1": {},
    "tfx.v1.components": _TYPES,
    "tfx.v1.utils": {"parse_pbtxt_file": parse_pbtxt_file},
    "tfx.components": _TYPES,
    "tfx.components.trainer": {},
    "tfx.components.trainer.fn_args_utils": _TYPES,
    "tfx.utils": {},
    "tfx.utils.io_utils": {"parse_pbtxt_file": parse_pbtxt_file},
}


def offer_tfx() -> None:
    """Makes these importable under TFX's names, unless TFX is there."""
    if "tfx" in sys.modules or importlib.util.find_spec("tfx"):
        return
    for name, contents in _OFFERED.items():
        module = sys.modules[name] = _Offered(name)
        module.__dict__.update(contents)
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], child, module)
    sys.meta_path.append(_NoMore)  # type: ignore[arg-type]  # the protocol asks for this one method


class _Offered(ModuleType):
    """A module of TFX's name that says so when more of TFX is asked for."""

    __path__: list[str] = []  # so that it counts as a package

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # Python itself asks, and takes no for an answer
            raise AttributeError(name)
        raise _not_offered(f"{self.__name__}.{name}")


class _NoMore:
    @staticmethod
    def find_spec(name: str, *_: Any) -> None:
        if name.startswith("tfx."):
            raise _not_offered(name)


def _not_offered(name: str) -> TaskError:
    offered = ", ".join(f"{module}.{item}" for module, contents in _OFFERED.items() for item in contents)
    return TaskError(
        f"the module uses {name}, but TFX is not installed here; of TFX there is {offered}: keep to these, or build an image that has tfx"
    )
