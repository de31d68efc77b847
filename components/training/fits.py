"""Changes what every `Model.fit` of a user's module is called with."""

import functools
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

Around = Callable[[Any, dict[str, Any]], AbstractContextManager[None]]


@contextmanager
def around_fits(around: Around) -> Iterator[None]:
    """Has every `Model.fit` inside run in a context.

    Args:
        around: Makes the context from the Keras package and fit's arguments by name, which it may change.
    """
    with ExitStack() as stack:
        # A module that says `tf.keras` means Keras 2 once tf.Transform is imported, and that is a package of its own.
        for package in filter(None, map(sys.modules.get, ("keras", "tf_keras"))):
            stack.enter_context(_around_fits_of(package, around))
        yield


@contextmanager
def _around_fits_of(package: Any, around: Around) -> Iterator[None]:
    fit = package.Model.fit
    signature = inspect.signature(fit)

    @functools.wraps(fit)  # whoever stands around this one as well looks at its signature
    def fit_inside(*args: Any, **kwargs: Any) -> Any:
        bound = signature.bind(*args, **kwargs)
        bound.arguments["callbacks"] = _as_list(bound.arguments.get("callbacks"))
        with around(package, bound.arguments):
            return fit(*bound.args, **bound.kwargs)

    package.Model.fit = fit_inside
    try:
        yield
    finally:
        package.Model.fit = fit


def _as_list(callbacks: Any) -> list[Any]:
    return [*callbacks] if isinstance(callbacks, list | tuple) else [callbacks] if callbacks else []
