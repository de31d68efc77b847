"""A user's module and the files beside it: read, packed into one parameter, loaded.

A module that is given by its file comes with what it imports of its folder, however deep; a folder or a wheel comes whole. Of
their modules, the one that defines the requested function is used.
"""

import ast
import atexit
import base64
import bz2
import hashlib
import importlib
import importlib.util
import io
import os
import re
import shutil
import sys
import tarfile
import tempfile
import traceback
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import Any, NoReturn

from penstock.components.protocol.artifacts import local_path
from penstock.components.protocol.errors import TaskError
from penstock.components.protocol.fingerprint import fingerprint_of
from penstock.components.protocol.redacting import redact

from .source import MAX_TEXT_BYTES, check_packed, is_text, pack, read_text, unpack
from .tfx_types import provide_tfx_types

FOLDER_PREFIX = "tar.bz2+base64:"
_NAMED = re.compile(r"([A-Za-z_][\w.]*)@(.+)")
_PACKAGE = "user_code"
_ROOT = "penstock-module-"
_ALONE = "user_module.py"
_TERMINATED = 143


@dataclass(frozen=True)
class UserModule:
    """A module's files.

    Attributes:
        files: The contents of each, by its relative POSIX path.
        main: The file that is the module; empty: the one that defines the function that is asked for.
    """

    files: dict[str, bytes]
    main: str = ""

    @property
    def sha256(self) -> str:
        """The identity of all files: a single one's SHA-256, else the fingerprint of the folder that they make."""
        hashes = {name: hashlib.sha256(content).hexdigest() for name, content in self.files.items()}
        return next(iter(hashes.values())) if len(hashes) == 1 else fingerprint_of(hashes | {"": self.main})

    @property
    def sources(self) -> list[str]:
        """The texts of its Python files, as far as they are Python."""
        return [content.decode(errors="replace") for name, content in self.files.items() if name.endswith(".py") and _parsed(content)]

    def defining(self, function: str, what: str) -> "UserModule":
        """Returns the same with the file that defines a function as its main one, unless another is named.

        Raises:
            TaskError: None does, or several do.
        """
        if self.main:
            return self
        found = sorted(name for name, content in self.files.items() if name.endswith(".py") and _defines(content, function))
        if len(found) == 1:
            return UserModule(self.files, found[0])
        hint = f"{', '.join(found)} do; name one, as in {_dotted(found[0])}@PATH" if found else "none does; define it"
        raise TaskError(f"{what}: exactly one of its files must define the function {function}, but {hint}")


def read_module(value: str, what: str = "module_file") -> UserModule:
    """Reads a module.

    Args:
        value: Packed, its source, or the path or URI of a file, a folder or a wheel; before the latter, `NAME@` names a module in it.
        what: What to call it in an error.

    Raises:
        TaskError: It cannot be read or unpacked.
    """
    if value.startswith(FOLDER_PREFIX):
        return _unpacked(value, what)
    if is_text(value):
        return UserModule({_ALONE: read_text(value, what).encode()}, _ALONE)
    name, place = split_name(value)
    try:
        with _local(place) as path:
            return _read(path, name)
    except TaskError as error:
        raise TaskError(f"{what}: {error}") from error
    except Exception as error:  # every filesystem has exceptions of its own
        raise TaskError(
            f"{what}: cannot read {redact(value)[:200]!r} ({error}); give a readable path or URI, or the text itself"
        ) from error


def pack_module(value: str, what: str = "module_file") -> str:
    """Packs a module, as `read_module` takes it, for a pipeline parameter.

    Raises:
        TaskError: It cannot be read, or the packed text is longer than 64 KiB.
    """
    module = read_module(value, what)
    if len(module.files) == 1 and module.main:
        return pack(module.files[module.main].decode(), what)
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name in sorted(module.files):
            entry = tarfile.TarInfo(name)  # no times, no owner: the same files give the same text
            entry.size = len(module.files[name])
            entry.mode = 0o640 if name == module.main else 0o600
            archive.addfile(entry, io.BytesIO(module.files[name]))
    return check_packed(FOLDER_PREFIX + base64.b64encode(bz2.compress(stream.getvalue())).decode(), what)


