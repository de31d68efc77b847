"""DVC: the files that a Git repository tracks, at a commit. Git has their names and hashes, DVC's remote their bytes.

`dvc` is not in the family's lock, but in one of its own, `images/tf/requirements-dvc.txt`.
"""

import atexit
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from penstock.components.protocol.errors import TaskError
from penstock.components.protocol.redacting import redact

from .filesystems import absolute, explaining
from .uri_options import check_options, read_options

# A task that asks for a password waits for ever.
os.environ.setdefault("GIT_TERMINAL_PROMPT", "0")
try:
    from dvc.api import DVCFileSystem
    from dvc.repo.open_repo import clean_repos
    from dvc.scm import CloneError
    from dvc_data.index import DataIndexDirError
except ImportError as error:
    raise TaskError(
        f"dvc:// needs the package dvc ({error}); add images/tf/requirements-dvc.txt with --extra-packages, or to your own image (docs/modules.md)"
    ) from None

_SCHEME = "dvc://"
atexit.register(clean_repos)  # the clones, which DVC keeps


class Place(NamedTuple):
    """What a URI names: `dvc://REPOSITORY?rev=REV&path=PATH`.

    Attributes:
        repository: The URL of the Git repository, or its path from the root.
        rev: A branch, a tag or a commit; empty for the default branch.
        path: The path in the repository.
    """

    repository: str
    rev: str
    path: str

    @property
    def uri(self) -> str:
        """The URI. The path comes last, where patterns can be added to it."""
        path = self.path.replace("%", "%25").replace("&", "%26")
        return f"{_SCHEME}{self.repository}?rev={self.rev}&path={path}"


_FORM = "give dvc://REPOSITORY?rev=REV&path=PATH, where REV is a branch, a tag or a commit"


def place_of(uri: str) -> Place:
    """Reads a URI.

    Raises:
        TaskError: It has other options, or names no repository or path.
    """
    repository, _, query = uri.removeprefix(_SCHEME).partition("?")
    options = read_options(query)
    check_options(options, ("rev", "path"), redact(uri), "dvc")
    path, rev = options.get("path", "").strip("/"), options.get("rev", "")
    if not repository or not path:
        raise TaskError(f"{redact(uri)} names no path in a repository; {_FORM}")
    here = absolute(repository)
    return Place(here if Path(here).is_dir() else repository, rev, path)


class Files(DVCFileSystem):
    """What a repository has at a commit. Paths begin with a slash.

    Args:
        repository: Its URL or path.
        commit: The commit's whole ID.
    """

    protocol = "dvc"

    def __init__(self, repository: str, commit: str) -> None:
        super().__init__(repository, rev=commit)
        self._place = Place(repository, commit, "")

    def unstrip_protocol(self, name: str) -> str:
        """Returns the URI of a path."""
        return self._place._replace(path=name.lstrip("/")).uri

    def checksum(self, _: str) -> str:
        """Returns what changes when a file is written again, which none is at a commit."""
        return self._place.rev

    def ls(self, path: str, detail: bool = True, **options: Any) -> list:
        """Lists a folder.

        Raises:
            TaskError: DVC's remote does not have the list of its files.
        """
        with self._pushed(path):
            return list(super().ls(path, detail, **options))

    def info(self, path: str, **options: Any) -> dict[str, Any]:
        """Describes a file or folder.

        Raises:
            TaskError: As `ls`.
        """
        with self._pushed(path):
            return dict(super().info(path, **options))

    def get_file(self, rpath: str, lpath: str, **options: Any) -> None:
        """Copies a file to this machine.

        Raises:
            TaskError: DVC's remote does not have it.
        """
        with self._pushed(rpath, FileNotFoundError):
            super().get_file(rpath, lpath, **options)

    @contextmanager
    def _pushed(self, path: str, *missing: type[Exception]) -> Iterator[None]:
        try:
            yield
        except (DataIndexDirError, *missing) as error:
            raise TaskError(
                f"{redact(self.unstrip_protocol(path))} is tracked, but cannot be fetched from DVC's remote ({error.__cause__ or error}); run"
                " `dvc push` where it was added, or give access to the remote"
            ) from error


_open = lru_cache(maxsize=1)(Files)  # workers ask once for each file, and a clone takes seconds


def open_files(uri: str) -> tuple[Files, str]:
    """Returns the filesystem that holds a `dvc://` URI with a commit, and the path on it.

    Raises:
        TaskError: The URI is not of that form.
    """
    place = place_of(uri)
    return _open(place.repository, place.rev), f"/{place.path}"


class Commit(NamedTuple):
    """A commit of a repository, and what a path is in it.

    Attributes:
        id: Its whole ID.
        created: When it was made, in Unix seconds.
        md5: DVC's hash of the file, or of the folder (`....dir`), that it tracks at the path; empty for a pattern, or what Git tracks itself.
    """

    id: str
    created: int
    md5: str


def commit_of(place: Place) -> Commit:
    """Finds the commit that a place's rev names now.

    Raises:
        TaskError: There is none, or the repository cannot be read.
    """
    # DVC reads the working folder of a repository on this machine unless it gets a rev.
    rev = place.rev or ("HEAD" if Path(place.repository).is_dir() else None)
    with explaining(
        f"the repository {redact(place.repository)} cannot be read at {place.rev or 'its default branch'}", f"{_FORM}, or give access"
    ):
        try:
            repository = DVCFileSystem(place.repository, rev=rev).repo
        except CloneError as error:  # "SCM error", caused by "Failed to clone", caused by what went wrong
            raise getattr(error.__cause__, "__cause__", None) or error from None
        commit = repository.scm.resolve_commit(repository.get_rev())
        files, path = open_files(place._replace(rev=commit.hexsha).uri)
        md5 = str(files.info(path).get("md5", "")) if files.exists(path) else ""
    return Commit(commit.hexsha, commit.commit_time, md5)
