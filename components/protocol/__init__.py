"""The executor protocol: how a task is called, which errors it raises, what it returns, and how values pass between tasks on every backend.

Every image runs this package before it knows its task, so the package imports only the standard library, not even another room.
Tasks take the names below from the package; the other rooms, the SDK and the model server may import its modules too, but for `lazy` and
`places`, which are the executor's own.
"""

from .artifacts import Artifact, Input, Output, local_path
from .errors import GateFailed, TaskError
from .executor import command, execute, figure, main
from .fingerprint import file_sha256, fingerprint
from .redacting import redact, redact_all

__all__ = [
    "Artifact",
    "GateFailed",
    "Input",
    "Output",
    "TaskError",
    "command",
    "execute",
    "figure",
    "file_sha256",
    "fingerprint",
    "local_path",
    "main",
    "redact",
    "redact_all",
]
