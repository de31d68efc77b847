"""The hyperparameters of a `run_fn`, for modules of both kinds: those that read plain values, and TFX's, which read KerasTuner's config."""

from typing import Any

SPACE, VALUES = "space", "values"


class Hyperparameters(dict[str, Any]):
    """Values by name, which answer for KerasTuner's config as well.

    As a dict it has the values only: `hyperparameters["learning_rate"]`, `DEFAULTS | hyperparameters`. Of `["space"]` and `["values"]`,
    which `keras_tuner.HyperParameters.from_config` reads, it gives what KerasTuner's `get_config()` has.
    """

    def __init__(self, given: dict[str, Any]) -> None:
        """Takes values by name, or KerasTuner's config: the best_hyperparameters of tune_model, and of TFX's Tuner."""
        is_config = given.keys() == {SPACE, VALUES}
        super().__init__(given[VALUES] if is_config else given)
        self._space: list[dict[str, Any]] = [_of_one_type(entry) for entry in given[SPACE]] if is_config else fixed(given)

    def __missing__(self, name: str) -> Any:
        if name == SPACE:
            return self._space
        if name == VALUES:
            return dict(self)
        raise KeyError(name)


def fixed(values: dict[str, Any]) -> list[dict[str, Any]]:
    """Returns the space that has no choice, as far as KerasTuner knows the values' types."""
    return [
        {"class_name": "Fixed", "config": {"name": name, "conditions": [], "value": value}}
        for name, value in values.items()
        if isinstance(value, (bool, int, float, str))
    ]


def _of_one_type(entry: dict[str, Any]) -> dict[str, Any]:
    """Returns a hyperparameter's config with choices of one type, as KerasTuner requires: 1.0 arrives as 1 where it has travelled."""
    config = entry["config"]
    choices = config.get("values", [])
    if not any(isinstance(value, float) for value in choices):
        return entry
    as_float = {"values": [float(value) for value in choices]}
    return entry | {"config": config | as_float | ({"default": float(config["default"])} if config.get("default") is not None else {})}
