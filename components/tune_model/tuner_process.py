"""The processes of a module's own tuner: KerasTuner's chief, which has the oracle, and its workers, which run the trials.

They meet as KerasTuner's distributed tuning has it, on a Unix socket, so that no port is needed.
"""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from penstock.components.data import load_function
from penstock.components.data.python_source import imports_package
from penstock.components.data.user_code import in_user_code
from penstock.components.protocol import TaskError, redact
from penstock.components.training.hyperparameters import Hyperparameters
from penstock.components.training.run_fn import seed_everything
from penstock.components.training.tracking import follow_fits, tracked_run

from .trial_process import Setting, begin

# What a worker sends: a kind and its content.
SPACE, BEGUN, ENDED, UNUSABLE = "space", "begun", "ended", "unusable"
# The most that KerasTuner's protocol can ask for: an int32.
_ALL = 2**31 - 1


def run_tuner(pipe: Connection, log: Path, device: str | None, setting: Setting, working_dir: Path, socket: Path, name: str) -> None:
    """Runs the search of `tuner_fn`; the process ends with it.

    Args:
        pipe: Where a worker sends what it has to say.
        log: The file that takes what it prints.
        device: The GPU that it has; None: there is none.
        setting: What the trials have in common; `run_fn` is the name of the `tuner_fn`.
        working_dir: `fn_args.working_dir`.
        socket: Where chief and workers meet.
        name: KerasTuner's ID of the process; the chief's is `chief`.
    """
    begin(log, device, setting.threads)
    os.environ |= {"KERASTUNER_TUNER_ID": name, "KERASTUNER_ORACLE_IP": "unix", "KERASTUNER_ORACLE_PORT": str(socket)}
    try:
        tuner, fit_kwargs = _make(setting, working_dir)
        if name == "chief":
            _save_after_each(tuner.oracle)
        else:
            _report_trials(tuner, pipe, setting)
        with in_user_code("the search of tuner_fn failed:"):
            tuner.search(**fit_kwargs)
    except TaskError as error:
        pipe.send((UNUSABLE, redact(str(error))))


def _make(setting: Setting, working_dir: Path) -> tuple[Any, dict[str, Any]]:
    seed_everything(setting.training.seed)
    if not any(imports_package(source.encode(), "keras") for source in setting.module.sources):
        _use_keras_2()
    function = load_function(setting.module, setting.run_fn)
    setting.training.configure()
    logs = working_dir / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    fn_args = setting.training.fn_args(working_dir, working_dir / "model", logs, Hyperparameters({}))
    with in_user_code(f"{setting.run_fn} of module_file raised"):
        result = function(fn_args)
        return result.tuner, dict(result.fit_kwargs)


def _use_keras_2() -> None:
    """Has KerasTuner build Keras 2's models: a module that says `tf.keras` means these, once tf.Transform is imported."""
    import tf_keras

    for name in [name for name in sys.modules if name.partition(".")[0] in ("keras_tuner", "kerastuner")]:
        del sys.modules[name]
    with _in_place_of({"keras": tf_keras, "tensorflow.keras": tf_keras}):
        import keras_tuner  # noqa: F401 - from now on the module finds this one


@contextmanager
def _in_place_of(modules: dict[str, Any]) -> Iterator[None]:
    before = {name: sys.modules.get(name) for name in modules}
    sys.modules |= modules
    try:
        yield
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


def _save_after_each(oracle: Any) -> None:
    """Has an oracle save that a trial has ended: KerasTuner saves it as one that still runs, and would run it again."""
    end_trial = oracle.end_trial

    def end_and_save(trial: Any) -> None:
        end_trial(trial)
        oracle.save()

    oracle.end_trial = end_and_save


def _report_trials(tuner: Any, pipe: Connection, setting: Setting) -> None:
    """Has a tuner send what it does, and track each trial in a run of its own."""
    run_trial, on_trial_end = tuner.run_trial, tuner.on_trial_end
    began = 0.0
    run_id = ""

    def run_tracked(trial: Any, *arguments: Any, **options: Any) -> Any:
        nonlocal began, run_id
        began = time.monotonic()
        values = dict(trial.hyperparameters.values)
        pipe.send((BEGUN, {"trial": trial.trial_id, "hyperparameters": values}))
        with tracked_run(setting.tracking_uri, setting.experiment, setting.training.logged | values, setting.tags) as run, follow_fits(run):
            run_id = run.run_id
            return run_trial(trial, *arguments, **options)

    def end_and_tell(trial: Any) -> None:
        on_trial_end(trial)
        found = tuner.oracle.get_trial(trial.trial_id)
        pipe.send((ENDED, _described(found, trial.message, round(time.monotonic() - began, 2), run_id)))

    tuner.run_trial, tuner.on_trial_end = run_tracked, end_and_tell
    known = tuner.oracle.get_best_trials(_ALL)
    pipe.send(
        (
            SPACE,
            {
                "space": tuner.oracle.get_space().get_config()["space"],
                "objective": tuner.oracle.objective.name,
                "direction": tuner.oracle.objective.direction,
                "trials": [_described(trial, trial.message) for trial in known if trial.status != "RUNNING"],
            },
        )
    )


def _described(trial: Any, message: str | None, seconds: float = 0.0, run_id: str = "") -> dict[str, Any]:
    lines = (message or "").strip().splitlines()
    return {
        "trial": trial.trial_id,
        "hyperparameters": dict(trial.hyperparameters.values),
        "status": trial.status,
        "score": None if trial.score is None else float(trial.score),
        "reason": redact(lines[-1]) if lines else "",
        "seconds": seconds,
        "run_id": run_id,
    }
