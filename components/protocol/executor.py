"""The protocol of every backend: executor input -> typed call -> executor output.

Format: `ExecutorInput` and `ExecutorOutput` of kfp's pipeline_spec.proto, in their JSON form.
"""

import argparse
import contextlib
import gc
import importlib
import inspect
import json
import logging
import os
import signal
import sys
import time
import traceback
import types
import typing
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import penstock

from . import marks
from .artifacts import Artifact, Input, Output
from .atomic import atomically, remove, scratch_beside
from .disk_space import file_without_space, is_disk_full
from .ending import TERMINATED, exit_in
from .errors import GateFailed, TaskError
from .executor_input import parse
from .exit_functions import run_exit_functions
from .fingerprint import fingerprint
from .folders import settle
from .lazy import deferred_imports
from .logs import configure_logging, is_verbose, log_figure, redact_logging, say
from .places import check_places, placing
from .redacting import redact, redact_all
from .usage import Usage
from .values import decode, encode, encode_metadata, is_passed_on

# Where Kubernetes lets a container say why it ended: the pod's status, the workflow's node and Kubeflow's record of the run keep it.
_TERMINATION_LOG = Path("/dev/termination-log")
_LONGEST_TERMINATION = 4096
# Metadata written for people. It is cut, because all metadata of an artifact reaches its consumers in one argument.
_PROSE = {"summary", "reason"}
_LONGEST_TEXT = 4096
_last_figure = ""
_logger = logging.getLogger(__name__)


def figure(text: str) -> None:
    """Says the one figure that matters now (rows, steps/s and loss, verdict). The last one becomes the task's summary."""
    global _last_figure
    _last_figure = redact(text)
    log_figure(_last_figure)


def command(package: str) -> typing.NoReturn:
    """Runs `main` and leaves without taking the interpreter apart, which takes a second where TensorFlow is in it.

    Whatever a user's module does at exit, it does before the task's last words, so that none of its lines passes for them.
    """
    code: int | str = 1
    last = trace = ""
    redact_logging()
    executor_input = _parse(package, sys.argv[1:])
    del sys.argv[1:]  # a user's module that parses the arguments gets its defaults, not ours
    usage = Usage()
    try:
        last, code = _run(package, executor_input)
    except BaseException as error:
        if end := exit_in(error):
            code = end.code if isinstance(end.code, int) else 1
        elif isinstance(error, Exception):  # a bug: its traceback is what there is to say
            trace = redact(traceback.format_exc())
            _terminate_with(redact(f"{type(error).__name__}: {error}"))
        else:
            raise
    run_exit_functions()
    sys.stdout.flush()
    # A progress bar that was broken off has left its line open.
    say(f"\n{marks.USAGE}{json.dumps(usage.read(), sort_keys=True)}")
    sys.stderr.write(trace)
    sys.stderr.flush()
    if last:
        say(last)
    if isinstance(code, str):
        print(code, file=sys.stderr, flush=True)
    os._exit(code if isinstance(code, int) else 1)


def main(package: str, argv: list[str]) -> typing.NoReturn:
    """Runs the task of a component's package within a process that goes on; always ends in `SystemExit`, with 0 or what went wrong.

    Args:
        package: The component's package, such as `penstock.components.train_model`: the function of the same last name in
            its module `task` is called.
        argv: The arguments, without the program's name.
    """
    last, code = _run(package, _parse(package, argv))
    say(last)
    sys.exit(code)


def _parse(package: str, argv: list[str]) -> str:
    """Returns the executor input among a command's arguments."""
    parser = argparse.ArgumentParser(prog=f"python -m {package}", description=f"Runs the component {package.split('.')[-1]}.")
    parser.add_argument("--executor_input", required=True, help="the executor input as JSON, which the backend fills in for {{$}}")
    return parser.parse_args(argv).executor_input


