"""From a path to what answers it."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..kubernetes.answer import Answer, Request
from .errors import INVALID, KfpError

_NAME = re.compile(r"\{(\w+)\}")
PREFIX = "/apis/v2beta1"


@dataclass(frozen=True)
class Call:
    """A call that has found its handler.

    Attributes:
        request: The request.
        user: Who calls.
        names: What the path names.
    """

    request: Request
    user: str
    names: dict[str, str]

    @property
    def query(self) -> dict[str, str]:
        """The query."""
        return self.request.query

    def body(self, message: type[Any]) -> dict[str, Any]:
        """Returns the body.

        Args:
            message: The model of the generated client, whose fields are those of the proto file.

        Raises:
            KfpError: It is no such message.
        """
        try:
            body = json.loads(self.request.body)
        except ValueError as error:
            raise _malformed(str(error)) from error
        for name in body:
            if name not in message.attribute_map.values():
                raise _malformed(f'proto: (line 1:1): unknown field "{name}"')
        return body


Handle = Callable[[Call], dict[str, Any] | Answer]


@dataclass(frozen=True)
class Route:
    """What answers a method on the paths of a shape, such as `/runs/{run_id}`."""

    method: str
    shape: str
    handle: Handle
    prefix: str = PREFIX

    def match(self, request: Request) -> dict[str, str] | None:
        """Returns what the path names; None if it is another's."""
        pattern = _NAME.sub(r"(?P<\1>[^/:]+)", self.prefix + self.shape)
        found = re.fullmatch(pattern, request.path) if request.method == self.method else None
        return found.groupdict() if found else None


def _malformed(problem: str) -> KfpError:
    return KfpError(INVALID, problem, problem)
