"""A user's module in this process: loaded from files of its own, and its errors in one line."""

import atexit
import importlib
import importlib.util
import re
import shutil
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import Any, NoReturn

from penstock.components.protocol.ending import TERMINATED
from penstock.components.protocol.errors import TaskError

from .python_source import dotted_name, first_names, imports
from .tfx_types import provide_tfx_types
from .user_module import UserModule, read_module

_PACKAGE = "user_code"
_ROOT = "penstock-module-"


def load_function(module_file: str | UserModule, name: str, what: str = "module_file") -> Callable:
    """Imports a user's module and returns one of its functions.

    Args:
        module_file: The module, as `read_module` takes it or gives it.
        name: The function's name, such as `run_fn`.
        what: The parameter's name, for errors.

    Raises:
        TaskError: The module cannot be read, does not compile, raises at import, or lacks the function.
    """
    module = module_file if isinstance(module_file, UserModule) else read_module(module_file, what)
    function = getattr(load_module(module.defining(name, what), what), name, None)
    if not callable(function):
        raise TaskError(f"{what} has no function {name}: define it according to TFX's module contract")
    return function


def load_module(module: UserModule, what: str = "module_file") -> ModuleType:
    """Imports a module from files that exist as long as the process, so that tracebacks show its lines.

    It is part of a package, so that relative imports find what lies beside it; imports by name find the same, unless something is
    installed under that name.

    Raises:
        TaskError: It cannot be imported.
    """
    provide_tfx_types()
    _parse_flags()
    _forget()
    _check_names(module, what)
    root = Path(tempfile.mkdtemp(prefix=_ROOT)).resolve()
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    folder = root / _PACKAGE
    module.write(folder)
    sys.path.append(str(root))
    sys.meta_path.insert(0, _Beside({name for name in first_names(module.files) if not _is_installed(name)}))
    importlib.invalidate_caches()
    with in_user_code(f"{what} cannot be imported:"):
        loaded = importlib.import_module(".".join(filter(None, (_PACKAGE, dotted_name(module.main)))))
    _parse_flags()
    return loaded


class _Beside(MetaPathFinder, Loader):
    """Lets files of the package be imported without its name; they are the same modules."""

    def __init__(self, names: set[str]) -> None:
        self._names = names

    def find_spec(self, fullname: str, *_: Any) -> ModuleSpec | None:
        if fullname.partition(".")[0] not in self._names or not importlib.util.find_spec(f"{_PACKAGE}.{fullname}"):
            return None
        return ModuleSpec(fullname, self)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(f"{_PACKAGE}.{spec.name}")
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        assert module.__spec__
        module.__spec__ = module.__spec__.loader_state


def own_modules() -> list[ModuleType]:
    """Returns the modules that came with the user's module, and itself."""
    return [each for each in list(sys.modules.values()) if _is_own(each)]


def _is_own(module: ModuleType) -> bool:
    known = getattr(module, "__dict__", {})  # to ask for another attribute would load a module that loads itself on its first use
    places = [known.get("__file__"), *(known.get("__path__") or [])]  # a package may have no file
    return any(_ROOT in str(place) for place in places)


def _forget() -> None:
    """Forgets an earlier module, and what came with it."""
    for name in [name for name, each in list(sys.modules.items()) if _is_own(each)]:
        del sys.modules[name]
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, _Beside)]
    sys.path[:] = [place for place in sys.path if _ROOT not in place]


def _check_names(module: UserModule, what: str) -> None:
    """Refuses a file that would not be found, for its name is another's."""
    beside = first_names(name for name in module.files if name != module.main)
    imported = first_names(name for content in module.files.values() for name in imports(content, PurePosixPath(), relative=False))
    for name in sorted(beside & imported):
        if _is_installed(name):
            raise TaskError(
                f"{what}: the file {name} beside the module has the name of an installed package; rename it, or import it as .{name}"
            )


def _is_installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def _parse_flags() -> None:
    """Gives absl's flags, of which a module may define some, their defaults: no command line is theirs."""
    with suppress(ImportError):
        from absl import flags

        flags.FLAGS.mark_as_parsed()


@contextmanager
def in_user_code(failed: str) -> Iterator[None]:
    """Raises what a user's code raises as one line.

    Args:
        failed: The beginning of the message, before the error and the line.

    Raises:
        TaskError: The code raised something, or tried to end the process.
    """
    try:
        yield
    except TaskError:
        raise
    except SystemExit as end:
        refuse_end(end, failed)
    except Exception as error:
        raise TaskError(f"{failed} {explain(error)}; {_cure(error)}") from error


def refuse_end(end: SystemExit, failed: str) -> NoReturn:
    """Raises a user's `sys.exit()`, with which a task would end without its outputs, as an error; the end of the pod stays what it is."""
    if end.code == TERMINATED:
        raise end
    raise TaskError(
        f"{failed} SystemExit({end.code!r}): a module must neither end the process nor require arguments; correct the module"
    ) from end


def _cure(error: Exception) -> str:
    if not isinstance(error, ModuleNotFoundError):
        return "correct the module"
    return (
        "a file brings along only the files of its folder that it imports; for more files give NAME@FOLDER, "
        "for more packages use --extra-packages or your own image"
    )


def explain(error: BaseException) -> str:
    """Names an exception and the line of the user's own code, however deep in a library it was raised."""
    if isinstance(error, SyntaxError):
        return f"{type(error).__name__}: {error.msg} ({_line(str(error.filename), error.lineno)})"
    own = [line for frame in traceback.extract_tb(error.__traceback__) if (line := _line(frame.filename, frame.lineno))]
    return f"{type(error).__name__}: {error}" + (f" ({own[-1]})" if own else "")


def own_lines(text: str) -> list[str]:
    """Returns the lines of the user's own code in a traceback's text."""
    return [line for file, number in re.findall(r'File "([^"]+)", line (\d+)', text) if (line := _line(file, number))]


def _line(file: str, number: int | str | None) -> str:
    """Says where in the user's own code a line is; empty for other code."""
    own = _own_file(file)
    alone = len(list(Path(file[: -len(own)]).rglob("*.py"))) == 1 if own else False
    return own and (f"line {number}" if alone else f"{own}, line {number}")


def _own_file(file: str) -> str:
    found = re.search(rf"{_ROOT}\w+/{_PACKAGE}/(.+)", file)
    return found[1] if found else ""
