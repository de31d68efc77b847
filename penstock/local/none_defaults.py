"""kfp.local cannot run a pipeline with an `Optional[...] = None` parameter.

Upstream (kfp 2.17): `pb2_value_to_python` raises ValueError on the unset default, and `construct_executor_input` on None.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from kfp.local import executor_input_utils, executor_output_utils

from .replacing import replaced


def _none_if_unset(to_python: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value.WhichOneof("kind") is None else to_python(value)


def _without_none(construct: Callable[..., Any]) -> Callable[..., Any]:
    """Leaves arguments that are None out, so that the component's own default holds, as on the KFP backend."""

    def wrapper(*, arguments: dict[str, Any], **rest: Any) -> Any:
        return construct(arguments={name: value for name, value in arguments.items() if value is not None}, **rest)

    return wrapper


@contextmanager
def mend() -> Iterator[None]:
    """Mends None as a default and as an argument."""
    to_python = _none_if_unset(executor_output_utils.pb2_value_to_python)
    construct = _without_none(executor_input_utils.construct_executor_input)
    with (
        replaced(executor_output_utils, "pb2_value_to_python", to_python),
        replaced(executor_input_utils, "construct_executor_input", construct),
    ):
        yield
