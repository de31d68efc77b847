"""The training pipeline that is to be started: its file, and the parameters that it is given."""

import importlib.resources
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from penstock.components.data.source import is_text, read_text
from penstock.components.protocol import TaskError, redact

_REASON = "reason"
_PLACEHOLDER = re.compile(r"\{(span|window_start|window_end|train_start|reason)\}")


@dataclass(frozen=True)
class TrainingPipeline:
    """A compiled pipeline.

    Attributes:
        file: Its file.
        name: Its name.
        inputs: Its parameters, by name, with what the file says of each.
    """

    file: Path
    name: str
    inputs: dict[str, dict[str, Any]]

    def parameters(self, given: dict[str, Any], values: dict[str, str]) -> dict[str, Any]:
        """Returns the parameters of a run, their placeholders replaced, with the reason where the pipeline takes it.

        Raises:
            TaskError: The pipeline has no such parameter or lacks one, or a placeholder has no value.
        """
        filled = {name: _filled(value, values, name) for name, value in given.items()}
        if unknown := [name for name in filled if name not in self.inputs]:
            raise TaskError(f"the training pipeline {self.name} has no parameter {unknown[0]!r:.60}; correct parameters")
        if _REASON in self.inputs:
            filled.setdefault(_REASON, values["reason"])
        missing = [
            name
            for name, about in self.inputs.items()
            if name not in filled and "defaultValue" not in about and not about.get("isOptional")
        ]
        if missing:
            raise TaskError(f"the training pipeline {self.name} lacks the parameter {missing[0]}; add it to parameters")
        return filled


@contextmanager
def read_pipeline(value: str) -> Iterator[TrainingPipeline]:
    """Gives the pipeline that a path, a URI, a text or a name of one of Penstock's means.

    Raises:
        TaskError: There is none.
    """
    own = Path(str(importlib.resources.files("penstock.compiled"))) / f"{value}.yaml"
    text = own.read_text(encoding="utf-8") if re.fullmatch(r"[\w/-]+", value) and own.is_file() else _read(value)
    with tempfile.TemporaryDirectory(prefix="penstock-pipeline-") as folder:
        file = Path(folder) / "pipeline.yaml"
        file.write_text(text, encoding="utf-8")
        yield _parsed(file, text, "its text" if is_text(value) else redact(value)[:200])


def _read(value: str) -> str:
    try:
        return read_text(value, "training_pipeline")
    except TaskError as error:
        raise TaskError(f"the training pipeline does not exist or cannot be read: {error}") from error


def _parsed(file: Path, text: str, what: str) -> TrainingPipeline:
    try:
        document: Any = next(iter(yaml.load_all(text, yaml.CSafeLoader)), None)
        name = document["pipelineInfo"]["name"]
        inputs = document["root"].get("inputDefinitions", {}).get("parameters", {})
    except (yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise TaskError(f"the training pipeline {what} is no compiled pipeline; compile it with kfp's compiler") from error
    return TrainingPipeline(file, str(name), inputs)


def _filled(value: Any, values: dict[str, str], parameter: str) -> Any:
    if isinstance(value, dict):
        return {key: _filled(item, values, parameter) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, values, parameter) for item in value]
    if not isinstance(value, str):
        return value

    def replaced(match: re.Match[str]) -> str:
        if match[1] not in values:
            given = "monitoring" if "span" in values else "span"
            raise TaskError(f"the parameter {parameter} has {match[0]}, which needs {given}; give it, or remove {match[0]}")
        return values[match[1]]

    return _PLACEHOLDER.sub(replaced, value)
