"""How a replica of a CustomJob ended, as the error of the job says it.

The error begins with `The replica workerpool1-0 exited with a non-zero status of 1.`; in some cases a `Termination reason: Error.` follows
with the container's termination message or the end of its log; then where to find the log.
"""

import re
from dataclasses import dataclass

from penstock.components.protocol.marks import error_in

_EXIT = re.compile(
    r"replica (?P<replica>workerpool\d+-\d+) exited with a non-zero status of (?P<code>\d+)\."
    r"(?:\s+Termination reason: (?P<kind>\w+)\.)?\s*(?P<words>.*?)\s*(?:To find out more about|\Z)",
    re.DOTALL,
)


@dataclass(frozen=True)
class Exit:
    """The end of a replica.

    Attributes:
        replica: Its name, such as `workerpool1-0`.
        code: The exit code of its container.
        kind: What Kubernetes calls such an end, such as `OOMKilled`; empty if the error does not say it.
        lines: What the container said in the end.
    """

    replica: str
    code: int
    kind: str
    lines: list[str]

    @classmethod
    def read(cls, error: str) -> "Exit | None":
        """Reads the error of a job; None if it speaks of no replica's end."""
        match = _EXIT.search(error)
        if match is None:
            return None
        lines = [line.strip() for line in match["words"].splitlines() if line.strip()]
        return cls(match["replica"], int(match["code"]), match["kind"] or "", lines)

    @property
    def reason(self) -> str:
        """The reason that the worker gave itself: marked at the end of its log, or alone as its termination message; empty for none."""
        return error_in(self.lines) or (self.lines[0] if len(self.lines) == 1 else "")

    def __str__(self) -> str:
        """The exit code, and the last line."""
        kind = f" ({self.kind})" if self.kind else ""
        return f"ended with exit code {self.code}{kind}" + "".join(f": {line}" for line in self.lines[-1:])
