"""Finds the input files on any file system of fsspec, and downloads and hashes them."""

import hashlib
import itertools
import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from fsspec.implementations.local import LocalFileSystem

from penstock.components.data.filesystems import absolute, explaining, open_store
from penstock.components.data.input_pattern import InputPattern, escape, known_folders, numbering_keys, select
from penstock.components.protocol import TaskError, figure, file_sha256, redact

from .partitions import Partition, partition_of
from .table_options import ICEBERG_METADATA
from .tables import FORMATS

_PARALLEL_READS = 8
_LISTED_SOURCES = 100
_LISTED_BYTES = 8192
_DELTA_LOG = "_delta_log"


@dataclass(frozen=True)
class Source:
    """One input file.

    Attributes:
        uri: Where it came from, without secrets: what signs a URL differs from day to day.
        path: Where its bytes are read: on this machine, or where Beam's workers find them.
        sha256: The hexadecimal SHA-256 of its bytes.
        bytes: Its size.
        partition: What its folders `key=value` say.
    """

    uri: str
    path: Path | str
    sha256: str
    bytes: int
    partition: Partition = ()


@dataclass(frozen=True)
class Selection:
    """The files of the chosen Spans, not yet read.

    Attributes:
        filesystem: The fsspec filesystem that has them.
        paths: Their paths on it, in reading order.
        span: The latest Span among them.
        version: The latest version among them.
        partitions: What the folders of each path say.
    """

    filesystem: Any
    paths: list[str]
    span: int
    version: int
    partitions: list[Partition]

    @property
    def is_local(self) -> bool:
        """Whether they are files of this machine."""
        return isinstance(self.filesystem, LocalFileSystem)


def uri_of(selection: Selection, number: int) -> str:
    """Returns where a selected file is: a path of this machine, or a URI."""
    path = selection.paths[number]
    return path if selection.is_local else str(selection.filesystem.unstrip_protocol(path))


@contextmanager
def unchanged(selections: list[Selection]) -> Iterator[None]:
    """Makes sure that no file is written to while the block reads it.

    Raises:
        TaskError: One was, or is no longer there.
    """
    before = [_versions(selection) for selection in selections]
    yield
    for selection, earlier in zip(selections, before, strict=True):
        for path, one, now in zip(selection.paths, earlier, _versions(selection), strict=True):
            if one != now:
                raise TaskError(f"{path} changed while it was read; run the task again, and let nothing write there")


def _versions(selection: Selection) -> list[str]:
    """Returns, for each selected file, what changes when it is written again."""

    def one(path: str) -> str:
        with _reading(path):
            return str(selection.filesystem.checksum(path))

    with ThreadPoolExecutor(_PARALLEL_READS) as pool:
        return list(pool.map(one, selection.paths))


def _reading(path: str) -> AbstractContextManager[None]:
    return explaining(f"{path} cannot be read", "give access, or exclude it from input_uri")


def find(input_uri: str, spans: str, version: str) -> Selection:
    """Finds the files that an input URI means. Files whose names start with `.` or `_` are not data.

    Raises:
        TaskError: Nothing is there, it cannot be listed, or the Spans asked for do not exist.
    """
    if not input_uri.strip():
        raise TaskError("input_uri is empty; name a file, folder, glob or URI")
    with _listing(input_uri):
        filesystem, path = _open(input_uri)
        known = path if "http" in filesystem.protocol else known_folders(path, filesystem.exists)
        if known == path and filesystem.exists(path):
            pattern, matches = InputPattern(escape(path)), {path: filesystem.info(path)}
        else:
            pattern = InputPattern(path if known == path else escape(known) + path[len(known) :])
            matches = filesystem.glob(pattern.glob, detail=True)
        chosen, span, latest_version = select(pattern, matches, spans, version)
        paths: list[str] = []
        for match in chosen:
            is_folder = matches[match]["type"] != "file" and filesystem.isdir(match)  # a link to a folder has neither type
            paths += sorted(_files_below(filesystem, match)) if is_folder else [match]
    if not paths:
        raise TaskError(f"input_uri {input_uri!r} is a folder without data files; put CSV, Parquet or TFRecord files there, or correct it")
    numbering = numbering_keys(path[len(known) :])
    return Selection(filesystem, paths, span, latest_version, [partition_of(each, known, numbering) for each in paths])


