"""Importing kfp without its client: `import kfp` alone loads the Kubernetes client, most of its start-up, for an attribute.

`kfp.Client` still works afterwards; it is imported when it is asked for. No issue is known. It can go when test_importing_kfp_imports_its_client in
tests/penstock/kfp_adapter/test_private.py fails.
"""

import importlib
import sys
from types import ModuleType
from typing import Any

_CLIENT = "kfp.client"


def import_kfp() -> None:
    """Imports kfp, unless something has already."""
    if "kfp" in sys.modules:
        return
    stand_in = ModuleType(_CLIENT)
    stand_in.Client = None  # type: ignore[attr-defined]
    sys.modules[_CLIENT] = stand_in
    try:
        kfp = importlib.import_module("kfp")
    finally:
        del sys.modules[_CLIENT]
    for name in ("Client", "client"):
        vars(kfp).pop(name, None)
    vars(kfp)["__getattr__"] = _load_client


def _load_client(name: str) -> Any:
    if name not in {"Client", "client"}:
        raise AttributeError(f"module 'kfp' has no attribute {name!r}")
    client = importlib.import_module(_CLIENT)
    return client.Client if name == "Client" else client
