"""Delays imports of heavy libraries that most users do not need: plots, notebooks, wrappers of other libraries.

Such a module exists, and loads itself on its first use. `importlib.util.LazyLoader` would do, but loads for any
look at a module, and `inspect` looks at all of them for each function that TensorFlow traces.
"""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

# Half a second of the two that a task of the `tf` family takes to start. Only what nothing registers itself in, or we load (rouge).
DEFERRED = frozenset(
    {
        "IPython",  # keras.saving
        "keras._tf_keras.keras.wrappers",  # scikit-learn, and with it SciPy
        "keras.src.wrappers",
        "keras.wrappers",
        "matplotlib.pyplot",  # keras.visualization
        "pyiceberg.expressions.parser",  # row filters as text, and with it pyparsing
        "scipy.stats",  # TFMA's confidence intervals
        "strictyaml",  # pyiceberg's, for .pyiceberg.yaml
        "tensorflow_model_analysis.metrics.rouge",  # NLTK, and with it scikit-learn; a metric for text
        "tqdm.notebook",  # the same, for Beam's BigQuery client
    }
)
_loading = threading.RLock()


@contextmanager
def deferred_imports(names: frozenset[str] = DEFERRED) -> Iterator[None]:
    """Puts off some modules if they are imported inside."""
    finder = _Finder(names)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


class _DeferredModule(ModuleType):
    """A module that is not loaded yet. What imports set (`__file__`, `__path__`, submodules) it has."""

    def __getattr__(self, name: str) -> Any:
        with _loading:
            spec = self.__spec__
            if spec and isinstance(spec.loader, _DeferringLoader):
                self.__loader__ = spec.loader = spec.loader.real
                spec.loader.exec_module(self)
        return super().__getattribute__(name)


class _DeferringLoader(Loader):
    def __init__(self, real: Loader) -> None:
        self.real = real

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self.real.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        module.__class__ = _DeferredModule


class _Finder(MetaPathFinder):
    def __init__(self, names: frozenset[str]) -> None:
        self._names = names

    def find_spec(self, name: str, path: Any, target: Any = None) -> ModuleSpec | None:
        if name not in self._names:
            return None
        found = (finder.find_spec(name, path, target) for finder in sys.meta_path if finder is not self)
        spec = next(filter(None, found), None)
        if spec and spec.loader:
            spec.loader = _DeferringLoader(spec.loader)
        return spec
