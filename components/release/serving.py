"""The folder behind `local://DIR`, which the pusher, the model server and `penstock serve` share.

server.json                  the running server: process, address; locked for as long as it lives
server.log                   what it logs; the files before it are server.log.1 and so on
server.err                   what it, and what it is made of, writes to stdout and stderr
server.token                 what it requires of requests to load or unload a model
<model>/state.json           which versions serve, wait and served before
<model>/<version>/model/     a SavedModel, complete before anything refers to it
<model>/<version>/release.json   its fingerprint, its version in the registry, its probe
"""

import fcntl
import os
import re
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, TypeVar

from penstock.components.data import stored
from penstock.components.data.stored import Stored
from penstock.components.protocol.atomic import atomically
from penstock.components.protocol.errors import TaskError
from penstock.components.protocol.fingerprint import fingerprint
from penstock.components.protocol.printed import reason_in

from .modes import group_readable
from .names import check_model_name, is_model_name
from .release import Release

# A model under this suffix is the candidate: it answers requests that ask for it by this name.
CANDIDATE = "@candidate"
LOG, ERRORS = "server.log", "server.err"
STOP_SECONDS = 40.0
# How many versions that served before can be gone back to.
KEPT_VERSIONS = 10
_NAMED_AFTER_BYTES = re.compile(r"(?:.*-)?([0-9a-f]{12})")
_Kind = TypeVar("_Kind", bound=Stored)


@dataclass(frozen=True)
class ServingState(Stored):
    """Which versions of a model are there, by folder name.

    Attributes:
        stable: The version that serves.
        candidate: The version that is staged.
        percent: The candidate's share of the traffic.
        shadow: Whether the candidate receives a copy of the other traffic; clients never see its answers.
        history: The versions that served before, the latest first: the first of them is what a rollback goes back to.
        abandoned: The versions that served until they were rolled back, the latest first.
        warm: Whether the server keeps the first of the history loaded, for a quick rollback.
    """

    stable: str | None = None
    candidate: str | None = None
    percent: int = 0
    shadow: bool = False
    history: list[str] = field(default_factory=list)
    abandoned: list[str] = field(default_factory=list)
    warm: bool = False

    def __post_init__(self) -> None:
        """Refuses versions that are not folders of the model's own, and what is not a share.

        Raises:
            ValueError: There is one.
        """
        for version in (*self.served, self.candidate or "1"):
            if version.startswith(".") or "/" in version or "\0" in version:
                raise ValueError(f"{version!r:.60} is not a version")
        if not 0 <= self.percent <= 100:
            raise ValueError(f"percent is {self.percent}, not from 0 to 100")

    @property
    def served(self) -> list[str]:
        """The versions that serve or have served."""
        return [version for version in (self.stable, *self.history, *self.abandoned) if version]

    def promoted(self) -> "ServingState":
        """Returns the state in which the candidate serves, and what served before is kept warm."""
        return self._with(self.candidate, [self.stable, *self.history], self.abandoned, warm=True)

    def back_to(self, version: str | None) -> "ServingState":
        """Returns the state without the candidate, in which a version serves (again) that did before."""
        if version == self.stable:
            return self._with(version, self.history, self.abandoned)
        if version in self.abandoned:
            return self._with(version, [self.stable, *self.history], self.abandoned)
        newer = self.history.index(version) if version else len(self.history)
        return self._with(version, self.history[newer + 1 :], [self.stable, *self.history[:newer], *self.abandoned])

    def without(self, gone: set[str]) -> "ServingState":
        """Returns the state without some versions."""
        history, abandoned = ([version for version in versions if version not in gone] for versions in (self.history, self.abandoned))
        kept = replace(self, history=history, abandoned=abandoned, stable=None if self.stable in gone else self.stable)
        return replace(kept, candidate=None, percent=0, shadow=False) if self.candidate in gone else kept

    def _with(
        self, stable: str | None, history: Sequence[str | None], abandoned: Sequence[str | None], warm: bool = False
    ) -> "ServingState":
        before, left = ([version for version in versions if version and version != stable] for versions in (history, abandoned))
        empty = ServingState(unknown=self.unknown)
        return replace(empty, stable=stable, history=before[:KEPT_VERSIONS], abandoned=left[:KEPT_VERSIONS], warm=warm)


@dataclass(frozen=True)
class ServerInfo(Stored):
    """A running model server.

    Attributes:
        pid: Its process.
        host: The address that it listens on.
        port: The port that it listens on.
        started: When it started, in seconds since the epoch.
        prediction_log: Where it keeps some of the requests and answers; empty: nowhere.
        prediction_log_sample: The share of the ids that it keeps there.
        prediction_log_key: The field of a request that is the id of its row; empty: the server makes ids of its own.
        monitoring: Where it finds monitor_model's figures; empty: nowhere.
        feature_service: Where it gets features that requests lack; empty: nowhere.
        version: Its version of Penstock; empty: 0.1.0, which cannot read what a later version writes.
    """

    pid: int
    host: str
    port: int
    started: float
    prediction_log: str = ""
    prediction_log_sample: float = 0.0
    prediction_log_key: str = ""
    monitoring: str = ""
    feature_service: str = ""
    version: str = ""

    def __post_init__(self) -> None:
        """Refuses what is not a single process, so that ending it would end others, and what is not a port.

        Raises:
            ValueError: It is.
        """
        if self.pid < 1 or not 0 < self.port < 2**16:
            raise ValueError(f"process {self.pid} or port {self.port} is invalid")

    def predict_url(self, model: str) -> str:
        """Returns the V1 URL that answers predictions of a model."""
        return predict_url(self.host, self.port, model)


