"""What every container shares. This package's own modules need nothing but the standard library."""

from .artifacts import Artifact, Input, Output, local_path
from .errors import GateFailed, TaskError
from .executor import command, execute, figure, main
from .fingerprint import file_sha256, fingerprint
from .redacting import redact, redact_all
from .source import pack, read_text
from .user_module import load_function, load_module, pack_module, read_module

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
    "load_function",
    "load_module",
    "local_path",
    "main",
    "pack",
    "pack_module",
    "read_module",
    "read_text",
    "redact",
    "redact_all",
]
