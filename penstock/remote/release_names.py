"""Rejects, before anything runs, names that tasks would reject only after the training."""

from typing import Any

from penstock.components.protocol.errors import TaskError
from penstock.components.release.destinations.uri import check_destination_name
from penstock.components.release.names import check_model_name

from ..errors import UserError
from .values import given_to_penstock

_CHECKS = {"model_name": check_model_name, "destination": check_destination_name}


def check_names(spec: dict[str, Any], parameters: dict[str, Any]) -> None:
    """Checks the names of models and the destinations among a pipeline's parameters.

    Args:
        spec: The PipelineSpec in JSON form.
        parameters: The pipeline's parameters, those that were given.

    Raises:
        UserError: One is refused by the tasks that read it.
    """
    for name, value in given_to_penstock(spec, parameters):
        if name in _CHECKS and isinstance(value.value, str):
            try:
                _CHECKS[name](value.value)
            except TaskError as error:
                raise UserError(f"parameter {value.parameter}: {error}") from error
