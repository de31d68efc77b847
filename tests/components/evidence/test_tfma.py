"""Each test fails when TFMA makes public what the adapter takes from its internals: then import that, and remove it from the adapter."""

import importlib
from types import FunctionType, ModuleType

import pytest
import tensorflow_model_analysis

from penstock.components.evidence import tfma

# `tfma.metrics` and the like, which TFMA's own documentation names.
DOCUMENTED = ("evaluators", "extractors", "metrics", "slicer", "utils", "validators", "view", "writers")
INTERNAL = sorted(
    name for name in tfma.__all__ if isinstance(getattr(tfma, name), ModuleType) and name not in (*DOCUMENTED, "constants", "tf_keras")
)
# Each private class or function of TFMA's in the adapter, by the adapter's name for it.
PRIVATE = sorted(
    name
    for name, value in vars(tfma).items()
    if isinstance(value, type | FunctionType)
    and value.__module__.startswith("tensorflow_model_analysis.")
    and value.__name__.startswith("_")
)


@pytest.mark.parametrize("name", INTERNAL)
def test_tfma_does_not_export(name: str) -> None:
    assert exporting(name) == []


@pytest.mark.parametrize("name", PRIVATE)
def test_tfma_keeps_private(name: str) -> None:
    value = getattr(tfma, name)
    public = value.__name__.lstrip("_")
    assert not hasattr(importlib.import_module(value.__module__), public)
    assert exporting(public) == []


def test_combiners_have_no_public_settings() -> None:
    """When this fails, `Combiner` can read them without the underscore."""
    key = tfma.metric_types.MetricKey("calibration")
    combiner = tfma.Combiner(tfma.Calibration(key, None, None, None, example_weighted=True))
    assert combiner.key == key
    assert combiner.example_weighted
    assert not hasattr(combiner.function, "example_weighted")


def exporting(name: str) -> list[str]:
    """Returns the packages of TFMA that export a name."""
    packages = [importlib.import_module(f"tensorflow_model_analysis.{package}") for package in DOCUMENTED]
    return [package.__name__ for package in (tensorflow_model_analysis, *packages) if name in getattr(package, "__all__", ())]
