"""Text that travels inside a pipeline's parameters: modules, schemas, configurations.

Packed text is `PREFIX` + base64(bzip2(utf-8)): Argo expands `{{` in plain text and Linux caps one argument at 128 KiB. bzip2, because
it gives the same bytes everywhere; zlib and its replacement zlib-ng do not.
"""

import atexit
import base64
import bz2
import importlib.util
import shutil
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from .artifacts import local_path
from .errors import TaskError
from .redacting import redact
from .tfx_types import offer_tfx

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
    packed = PREFIX + base64.b64encode(bz2.compress(text.encode())).decode()
    if len(packed) > MAX_PACKED_BYTES:
        raise TaskError(
            f"{what} is {len(packed) // 1024} KiB packed, more than the 64 KiB that a parameter may hold; put it in a bucket and pass its URI"
        )
    return packed


def read_text(value: str, what: str) -> str:
    """Reads a parameter that holds packed text, plain text (it has a line break, or a brace and is no file), or the path or URI of a file.

    Args:
        value: The parameter's value.
        what: What to call it in an error, such as `schema_file`.

    Raises:
        TaskError: It cannot be unpacked, or no file can be read there.
    """
    if value.startswith(PREFIX):
        try:
            return _unpack(value[len(PREFIX) :])
        except (OSError, ValueError, EOFError) as error:
            raise TaskError(f"{what} starts with {PREFIX} but cannot be unpacked ({error}); compile the pipeline again") from error
    if _is_text(value):
        return value
    try:
        return _read_uri(value)
    except TaskError:
        raise
    except Exception as error:  # every filesystem has exceptions of its own
        raise TaskError(
            f"{what}: cannot read {redact(value)[:200]!r} ({error}); give a readable path or URI, or the text itself"
        ) from error


def _is_text(value: str) -> bool:
    if "\n" in value:
        return True
    if "{" not in value or "://" in value:
        return False
    try:
        return not Path(value).is_file()
    except OSError:  # too long for a path
        return True


def _unpack(packed: str) -> str:
    unpacker = bz2.BZ2Decompressor()
    text = unpacker.decompress(base64.b64decode(packed, validate=True), MAX_TEXT_BYTES)
    if not unpacker.eof:
        raise ValueError(f"it is cut short, or more than {MAX_TEXT_BYTES >> 20} MiB unpacked")
    return text.decode()


def _read_uri(uri: str) -> str:
    path = Path(local_path(uri))
    if not path.is_file() and "://" in uri:
        from .remote import open_filesystem

        files, name = open_filesystem(uri)
        stream = files.open(name, "rb")
    elif path.is_file() or not path.exists():
        stream = path.open("rb")
    else:
        raise ValueError("it is no file")
    with stream:
        text = stream.read(MAX_TEXT_BYTES + 1)
    if len(text) > MAX_TEXT_BYTES:
        raise ValueError(f"it is more than {MAX_TEXT_BYTES >> 20} MiB")
    return text.decode()


def load_function(module_file: str, name: str, what: str = "module_file") -> Callable:
    """Imports a user's module and returns one of its functions.

    Args:
        module_file: The module's source, as `read_text` takes it.
        name: The function's name, such as `run_fn`.
        what: The parameter's name, for errors.

    Raises:
        TaskError: The module cannot be read, does not compile, raises at import, or lacks the function.
    """
    module = load_module(read_text(module_file, what), what)
    function = getattr(module, name, None)
    if not callable(function):
        raise TaskError(f"{what} has no function {name}: define it as TFX's module contract says")
    return function


def load_module(source: str, what: str = "module_file") -> ModuleType:
    """Imports a module from its source, from a file that exists as long as the process, so that tracebacks show its lines."""
    offer_tfx()
    folder = Path(tempfile.mkdtemp(prefix="penstock-module-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = folder / "user_module.py"
    path.write_text(source, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # pickle, tf.function and dataclasses look the module up by name
    try:
        spec.loader.exec_module(module)
    except TaskError:
        raise
    except Exception as error:
        raise TaskError(f"{what} cannot be imported: {explain(error, path)}; correct the module") from error
    return module


def explain(error: Exception, path: Path) -> str:
    """Names an exception and the module's own line, however deep in a library it was raised."""
    if isinstance(error, SyntaxError):
        return f"{type(error).__name__}: {error.msg} (line {error.lineno})"
    own = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return f"{type(error).__name__}: {error}" + (f" (line {own[-1]})" if own else "")