def find_all(input_uri: str, spans: str, version: str, patterns: dict[str, str]) -> dict[str, Selection]:
    """Finds the files of each Split, which patterns below an input URI name, as TFX's input_config does.

    Raises:
        TaskError: As `find`; or a file belongs to two Splits, or their Spans are not the same.
    """
    found = {
        name: find(f"{input_uri.rstrip('/')}/{pattern}" if pattern else input_uri, spans, version) for name, pattern in patterns.items()
    }
    owners: dict[str, str] = {}
    for name, selection in found.items():
        for path in selection.paths:
            if owners.setdefault(path, name) != name:
                raise TaskError(f"{path} belongs to the Splits {owners[path]!r} and {name!r}; narrow their patterns")
    spans_found = {name: selection.span for name, selection in found.items()}
    if len(set(spans_found.values())) > 1:
        listed = ", ".join(f"{name} {span}" for name, span in spans_found.items())
        raise TaskError(f"the Splits do not have the same latest Span ({listed}); wait for the data, or set spans")
    return found


def table_uri(input_uri: str) -> str | None:
    """Returns the URI of the table that an input URI names, or that lies there; None if it names files.

    Raises:
        TaskError: It cannot be looked at.
    """
    if input_uri.partition("://")[0] in FORMATS and not os.path.exists(input_uri):  # noqa: PTH110 - a query may be too long for a path
        return input_uri
    if input_uri.endswith(ICEBERG_METADATA):
        return f"iceberg://{input_uri}"
    if "://" not in input_uri or Path(input_uri).exists():
        is_table = bool(input_uri) and (Path(absolute(input_uri)) / _DELTA_LOG).is_dir()
    elif PurePosixPath(input_uri).suffix or input_uri.startswith(("http://", "https://", "dvc://")):
        is_table = False  # to see that a file is no folder would take a right that reading it does not, and Delta's library knows no DVC
    else:
        with _listing(input_uri):
            filesystem, path = _open(input_uri)
            is_table = filesystem.isdir(f"{path}/{_DELTA_LOG}")
    return f"delta://{input_uri}" if is_table else None


def _listing(input_uri: str) -> AbstractContextManager[None]:
    return explaining(f"input_uri {input_uri!r} cannot be listed", "correct it or give access")


def _open(input_uri: str) -> tuple[Any, str]:
    """Returns the filesystem of a URI and the path on it; what is there on this machine is not a URI, whatever its characters."""
    if Path(input_uri).exists():
        return LocalFileSystem(), str(Path(input_uri).absolute())
    if "://" not in input_uri:
        return LocalFileSystem(), absolute(input_uri)
    return open_store(input_uri.rstrip("/"))


def _files_below(filesystem: Any, folder: str) -> list[str]:
    def is_data(path: str) -> bool:
        parts = PurePosixPath(path[len(folder) :].lstrip("/")).parts
        return not path.endswith("/") and not any(part.startswith((".", "_")) for part in parts)

    found = filesystem.find(folder)
    if logs := [path for path in found if f"/{_DELTA_LOG}/" in path]:
        table = logs[0].partition(f"/{_DELTA_LOG}/")[0]
        raise TaskError(
            f"{table} is a Delta table, not all of whose files have current rows; give delta:// and its path or URI as input_uri"
        )
    return [path for path in found if is_data(path)]


def fetch(selection: Selection, folder: Path) -> list[Source]:
    """Hashes the selected files, having copied them to `folder` if they are remote.

    The rows are read twice (types, then values): with the bytes here, both readings and the hash speak of the same ones.

    Raises:
        TaskError: A file cannot be read.
    """

    folder.mkdir(exist_ok=True)

    def one(number: int) -> Source:
        path = selection.paths[number]
        with _reading(path):
            if selection.is_local:
                local = Path(path)
            else:
                local = folder / f"{number:06d}-{PurePosixPath(path).name}"
                selection.filesystem.get_file(path, str(local))
            uri = redact(selection.filesystem.unstrip_protocol(path))
            return Source(uri, local, file_sha256(local), local.stat().st_size, selection.partitions[number])

    with ThreadPoolExecutor(_PARALLEL_READS) as pool:
        sources = list(pool.map(one, range(len(selection.paths))))
    say_size(sources)
    return sources


def say_size(sources: list[Source]) -> None:
    """Tells how many files there are, and how large they are."""
    figure(f"{len(sources):,} files, {sum(source.bytes for source in sources) / 1e6:,.1f} MB")


def lineage(sources: list[Source]) -> dict[str, Any]:
    """Describes the sources for the metadata: each of the first, at most a hundred and 8 KiB of them, and one hash that stands for all.

    A consumer of the Examples gets their metadata in one argument, which Kubeflow limits to 120 KiB.
    """
    digest = hashlib.sha256()
    for source in sources:
        digest.update(f"{source.uri}\0{source.sha256}\n".encode())
    described = [{"uri": source.uri, "sha256": source.sha256, "bytes": source.bytes} for source in sources[:_LISTED_SOURCES]]
    sizes = itertools.accumulate(len(json.dumps(each)) for each in described)
    listed = [each for each, size in zip(described, sizes, strict=True) if size <= _LISTED_BYTES]
    return {"sources": listed, "source_count": len(sources), "sources_sha256": digest.hexdigest()}
