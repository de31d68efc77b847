"""What can go wrong at the boundary of a call, besides what the shared faults do: errors as the API server or a proxy tells them.

    double.faults.append(Fault(Fail(503), times=2))
    double.faults.append(Fault(Disconnect(applied=True), when=lambda call: call.method == "POST"))
    double.faults.append(Fault(Hang()))

`times=0` is for every call from then on.
"""

from dataclasses import dataclass

from ..kubernetes.faults import Call, Disconnect, Do, Fault, Hang, Kill, Slow
from .errors import DENIED, EXHAUSTED, INTERNAL, NOT_FOUND, UNAUTHENTICATED, UNAVAILABLE, KfpError

__all__ = ["Call", "Disconnect", "Do", "Fail", "Fault", "Hang", "Kill", "Slow"]
_GRPC = {401: UNAUTHENTICATED, 403: DENIED, 404: NOT_FOUND, 429: EXHAUSTED, 500: INTERNAL, 503: UNAVAILABLE}


@dataclass
class Fail:
    """Answers with an error; with `applied`, to a call that has taken effect all the same."""

    code: int
    message: str = "ServiceUnavailable: injected by the test"
    applied: bool = False

    def __call__(self, call: Call) -> None:
        """Raises the error."""
        raise KfpError(_GRPC[self.code], self.message, self.message)
