"""A search space, as people write it and as KerasTuner has it."""

import json
import math
from dataclasses import dataclass
from typing import Any

import keras_tuner
from keras_tuner.engine.hyperparameters import Fixed

from penstock.components.protocol import TaskError
from penstock.components.training.hyperparameters import SPACE, VALUES, fixed

_RANGE_KEYS = {"min", "max", "step", "log", "whole"}


@dataclass(frozen=True)
class Space:
    """What is searched.

    Attributes:
        parameters: KerasTuner's form.
        coded: The names whose choices KerasTuner has as JSON, because they are neither numbers nor texts.
        given: The values of the hyperparameters that are not searched.
        start: The first trial's values in KerasTuner's form; None leaves them to the search.
    """

    parameters: keras_tuner.HyperParameters
    coded: frozenset[str]
    given: dict[str, Any]
    start: dict[str, Any] | None

    @property
    def searched(self) -> dict[str, Any]:
        """KerasTuner's hyperparameters that have more than one value, by name."""
        return {each.name: each for each in self.parameters.space if not isinstance(each, Fixed)}

    def values(self, drawn: dict[str, Any]) -> dict[str, Any]:
        """Returns what `run_fn` gets for what KerasTuner has drawn."""
        return self.given | {name: json.loads(value) if name in self.coded else value for name, value in drawn.items()}

    def drawn(self, values: dict[str, Any]) -> dict[str, Any]:
        """Returns what KerasTuner had drawn for what `run_fn` got."""
        searched = {name: values.get(name, parameter.default) for name, parameter in self.searched.items()}
        return {name: json.dumps(value) if name in self.coded else value for name, value in searched.items()}

    def config(self, values: dict[str, Any]) -> dict[str, Any]:
        """Returns KerasTuner's config of one choice."""
        return {SPACE: [*self.parameters.get_config()[SPACE], *fixed(self.given)], VALUES: values}


def read_space(search_space: dict[str, Any], hyperparameters: dict[str, Any]) -> Space:
    """Reads a search space.

    Args:
        search_space: Each name's choices (a list), or its range: `min`, `max` and, if need be, `step`, `log`, `whole`.
        hyperparameters: Values by name. Those of searched names are where the search starts, if there is one of each.

    Raises:
        TaskError: The choices or the range of a name cannot be searched, or its value is not in them.
    """
    parameters, coded = keras_tuner.HyperParameters(), set()
    start = {}
    for name, spec in search_space.items():
        if name in (SPACE, VALUES):
            raise TaskError(f"search_space: {name!r} has a meaning in KerasTuner's config; rename the hyperparameter")
        if isinstance(spec, list) and spec:
            if _add_choices(parameters, name, spec):
                coded.add(name)
        elif isinstance(spec, dict) and {"min", "max"} <= spec.keys() <= _RANGE_KEYS:
            _add_range(parameters, name, spec)
        else:
            raise TaskError(
                f"search_space: {name} is {json.dumps(spec):.80}; give a list of choices, or a range such as "
                '{"min": 0.0001, "max": 0.1, "log": true}'
            )
        if name in hyperparameters:
            start[name] = _checked(name, hyperparameters[name], spec, name in coded)
    given = {name: value for name, value in hyperparameters.items() if name not in search_space}
    return Space(parameters, frozenset(coded), given, start if start.keys() == search_space.keys() else None)


def _add_choices(parameters: keras_tuner.HyperParameters, name: str, choices: list[Any]) -> bool:
    """Adds a name's choices; returns whether they are coded."""
    if all(_is_number(value) for value in choices):
        kind = int if all(isinstance(value, int) for value in choices) else float
        parameters.Choice(name, [kind(value) for value in choices])
        return False
    is_text = all(isinstance(value, str) for value in choices)
    parameters.Choice(name, choices if is_text else [json.dumps(value) for value in choices])
    return not is_text


def _add_range(parameters: keras_tuner.HyperParameters, name: str, spec: dict[str, Any]) -> None:
    least, most, step = spec["min"], spec["max"], spec.get("step")
    log, whole = spec.get("log", False), spec.get("whole", all(isinstance(spec.get(key, 0), int) for key in ("min", "max", "step")))
    numbers = [least, most] + ([] if step is None else [step])
    if not all(_is_number(value) for value in numbers) or not all(isinstance(flag, bool) for flag in (log, whole)):
        raise TaskError(f"search_space: {name}: min, max and step must be numbers, log and whole true or false, not {json.dumps(spec):.80}")
    if least >= most:
        raise TaskError(f"search_space: {name}: min is {least} and max {most}; give a min that is less than max")
    if log and least <= 0:
        raise TaskError(f"search_space: {name}: min is {least}; a log range needs a min above 0")
    if step is not None and step <= (1 if log else 0):
        raise TaskError(f"search_space: {name}: step is {step}; give one above {'1, which multiplies' if log else 0}")
    if whole and not all(float(value).is_integer() for value in numbers):
        raise TaskError(f"search_space: {name}: whole is true, but {json.dumps(spec):.80} has other numbers; give whole numbers")
    add, kind = (parameters.Int, int) if whole else (parameters.Float, float)
    add(name, kind(least), kind(most), step=None if step is None else kind(step), sampling="log" if log else "linear")


def _checked(name: str, value: Any, spec: Any, is_coded: bool) -> Any:
    """Returns the value to start from in KerasTuner's form."""
    if isinstance(spec, list):
        if value not in spec:
            raise TaskError(f"hyperparameters: {name} is {json.dumps(value):.40}, which search_space does not offer; add it to the choices")
        return json.dumps(value) if is_coded else value
    if not _is_number(value) or not spec["min"] <= value <= spec["max"]:
        raise TaskError(
            f"hyperparameters: {name} is {json.dumps(value):.40}, but search_space has {spec['min']} to {spec['max']}; give a number of this range"
        )
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
