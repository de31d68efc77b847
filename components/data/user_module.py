"""A user's module and the files beside it: read, and packed into one parameter.

A module that is given by its file comes with what it imports of its folder, however deep; a folder or a wheel comes whole. Of
their modules, the one that defines the requested function is used.
"""

import base64
import bz2
import hashlib
import io
import os
import re
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from penstock.components.protocol.artifacts import local_path
from penstock.components.protocol.errors import TaskError
from penstock.components.protocol.fingerprint import fingerprint_of
from penstock.components.protocol.redacting import redact

from .filesystems import explaining, open_filesystem
from .python_source import defines, dotted_name, imports, parsed, top_folder
from .source import MAX_TEXT_BYTES, check_packed, is_text, pack, read_text, unpack

FOLDER_PREFIX = "tar.bz2+base64:"
# The files of a Feast repository. It may have tables, the registry and the online store beside them, which change without it.
REPOSITORY_SUFFIXES = (".py", ".yaml", ".yml")
_NAMED = re.compile(r"([A-Za-z_][\w.]*)@(.+)")
_ALONE = "user_module.py"


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
        return [content.decode(errors="replace") for name, content in self.files.items() if name.endswith(".py") and parsed(content)]

    def defines(self, function: str) -> bool:
        """Tells whether the module, or one of the files that it may be, defines a function."""
        return any(defines(content, function) for name, content in self.files.items() if name.endswith(".py") and self.main in ("", name))

    def write(self, folder: Path) -> None:
        """Writes the files below a folder, which is made if need be."""
        for name, content in self.files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)

    def defining(self, function: str, what: str) -> "UserModule":
        """Returns the same with the file that defines a function as its main one, unless another is named.

        Raises:
            TaskError: None does, or several do.
        """
        if self.main:
            return self
        found = sorted(name for name, content in self.files.items() if name.endswith(".py") and defines(content, function))
        if len(found) == 1:
            return UserModule(self.files, found[0])
        hint = f"{', '.join(found)} do; name one, as in {dotted_name(found[0])}@PATH" if found else "none does; define it"
        raise TaskError(f"{what}: exactly one of its files must define the function {function}, but {hint}")


def read_module(value: str, what: str = "module_file", suffixes: tuple[str, ...] = ()) -> UserModule:
    """Reads a module.

    Args:
        value: Packed, its source, or the path or URI of a file, a folder or a wheel; before the latter, `NAME@` names a module in it.
        what: What to call it in an error.
        suffixes: What the names of the files of a folder that count end with; empty: all count.

    Raises:
        TaskError: It cannot be read or unpacked.
    """
    if value.startswith(FOLDER_PREFIX):
        return _unpacked(value, what)
    if is_text(value):
        return UserModule({_ALONE: read_text(value, what).encode()}, _ALONE)
    name, place = split_name(value)
    try:
        with explaining(f"cannot read {redact(value)[:200]!r}", "give a readable path or URI, or the text itself"), _local(place) as path:
            return _read(path, name, suffixes)
    except TaskError as error:
        raise TaskError(f"{what}: {error}") from error


def pack_module(value: str, what: str = "module_file", suffixes: tuple[str, ...] = ()) -> str:
    """Packs a module, as `read_module` takes it, for a pipeline parameter.

    Raises:
        TaskError: It cannot be read, or the packed text is longer than 64 KiB.
    """
    module = read_module(value, what, suffixes)
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
            ahead.extend(imports(found[name], PurePosixPath(name).parent))
            ahead.extend(str(parent / "__init__.py") for parent in PurePosixPath(name).parents if parent.name)
    return found


@contextmanager
def _local(place: str) -> Iterator[Path]:
    """Gives a local path of what is at a path or URI; of a file far away what could belong to it comes along."""
    path = Path(local_path(place))
    if path.exists() or "://" not in place:
        yield path
        return
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
    while missing := {name for name in _wanted(target) if name not in seen and top_folder(name) in beside}:
        seen |= missing
        for name in missing:
            place = target.parent / name
            if not place.exists() and files.isfile(f"{parent}/{name}"):
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(files.cat_file(f"{parent}/{name}"))


def _wanted(file: Path) -> set[str]:
    """Returns what the files that are there import, there or not."""
    found = with_imports(file.parent, file.name)
    return {wanted for name, content in found.items() for wanted in imports(content, PurePosixPath(name).parent)}


def _read(path: Path, name: str, suffixes: tuple[str, ...]) -> UserModule:
    if path == Path():
        raise ValueError("it does not name a file")
    if path.is_dir():
        files = _of_folder(path, suffixes)
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


def _of_folder(folder: Path, suffixes: tuple[str, ...]) -> dict[str, bytes]:
    paths = {str(file.relative_to(folder).as_posix()): file for file in folder.rglob("*") if file.is_file()}
    kept = {name: file for name, file in paths.items() if not _is_by_product(name) and name.endswith(suffixes or "")}
    _check_size(sum(file.stat().st_size for file in kept.values()))
    return {name: file.read_bytes() for name, file in sorted(kept.items())}


def _is_by_product(name: str) -> bool:
    return any(part.startswith(".") or part == "__pycache__" for part in PurePosixPath(name).parts)


def _of_wheel(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        kept = [
            each for each in archive.infolist() if not each.is_dir() and not top_folder(each.filename).endswith((".dist-info", ".data"))
        ]
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
