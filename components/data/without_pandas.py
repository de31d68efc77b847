"""Arrow without pandas, which takes half a second and 40 MiB to import, for tasks that make no data frame."""

import sys
from importlib.abc import MetaPathFinder
from typing import Any

import pyarrow as pa


def leave_out_pandas() -> None:
    """Keeps Arrow from importing pandas until a data frame is asked for, such as by `to_pandas`.

    Arrow looks for pandas when it makes its first array, and documents no way to prevent that. If it finds none, it goes on without, and
    imports it when a data frame is asked for (`pandas-shim.pxi`, and `InitPandasStaticData` in `helpers.cc`). What it does not recognize
    then are a Series that is to become an array, and pandas' own values in a list.
    """
    if "pandas" in sys.modules:
        return
    hidden = _Hidden()
    sys.meta_path.insert(0, hidden)
    try:
        pa.array([])
    finally:
        sys.meta_path.remove(hidden)


class _Hidden(MetaPathFinder):
    def find_spec(self, name: str, path: Any, target: Any = None) -> None:
        if name == "pandas":
            raise ModuleNotFoundError(name)