def predict_url(host: str, port: int, model: str) -> str:
    """Returns the V1 URL that answers predictions of a model."""
    return f"http://{host}:{port}/v1/models/{model}:predict"


def read_state(folder: Path, model: str) -> ServingState:
    """Reads which versions of a model serve; nothing serves where there is no state.

    Raises:
        TaskError: The state is there and cannot be read, or no model can have this name.
    """
    check_model_name(model)
    return _read(ServingState, folder / model / "state.json") or ServingState()


def write_state(folder: Path, model: str, state: ServingState) -> None:
    """Replaces a model's state atomically."""
    _write(folder / model / "state.json", state)


def read_release(folder: Path, model: str, version: str) -> Release:
    """Reads what is known of a version.

    Raises:
        TaskError: Nothing is, or it cannot be read.
    """
    if (release := _read(Release, folder / model / version / "release.json")) is None:
        raise TaskError(f"version {version} of {model} is missing in {folder}; push it again")
    return release


def fingerprint_or_none(folder: Path) -> str:
    """Returns the fingerprint of a model's folder; empty where there is no folder, or one with links or what else no model has."""
    try:
        return fingerprint(folder) if folder.is_dir() else ""
    except (TaskError, OSError):
        return ""


def verify_version(folder: Path, model: str, version: str) -> Release:
    """Makes sure that the files of a version are those that were released, and returns what is known of it.

    Raises:
        TaskError: They differ, or cannot be read.
    """
    release = read_release(folder, model, version)
    path = folder / model / version
    found = fingerprint_or_none(path / "model")
    # A pushed version's folder, by which the state refers to it, is named after its fingerprint: no edited record blesses other files.
    named = _NAMED_AFTER_BYTES.fullmatch(version)
    if found != release.fingerprint or (named and named[1] != found[:12]):
        are = f"the model {found[:12]}" if found else "no model"
        raise TaskError(f"the files of {model} version {version} at {path} differ from the released files: {are}; push it again")
    return release


def write_release(version_folder: Path, release: Release) -> None:
    """Writes what is known of a version, and keeps what a newer version of Penstock has written there."""
    path = version_folder / "release.json"
    try:
        before = _read(Release, path)
    except stored.Malformed:
        before = None
    _write(path, stored.growing(release, before))


def served_models(folder: Path) -> list[str]:
    """Returns the names of the models of which a version serves, sorted."""
    return [name for name in known_models(folder) if read_state(folder, name).stable]


def known_models(folder: Path) -> list[str]:
    """Returns the names of the models that were ever pushed to a folder, sorted."""
    return sorted(path.parent.name for path in folder.glob("*/state.json") if is_model_name(path.parent.name))


def _write(path: Path, content: Stored) -> None:
    with atomically(path) as scratch:
        scratch.write_text(stored.dump(content, indent=1), encoding="utf-8")


def _read(kind: type[_Kind], path: Path) -> _Kind | None:
    """Reads a file. Returns None if it does not exist."""
    what, remedy = f"the current model is unknown, because the state cannot be used: {path}", "correct the file, or choose another folder"
    try:
        return stored.load_as(kind, path.read_bytes(), what, remedy)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise TaskError(f"{what} cannot be read ({error}); {remedy}") from error


def try_lock(file: IO[str]) -> bool:
    """Locks an open file for this process, until it is closed or the process ends; False if another process has it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def announced(folder: Path, info: ServerInfo) -> Iterator[bool]:
    """Announces a server for as long as the block runs; gives False, and changes nothing, if one runs already."""
    with (folder / "server.json").open("a+", encoding="utf-8") as file:
        if not _lock_within(file, seconds=1.0):
            yield False
            return
        file.truncate(0)
        file.write(stored.dump(info))
        file.flush()
        yield True
        file.truncate(0)


def _lock_within(file: IO[str], seconds: float) -> bool:
    """Locks a file, with patience: a check whether a server runs holds the lock for an instant."""
    deadline = time.monotonic() + seconds
    while not try_lock(file):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def running_server(folder: Path) -> ServerInfo | None:
    """Returns the server that runs in a folder. The lock tells, not the file: a killed server cannot take its file away.

    Raises:
        TaskError: One runs, and its file is malformed.
    """
    path = folder / "server.json"
    if not path.exists():
        return None
    with path.open(encoding="utf-8") as file:
        if try_lock(file):
            return None
        text = file.read()
    return stored.load_as(ServerInfo, text, f"the running server's file {path}", "stop the server and delete the file") if text else None


def open_errors(folder: Path) -> IO[bytes]:
    """Opens a new file for what a server writes to stdout and stderr; it empties it when it is large, and goes on at its end."""
    path = folder / ERRORS
    path.unlink(missing_ok=True)
    return open(path, "ab", opener=group_readable)


def last_words(folder: Path) -> str:
    """Returns what a folder's server says why it ended, or else the last line that it wrote, and where that is."""
    for path in (folder / ERRORS, folder / LOG):
        if path.is_file() and (printed := path.read_text(encoding="utf-8", errors="replace").strip()):
            return f"{reason_in(printed)} (log: {path})"
    return "it printed nothing"


def stop_server(folder: Path) -> ServerInfo | None:
    """Stops a folder's server: lets it finish the requests that it has, and kills it if it has not ended after 40 s.

    Returns:
        The server that was stopped; None if none ran.
    """
    info = running_server(folder)
    if info is None:
        return None
    deadline = time.monotonic() + STOP_SECONDS
    _signal(info, signal.SIGTERM)
    while running_server(folder) == info:
        time.sleep(0.05)
        if time.monotonic() > deadline:
            _signal(info, signal.SIGKILL)
    return info


def _signal(info: ServerInfo, number: int) -> None:
    with suppress(ProcessLookupError):  # it has just ended by itself
        os.kill(info.pid, number)
