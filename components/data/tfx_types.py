"""The types of TFX's module contract, for modules that import them from `tfx` when TFX is not installed.

The contract is that of TFX 1.16's `fn_args_utils`: the same names and meanings.
"""

import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, NoReturn

from penstock.components.protocol.errors import TaskError


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
        callbacks: What to give to `Model.fit` besides the module's own callbacks. TFX's FnArgs has no such field: a module for both
            takes `getattr(fn_args, "callbacks", [])`.
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
    callbacks: list[Any] = field(default_factory=list)


class TunerFnResult(NamedTuple):
    """What a `tuner_fn` returns, which tune_model calls.

    Attributes:
        tuner: A KerasTuner.
        fit_kwargs: The arguments of its search.
    """

    tuner: Any
    fit_kwargs: dict[str, Any]


def parse_pbtxt_file(file_name: str, message: Any) -> Any:
    """Reads a text proto into a message, as `tfx.v1.utils.parse_pbtxt_file` does."""
    from google.protobuf import text_format

    return text_format.Parse(Path(file_name).read_text(encoding="utf-8"), message)


_TYPES = {"FnArgs": FnArgs, "DataAccessor": DataAccessor}
_OF_COMPONENTS = _TYPES | {"TunerFnResult": TunerFnResult}
_PROVIDED: dict[str, dict[str, Any]] = {
    "tfx": {},
    "tfx.v1": {},
    "tfx.v1.components": _OF_COMPONENTS,
    "tfx.v1.utils": {"parse_pbtxt_file": parse_pbtxt_file},
    "tfx.components": _OF_COMPONENTS,
    "tfx.components.trainer": {},
    "tfx.components.trainer.executor": {"TrainerFnArgs": FnArgs},
    "tfx.components.trainer.fn_args_utils": _TYPES,
    "tfx.components.tuner": {},
    "tfx.components.tuner.component": {"TunerFnResult": TunerFnResult},
    "tfx.utils": {},
    "tfx.utils.io_utils": {"parse_pbtxt_file": parse_pbtxt_file},
}


def provide_tfx_types() -> None:
    """Makes these types importable under TFX's names unless TFX is installed. Other names of TFX can be imported, but not used."""
    if "tfx" in sys.modules or importlib.util.find_spec("tfx"):
        return
    sys.meta_path.append(_Finder())
    for name in _PROVIDED:
        importlib.import_module(name)


class _Module(ModuleType):
    """A module with a name of TFX; an attribute that it lacks may be used in annotations only."""

    __path__: list[str] = []  # so that it counts as a package

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # Python itself asks, and takes no for an answer
            raise AttributeError(name)
        return _Name(f"{self.__name__}.{name}")


class _Finder(MetaPathFinder, Loader):
    """Finds every module of TFX, as a module written for it may import more than it uses."""

    def find_spec(self, fullname: str, *_: Any) -> ModuleSpec | None:
        return ModuleSpec(fullname, self, is_package=True) if fullname.partition(".")[0] == "tfx" else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _Module(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        module.__dict__.update(_PROVIDED.get(module.__name__, {}))


class _Name:
    """A name that is not provided: it can be imported and used in annotations; anything else is an error."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Name(f"{self._name}.{name}")

    def __getitem__(self, _: Any) -> Any:
        return self

    def __or__(self, other: Any) -> Any:
        return self

    __ror__ = __or__

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise _not_provided(self._name)

    __call__ = __mro_entries__ = __iter__ = __bool__ = __len__ = __int__ = __float__ = __str__ = __fspath__ = __enter__ = _refuse
    __instancecheck__ = __subclasscheck__ = __lt__ = __gt__ = __le__ = __ge__ = __add__ = __setitem__ = _refuse


def _not_provided(name: str) -> TaskError:
    offered = ", ".join(f"{module}.{item}" for module, contents in _PROVIDED.items() for item in contents if ".v1." in module)
    return TaskError(
        f"the module uses {name}, but TFX is not installed here; Penstock provides only {offered}: use these, or build an image with tfx"
    )