def _run(package: str, text: str) -> tuple[str, int | str]:
    """Runs a task; returns its log's last line, and the exit code or what went wrong in a line for people."""
    try:
        _prepare_process()
        given = execute(_import_task(package), parse(text))
    except TaskError as error:
        reason = " ".join(str(error).split())
    else:
        # Kubeflow's API does not return a task's outputs. Everybody who may read its log may know them.
        return marks.OUTPUTS + json.dumps(redact_all(given), sort_keys=True), 0
    reason = redact(reason)
    _terminate_with(reason)
    return marks.ERROR + reason, f"error: {reason}"


def import_ahead(modules: Iterable[str]) -> None:
    """Does what `command` begins with, for tasks whose arguments are not known yet.

    Args:
        modules: What they import.
    """
    redact_logging()
    _prepare_process()
    with importing():
        for module in modules:
            importlib.import_module(module)


def _prepare_process() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))  # so that a pod's end cleans up the way an error does
    configure_logging()
    _set_quiet_defaults()


def _terminate_with(reason: str) -> None:
    """Says why the task failed where Kubernetes looks for it; elsewhere there is no such file.

    Kubeflow's tables hold no character beyond U+FFFF: a run in whose workflow there is one never ends.
    """
    if _TERMINATION_LOG.is_file():
        text = "".join(each if each <= "\uffff" else f"\\U{ord(each):08x}" for each in reason)
        whole = text.encode(errors="backslashreplace")[:_LONGEST_TERMINATION].decode(errors="ignore")
        with contextlib.suppress(OSError):
            _TERMINATION_LOG.write_text(whole, encoding="utf-8")


def _import_task(package: str) -> Callable[..., Any]:
    with importing(), _timed(f"importing {package}.task"):
        return getattr(importlib.import_module(f"{package}.task"), package.split(".")[-1])


@contextlib.contextmanager
def importing() -> Iterator[None]:
    """Delays imports that most tasks do not need, and takes what imports make out of the garbage collector's sight.

    Modules live as long as the process; looking at them again and again takes seconds where TensorFlow is among them.
    """
    gc.disable()
    try:
        with deferred_imports():
            yield
    finally:
        gc.freeze()
        gc.enable()


def execute(task: Callable[..., Any], executor_input: dict[str, Any]) -> dict[str, Any]:
    """Calls a task with what an executor input says, and writes its outputs.

    Outputs are made beside their destination and renamed into place at the end; the executor output file is written last.

    Args:
        task: A function whose parameters are annotated with `Input`, `Output`, str, int, float, bool, dict or list (or one of
            these `| None`), and which returns None or a NamedTuple of output parameters.
        executor_input: The JSON form of `ExecutorInput`.

    Returns:
        The JSON form of `ExecutorOutput`.

    Raises:
        TaskError: The executor input does not fit the task's signature, or the task raised it.
    """
    global _last_figure
    _last_figure = ""
    outputs_spec = executor_input.get("outputs") or {}
    arguments, outputs = _bind(task, executor_input)
    destinations = {name: output.path for name, output in outputs.items()}
    inputs = [value for value in arguments.values() if isinstance(value, Input)]
    reports = _report_files(outputs_spec)
    check_places([*destinations.values(), *reports], [value.path for value in inputs])
    begun: list[Output] = []
    try:
        for output in outputs.values():
            output.path = _scratch(output.path)
            begun.append(output)
        for path in reports:
            with placing(path):
                remove(path)  # an earlier attempt's: if this one fails, they would speak for it
        for value in inputs:
            _ = value.fingerprint  # refuses what is not what its metadata says
            _logger.debug("input %s: %s, fingerprint %s", value.name, value.path, value.fingerprint)
        with _timed(task.__name__):
            result = task(**arguments)
        for value in inputs:
            value.require_unchanged()
        _describe(outputs)
        _publish(outputs, destinations)
        return _report(outputs_spec, outputs, result._asdict() if result is not None else {})
    except GateFailed:
        _publish(outputs, destinations)
        raise
    except BaseException as error:
        for path in (*(output.path for output in begun), *reports):
            with contextlib.suppress(OSError):
                remove(path)
        if isinstance(error, TaskError) or not is_disk_full(error):
            raise
        full = file_without_space(error, [output.path for output in outputs.values()])
        raise TaskError(f"cannot write {full}: no space left on the device; free some space and run the task again") from error