def split_name(value: str) -> tuple[str, str]:
    """Parts `NAME@PLACE`, TFX's form for a module in a wheel; the name is empty where there is none."""
    found = _NAMED.fullmatch(value)
    return (found[1], found[2]) if found and not os.path.exists(value) else ("", value)  # noqa: PTH110 - takes any text


def with_imports(root: Path, file: str) -> dict[str, bytes]:
    """Returns a file and all that it imports of the folder that it lies in, by relative POSIX path."""
    found: dict[str, bytes] = {}
    ahead = [file]
    while ahead:
        name = ahead.pop()
        if name not in found and (root / name).is_file():
            found[name] = (root / name).read_bytes()
            ahead.extend(_imports(found[name], PurePosixPath(name).parent))
            ahead.extend(str(parent / "__init__.py") for parent in PurePosixPath(name).parents if parent.name)
    return found


@contextmanager
def _local(place: str) -> Iterator[Path]:
    """Gives a local path of what is at a path or URI; of a file far away what could belong to it comes along."""
    path = Path(local_path(place))
    if path.exists() or "://" not in place:
        yield path
        return
    from .filesystems import open_filesystem

    files, root = open_filesystem(place)
    root = root.rstrip("/")
    with tempfile.TemporaryDirectory(prefix="penstock-fetch-") as folder:
        target = Path(folder) / PurePosixPath(root).name
        if files.isfile(root):
            target.write_bytes(files.cat_file(root))
            if target.suffix != ".whl":
                _fetch_imports(files, root, target)
        else:
            _check_size(files.du(root))
            files.get(f"{root}/", f"{target}/", recursive=True)
        yield target


def _fetch_imports(files: Any, root: str, target: Path) -> None:
    parent = str(PurePosixPath(root).parent)
    beside: set[str] = set()
    with suppress(Exception):  # a web server lists nothing
        beside = {PurePosixPath(name.rstrip("/")).name for name in files.ls(parent, detail=False)}
    seen: set[str] = set()
    while missing := {name for name in _wanted(target) if name not in seen and _top(name) in beside}:
        seen |= missing
        for name in missing:
            place = target.parent / name
            if not place.exists() and files.isfile(f"{parent}/{name}"):
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(files.cat_file(f"{parent}/{name}"))


def _wanted(file: Path) -> set[str]:
    """Returns what the files that are there import, there or not."""
    found = with_imports(file.parent, file.name)
    return {wanted for name, content in found.items() for wanted in _imports(content, PurePosixPath(name).parent)}


def _read(path: Path, name: str) -> UserModule:
    if path == Path():
        raise ValueError("it does not name a file")
    if path.is_dir():
        files = _of_folder(path)
    elif path.suffix == ".whl":
        files = _of_wheel(path)
    elif name:
        raise ValueError(f"{path} is neither a folder nor a wheel")
    else:
        return _of_file(path)
    if not name:
        return UserModule(files)
    file = name.replace(".", "/")
    main = next((each for each in (f"{file}.py", f"{file}/__init__.py") if each in files), "")
    if not main:
        raise ValueError(f"it has no module {name}")
    return UserModule(files, main)


def _of_file(path: Path) -> UserModule:
    if path.exists() and not path.is_file():
        raise ValueError("it is not a file")
    _check_size(path.stat().st_size)
    path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        return UserModule({_ALONE: path.read_bytes()}, _ALONE)
    files = with_imports(path.parent, path.name)
    if "." not in path.stem:
        return UserModule(files, path.name)
    return UserModule({_ALONE if name == path.name else name: content for name, content in files.items()}, _ALONE)


def _of_folder(folder: Path) -> dict[str, bytes]:
    paths = {str(file.relative_to(folder).as_posix()): file for file in folder.rglob("*") if file.is_file()}
    kept = {name: file for name, file in paths.items() if not _is_by_product(name)}
    _check_size(sum(file.stat().st_size for file in kept.values()))
    return {name: file.read_bytes() for name, file in sorted(kept.items())}


def _is_by_product(name: str) -> bool:
    return any(part.startswith(".") or part == "__pycache__" for part in PurePosixPath(name).parts)


