"""Detects the compression of a file from its first bytes, because its name may be wrong."""

import io
import re
from pathlib import Path

import pyarrow as pa

from penstock.components.protocol import TaskError

_LONGEST_MARK = 10
_READ = {
    "gzip": rb"\x1f\x8b",
    "bz2": rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)",
    "zstd": rb"(?:\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18)",
}
_REFUSED = {"zip": rb"PK(?:\x03\x04|\x05\x06)", "xz": rb"\xfd7zXZ\x00", "lz4": rb"\x04\x22\x4d\x18", "7z": rb"7z\xbc\xaf\x27\x1c"}


def compression_of(path: Path) -> str | None:
    """Returns what a file is compressed with: `gzip`, `bz2` or `zstd`; None if nothing.

    Raises:
        TaskError: It is compressed with something else.
    """
    with path.open("rb") as stream:
        mark = stream.read(_LONGEST_MARK)
    if other := next((name for name, pattern in _REFUSED.items() if re.match(pattern, mark)), None):
        raise TaskError(f"{path} is compressed with {other}; decompress it, or use gzip, bz2 or zstd")
    return next((name for name, pattern in _READ.items() if re.match(pattern, mark)), None)


def open_plain(path: Path) -> pa.NativeFile:
    """Opens a file for reading what it holds, decompressed."""
    return pa.input_stream(str(path), compression=compression_of(path))


class WholeLineEnds(io.RawIOBase):
    """A stream whose reads never end between a carriage return and its line feed.

    Arrow's CSV reader drops a line feed at the start of a block where the last one ended with a carriage return, within quotes too
    (https://github.com/apache/arrow/issues/51368).
    """

    def __init__(self, stream: pa.NativeFile) -> None:
        self._stream = stream
        self._held = b""

    def readable(self) -> bool:
        """Says that it can be read."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Reads at most `size` bytes; a carriage return at their end waits for what follows it."""
        read = self._stream.read(size - len(self._held))
        block = self._held + read
        self._held = b"\r" if read and block.endswith(b"\r") else b""
        return block[: len(block) - len(self._held)]

    def close(self) -> None:
        """Closes what it reads from."""
        self._stream.close()
        super().close()