def _bind(task: Callable[..., Any], executor_input: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Output]]:
    """Fits an executor input to a task's signature: unknown keys are ignored, missing or null ones take the default."""
    hints = typing.get_type_hints(task)
    inputs = executor_input.get("inputs") or {}
    values = inputs.get("parameterValues") or {}
    given = {name: ((entry or {}).get("artifacts") or [None])[0] for name, entry in (inputs.get("artifacts") or {}).items()}
    outputs = executor_input.get("outputs") or {}
    made = {name: entry["artifacts"][0] for name, entry in (outputs.get("artifacts") or {}).items()}
    unknown = set(outputs.get("parameters") or {}) - set(getattr(hints.get("return"), "_fields", ()))
    if unknown and "return" in hints:
        raise TaskError(f"{task.__name__} has no output parameter {min(unknown)}; compile the pipeline with this version of Penstock")
    arguments: dict[str, Any] = {}
    for name, parameter in inspect.signature(task).parameters.items():
        kind, _ = _unwrap_optional(hints[name])
        if kind is Output:
            if name not in made:
                raise TaskError(
                    f"output artifact {name} is missing from the executor input of {task.__name__}; compile the pipeline with this version of Penstock"
                )
            arguments[name] = Output.from_runtime_artifact(made[name])
        elif kind is Input and given.get(name) is not None:
            arguments[name] = Input.from_runtime_artifact(given[name])
        elif kind is not Input and values.get(name) is not None:
            arguments[name] = _convert(task.__name__, name, decode(values[name]), kind)
        elif parameter.default is inspect.Parameter.empty:
            what = "input artifact" if kind is Input else "parameter"
            raise TaskError(f"{what} {name} of {task.__name__} is missing: give it a value")
    return arguments, {name: value for name, value in arguments.items() if isinstance(value, Output)}


def _unwrap_optional(hint: Any) -> tuple[Any, bool]:
    """Returns the type behind `T | None` and whether None is allowed; `dict[...]` becomes `dict`."""
    optional = typing.get_origin(hint) in (typing.Union, types.UnionType)
    if optional:
        hint = next(option for option in typing.get_args(hint) if option is not type(None))
    return typing.get_origin(hint) or hint, optional


def _convert(task: str, name: str, value: Any, kind: type) -> Any:
    """Checks a JSON value against a parameter's type. Whole floats count as ints: protobuf knows one kind of number."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if kind is int and is_number and float(value).is_integer():
        return int(value)
    if kind is float and is_number:
        return float(value)
    if kind not in (int, float) and isinstance(value, kind):
        return value
    raise TaskError(f"parameter {name} of {task} must be {kind.__name__}, not {type(value).__name__} {redact(json.dumps(value))[:80]}")


def _scratch(destination: Path) -> Path:
    """Returns where a task makes an output; made in place, the executor output file makes it count."""
    with placing(destination):
        path = scratch_beside(destination)
        if path != destination:  # may it be written at all?
            path.touch()
            path.unlink()
    return path


def _publish(outputs: dict[str, Output], destinations: dict[str, Path]) -> None:
    """Renames what the task made into place, as every backend would give it on."""
    for name, output in outputs.items():
        destination = destinations[name]
        with placing(destination):
            settle(output.path)
            if output.path != destination:
                remove(destination)
                if output.path.exists():
                    output.path.replace(destination)
            output.path = destination


def _describe(outputs: dict[str, Output]) -> None:
    """Adds to each artifact's metadata what every artifact carries."""
    for output in outputs.values():
        output.metadata |= {"penstock_version": penstock.__version__} | ({"summary": _last_figure} if _last_figure else {})
        if output.hashes or os.path.lexists(output.path):  # a link to nothing as well, to be refused
            output.metadata["fingerprint"] = fingerprint(output.path, output.hashes)
            _logger.debug("output %s: %s, fingerprint %s", output.name, output.uri, output.metadata["fingerprint"])
        output.metadata = redact_all(output.metadata)
        output.metadata |= {name: _clipped(output.metadata[name]) for name in _PROSE & output.metadata.keys()}


