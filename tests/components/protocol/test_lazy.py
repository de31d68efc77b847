"""Lazy imports: not made without a use, made in full with one."""

import importlib.util
import inspect
import subprocess
import sys

import pytest

from penstock.components.protocol.lazy import DEFERRED, deferred_imports


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package `heavy` with a module `plots`, of which `heavy.loaded` counts the loads."""
    folder = tmp_path / "heavy"
    folder.mkdir()
    (folder / "__init__.py").write_text("loaded = []\n")
    (folder / "plots.py").write_text(
        "import heavy\nheavy.loaded.append(__name__)\nplot = 7\ndef __getattr__(name):\n    if name == 'made': return 8\n    raise AttributeError(name)\n"
    )
    (folder / "user.py").write_text("import heavy.plots as plots\n")
    (folder / "broken.py").write_text("import no_such_module\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("heavy")
    for name in [name for name in sys.modules if name.split(".")[0] == "heavy"]:
        del sys.modules[name]


@pytest.fixture
def user(package):
    """A module that imports `heavy.plots` and does not use it yet."""
    finders = list(sys.meta_path)
    with deferred_imports(frozenset({"heavy.plots", "heavy.broken", "heavy.absent"})):
        found = importlib.import_module("heavy.user")
    assert sys.meta_path == finders
    return found


def test_it_is_loaded_once_and_when_something_is_taken_from_it(package, user):
    assert package.loaded == []
    assert (user.plots.plot, user.plots.made) == (7, 8)
    assert package.loaded == ["heavy.plots"]
    assert importlib.import_module("heavy.plots") is user.plots
    with pytest.raises(AttributeError, match="absent"):
        _ = user.plots.absent
    assert package.loaded == ["heavy.plots"]
    assert inspect.getsource(user.plots).startswith("import heavy")


def test_a_look_at_every_module_loads_nothing(package, user):
    inspect.getmodule(compile("", "nowhere.py", "exec"))
    assert user.plots.__file__.endswith("plots.py")
    assert package.loaded == []


def test_what_is_asked_for_by_name_is_loaded_at_once(package):
    with deferred_imports(frozenset({"heavy.plots"})):
        exec("from heavy.plots import plot", {})
    assert package.loaded == ["heavy.plots"]


def test_what_is_not_there_is_missed_as_ever(package):
    with deferred_imports(frozenset({"heavy.absent"})), pytest.raises(ModuleNotFoundError, match="absent"):
        importlib.import_module("heavy.absent")


def test_a_failed_import_raises_on_use(package):
    with deferred_imports(frozenset({"heavy.broken"})):
        broken = importlib.import_module("heavy.broken")
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        _ = broken.anything


def test_every_module_that_is_put_off_is_in_this_family():
    assert [name for name in sorted(DEFERRED) if importlib.util.find_spec(name) is None] == []


@pytest.mark.parametrize(
    "task", ["train_model", *(pytest.param(task, marks=pytest.mark.slow) for task in ("transform_examples", "evaluate_model"))]
)
def test_a_task_starts_without_them_and_finds_them_when_it_asks(task):
    code = f"""
import sys
from penstock.components.protocol.executor import _import_task
_import_task("penstock.components.{task}")
heavy = ["sklearn", "matplotlib.axes", "scipy.stats._stats_py", "nltk"]
assert not set(heavy) & sys.modules.keys(), set(heavy) & sys.modules.keys()
import keras.wrappers, matplotlib.pyplot, scipy.stats
assert keras.wrappers.SKLearnClassifier and matplotlib.pyplot.figure and scipy.stats.norm
assert "sklearn" in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_metric_that_is_put_off_is_there_for_an_eval_config_that_names_it():
    code = """
import json
from penstock.components.protocol.executor import _import_task
_import_task("penstock.components.evaluate_model")
from penstock.components.evidence.eval_config import parse_eval_config
metric = {"className": "Rouge", "config": json.dumps({"rouge_type": "rouge1"})}
parse_eval_config(json.dumps({"modelSpecs": [{"labelKey": "text"}], "metricsSpecs": [{"metrics": [metric]}]}, indent=1))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
