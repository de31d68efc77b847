"""Text in a pipeline's parameters: single-file modules, Schemas, configurations.

Packed text is `PREFIX` + base64(bzip2(utf-8)): Argo expands `{{` in plain text and Linux caps one argument at 128 KiB. bzip2, because
it gives the same bytes everywhere; zlib and its replacement zlib-ng do not.
"""

import base64
import bz2
from pathlib import Path

from penstock.components.protocol.artifacts import local_path
from penstock.components.protocol.errors import TaskError
from penstock.components.protocol.redacting import redact

from .filesystems import explaining, open_filesystem

PREFIX = "bz2+base64:"
MAX_PACKED_BYTES = 64 * 1024
MAX_TEXT_BYTES = 16 << 20  # far more than anybody writes, and little enough for any machine


def pack(text: str, what: str = "the text") -> str:
    """Packs a text for a pipeline parameter.

    Args:
        text: Any text.
        what: What to call it in an error.

    Raises:
        TaskError: The packed text is longer than 64 KiB.
    """
    return check_packed(PREFIX + base64.b64encode(bz2.compress(text.encode())).decode(), what)


def check_packed(packed: str, what: str) -> str:
    """Returns a packed text, if a parameter may hold it.

    Raises:
        TaskError: It is longer than 64 KiB.
    """
    if len(packed) > MAX_PACKED_BYTES:
        raise TaskError(
            f"{what} is {len(packed) // 1024} KiB packed, more than the 64 KiB that a parameter may hold; put it in a bucket and pass its URI"
        )
    return packed


def read_text(value: str, what: str) -> str:
    """Reads a parameter that holds packed text, plain text (it has a line break, or a brace and is not a file), or the path or URI of a file.

    Args:
        value: The parameter's value.
        what: What to call it in an error, such as `schema_file`.

    Raises:
        TaskError: It cannot be unpacked, or no file can be read there.
    """
    if value.startswith(PREFIX):
        try:
            return unpack(value[len(PREFIX) :]).decode()
        except (OSError, ValueError, EOFError) as error:
            raise TaskError(f"{what} starts with {PREFIX} but cannot be unpacked ({error}); compile the pipeline again") from error
    if is_text(value):
        return value
    with explaining(f"{what}: cannot read {redact(value)[:200]!r}", "give a readable path or URI, or the text itself"):
        return _read_uri(value)


def is_text(value: str) -> bool:
    """Tells whether a value is a text itself, packed or plain, rather than the place of one."""
    if "\n" in value or value.startswith(PREFIX):
        return True
    if "{" not in value or "://" in value:
        return False
    try:
        return not Path(value).is_file()
    except OSError:  # too long for a path
        return True


def unpack(packed: str) -> bytes:
    """Undoes base64 and bzip2.

    Raises:
        OSError, ValueError: It was no such text, or is too long.
    """
    unpacker = bz2.BZ2Decompressor()
    text = unpacker.decompress(base64.b64decode(packed, validate=True), MAX_TEXT_BYTES)
    if not unpacker.eof:
        raise ValueError(f"it is truncated, or larger than {MAX_TEXT_BYTES >> 20} MiB unpacked")
    return text


def _read_uri(uri: str) -> str:
    path = Path(local_path(uri))
    if not path.is_file() and "://" in uri:
        files, name = open_filesystem(uri)
        stream = files.open(name, "rb")
    elif path.is_file() or not path.exists():
        stream = path.open("rb")
    else:
        raise ValueError("it is not a file")
    with stream:
        text = stream.read(MAX_TEXT_BYTES + 1)
    if len(text) > MAX_TEXT_BYTES:
        raise ValueError(f"it is larger than {MAX_TEXT_BYTES >> 20} MiB")
    return text.decode()