def _of_wheel(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        kept = [each for each in archive.infolist() if not each.is_dir() and not _top(each.filename).endswith((".dist-info", ".data"))]
        _check_size(sum(each.file_size for each in kept))
        return {_checked(each.filename): archive.read(each) for each in kept}


def _unpacked(value: str, what: str) -> UserModule:
    try:
        content = unpack(value[len(FOLDER_PREFIX) :])
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            entries = [(entry, archive.extractfile(entry)) for entry in archive]
            files = {_checked(entry.name): stream.read() for entry, stream in entries if stream}
            return UserModule(files, next((entry.name for entry, _ in entries if entry.mode == 0o640), ""))
    except (OSError, ValueError, EOFError, tarfile.TarError) as error:
        raise TaskError(f"{what} starts with {FOLDER_PREFIX} but cannot be unpacked ({error}); pack it again") from error


def _checked(name: str) -> str:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name:
        raise ValueError(f"{name!r} is not a path below the module's folder")
    return str(path)


def _check_size(size: int) -> None:
    if size > MAX_TEXT_BYTES:
        raise ValueError(f"it is larger than {MAX_TEXT_BYTES >> 20} MiB; give a folder that contains only the code")


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
    for name, content in module.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    sys.path.append(str(root))
    sys.meta_path.insert(0, _Beside({name for name in _tops(module.files) if not _is_installed(name)}))
    importlib.invalidate_caches()
    with in_user_code(f"{what} cannot be imported:"):
        loaded = importlib.import_module(".".join(filter(None, (_PACKAGE, _dotted(module.main)))))
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
    places = [getattr(module, "__file__", None), *(getattr(module, "__path__", None) or [])]  # a package may have no file
    return any(_ROOT in str(place) for place in places)


def _forget() -> None:
    """Forgets an earlier module, and what came with it."""
    for name in [name for name, each in list(sys.modules.items()) if _is_own(each)]:
        del sys.modules[name]
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, _Beside)]
    sys.path[:] = [place for place in sys.path if _ROOT not in place]


def _check_names(module: UserModule, what: str) -> None:
    """Refuses a file that would not be found, for its name is another's."""
    beside = _tops(name for name in module.files if name != module.main)
    imported = _tops(name for content in module.files.values() for name in _imports(content, PurePosixPath(), relative=False))
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
    if end.code == _TERMINATED:
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


def _imports(source: bytes, package: PurePosixPath, *, relative: bool = True) -> Iterator[str]:
    """Yields the files that an import in a source may mean, relative to the folder of the main module."""
    tree = _parsed(source)
    for node in ast.walk(tree) if tree else ():
        if isinstance(node, ast.Import):
            for name in node.names:
                yield from _candidates(None, name.name)
        elif isinstance(node, ast.ImportFrom) and (relative or not node.level):
            base = [package, *package.parents][min(node.level - 1, len(package.parents))] if node.level else None
            stem = f"{node.module}." if node.module else ""
            for name in node.names:
                yield from _candidates(base, f"{stem}{name.name}")


def _candidates(base: PurePosixPath | None, dotted: str) -> Iterator[str]:
    if base is None and dotted.partition(".")[0] in sys.stdlib_module_names:
        return  # there is no other of that name
    place = base or PurePosixPath()
    for part in dotted.split("."):
        place /= part
        yield f"{place}.py"
        yield f"{place}/__init__.py"


def _defines(source: bytes, function: str) -> bool:
    tree = _parsed(source)
    return any(
        (isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == function)
        or (isinstance(node, ast.Assign) and any(isinstance(target, ast.Name) and target.id == function for target in node.targets))
        for node in (tree.body if tree else ())
    )


def _parsed(source: bytes) -> ast.Module | None:
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError):
        return None


def _dotted(file: str) -> str:
    """Returns the name under which a file is imported."""
    parts = PurePosixPath(file).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _tops(files: Iterable[str]) -> set[str]:
    """Returns the names that imports of some files begin with."""
    return {_top(name).removesuffix(".py") for name in files if name.endswith(".py")}


def _top(name: str) -> str:
    return PurePosixPath(name).parts[0] if name else ""
