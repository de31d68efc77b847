"""What a service is made of."""

from collections.abc import Callable
from typing import Any

# By a method's name: what answers it, and its request's type.
Methods = dict[str, tuple[Callable[..., Any], Any]]