def _clipped(value: Any) -> Any:
    """Shortens a text: a library's error may be of any length, and a consumer's metadata is limited."""
    return f"{value[:_LONGEST_TEXT]}..." if isinstance(value, str) and len(value) > _LONGEST_TEXT else value


def _report(outputs_spec: dict[str, Any], outputs: dict[str, Output], parameters: dict[str, Any]) -> dict[str, Any]:
    """Writes the output parameters and, last, the executor output file; returns what that says.

    Raises:
        TaskError: A number would arrive as another one: a parameter of its type cannot be encoded.
    """
    for name, value in parameters.items():
        if isinstance(value, (int, float)) and not isinstance(value, bool) and not is_passed_on(value):
            raise TaskError(f"output parameter {name} is {value}, which would arrive as another number; return it as text")
    parameters = {name: encode(value, structured=True) for name, value in parameters.items()}
    for name, path in _parameter_files(outputs_spec).items():
        value = parameters[name]
        _write(path, value if isinstance(value, str) else json.dumps(value))
    given = _executor_output(outputs_spec, outputs, parameters)
    if output_file := outputs_spec.get("outputFile"):
        _write(Path(output_file), json.dumps(given, indent=1, sort_keys=True))
    return given


def _parameter_files(outputs_spec: dict[str, Any]) -> dict[str, Path]:
    return {name: Path(spec["outputFile"]) for name, spec in (outputs_spec.get("parameters") or {}).items()}


def _report_files(outputs_spec: dict[str, Any]) -> list[Path]:
    output_file = outputs_spec.get("outputFile")
    return [*_parameter_files(outputs_spec).values(), *([Path(output_file)] if output_file else [])]


def _write(path: Path, text: str) -> None:
    try:
        with placing(path), atomically(path) as scratch:
            scratch.write_text(text, encoding="utf-8")
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


def _executor_output(outputs_spec: dict[str, Any], outputs: dict[str, Output], parameters: dict[str, Any]) -> dict[str, Any]:
    """Builds the `ExecutorOutput`: every output artifact echoed with its metadata, every output parameter."""

    def echo(name: str, spec: dict[str, Any]) -> dict[str, Any]:
        artifact: Artifact | None = outputs.get(name)
        if artifact is None:
            return spec
        kind = (spec.get("type") or {}).get("schemaTitle") or ""
        return spec | {"uri": artifact.uri, "metadata": encode_metadata(artifact.metadata, kind)}

    artifacts = outputs_spec.get("artifacts") or {}
    return {
        "artifacts": {name: {"artifacts": [echo(name, entry["artifacts"][0])]} for name, entry in artifacts.items()},
        "parameterValues": parameters,
    }


def _set_quiet_defaults() -> None:
    """Keeps the libraries' start-up chatter out of the logs, unless they are asked for."""
    chatter = {"TF_CPP_MIN_LOG_LEVEL": "0" if is_verbose() else "2"}
    for name, value in (chatter | {"TF_ENABLE_ONEDNN_OPTS": "0", "GIT_PYTHON_REFRESH": "quiet"}).items():
        os.environ.setdefault(name, value)


@contextlib.contextmanager
def _timed(what: str) -> Iterator[None]:
    started = time.monotonic()
    yield
    _logger.debug("%s took %.1f s", what, time.monotonic() - started)
