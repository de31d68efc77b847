"""Each test fails when TFMA makes public what the adapter takes from its internals: then import that, and remove it from the adapter."""

import importlib
import subprocess
import sys
from dataclasses import astuple, fields
from types import FunctionType, ModuleType

import pytest
import tensorflow_model_analysis
from apache_beam.internal import pickler

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


@pytest.mark.parametrize("kind", tfma._EachOnce.__subclasses__(), ids=lambda kind: kind.__name__)
class TestMerging:
    """Accumulators come in a list wherever there are several workers."""

    def test_each_counts_once(self, kind: type) -> None:
        assert merged(kind) == 3.0

    def test_tfma_makes_no_other(self, kind: type) -> None:
        tfmas = kind.__bases__[1]
        assert getattr(importlib.import_module(tfmas.__module__), tfmas.__name__) is kind

    def test_tfma_counts_the_first_twice(self, kind: type) -> None:
        """When this fails, `_EachOnce` and its subclasses can go: give the names to TFMA's combiners."""
        assert merged(kind.__bases__[1]) == 4.0


def test_a_worker_gets_the_corrected_combiners() -> None:
    """It imports nothing but what it unpickles."""
    kinds = tfma._EachOnce.__subclasses__()
    code = "import sys; from apache_beam.internal import pickler; print({kind.__module__ for kind in pickler.loads(sys.stdin.read())})"
    done = subprocess.run([sys.executable, "-c", code], input=pickler.dumps(kinds), capture_output=True, check=True)
    assert done.stdout.decode().strip() == str({tfma.__name__})


def merged(kind: type) -> float:
    """Merges accumulators whose sums are all 1.0 and all 2.0; returns what each sum becomes."""
    combiner = object.__new__(kind)
    first, second = combiner.create_accumulator(), combiner.create_accumulator()
    for field in fields(first):
        setattr(first, field.name, 1.0)
        setattr(second, field.name, 2.0)
    (value,) = set(astuple(combiner.merge_accumulators([first, second])))
    return value


def exporting(name: str) -> list[str]:
    """Returns the packages of TFMA that export a name."""
    packages = [importlib.import_module(f"tensorflow_model_analysis.{package}") for package in DOCUMENTED]
    return [package.__name__ for package in (tensorflow_model_analysis, *packages) if name in getattr(package, "__all__", ())]
