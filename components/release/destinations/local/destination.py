"""`local://DIR?port=`: versions side by side in a folder, and one model server process on this machine."""

import shlex
import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from penstock.components.protocol import Input, TaskError, figure, fingerprint
from penstock.components.protocol.atomic import atomically, remove
from penstock.components.protocol.folders import copy_folder
from penstock.components.release import serving
from penstock.components.release.release import Release, find_release
from penstock.components.release.served import ask_served
from penstock.components.release.serving import CANDIDATE, ServerInfo, ServingState

from .. import server_options
from ..destination import Answer, Ask, Check, Current, StepFailed, Traffic, accept, curl, or_current_serves
from ..metrics import read_traffic
from ..server_options import ServerOptions
from ..uri import check_options
from .server import HOST, LocalServer

DEFAULT_PORT = 8501


class LocalDestination:
    """One model of a folder that a model server on this machine serves.

    URI: `local://DIR?port=8501`; DIR may be relative to the working directory. Options:
        port: The port on which the model server listens, on this machine only.

    The serving options of Penstock's server (see `ServerOptions`) are the server's, for all models of the folder:
    they count when a push starts it.

    Every change is written to the model's `state.json` atomically, and then applied by the server. A push that is killed between the two
    leaves them different: the next push has the server follow before anything else.

    Attributes:
        url: The URL that answers predictions.
        stop_command: The command that stops the model server.
        strategies: All of them.
    """

    strategies = frozenset({"replace", "canary", "blue_green", "shadow"})

    def __init__(self, folder: Path, port: int, model_name: str, asked: ServerOptions) -> None:
        self._folder, self._name = folder, model_name
        self._server = LocalServer(folder, port, asked)
        self._agrees: ServerInfo | None = None
        self.url = serving.predict_url(HOST, port, model_name)
        self.stop_command = f"penstock serve stop {shlex.quote(str(folder.absolute()))}"

    @classmethod
    def from_uri(cls, path: str, options: dict[str, str], model_name: str, serving_options: dict[str, Any]) -> "LocalDestination":
        """Reads a URI's parts.

        Raises:
            TaskError: There is no folder, the port is invalid, or an option or serving option is unknown or invalid.
        """
        check_options(options, {"port"}, "local")
        check_options(serving_options, server_options.OPTIONS, "local", "serving option")
        if not path:
            raise TaskError("destination local:// has no folder; give local://DIR?port=8501")
        port = options.get("port", str(DEFAULT_PORT))
        if not port.isdecimal() or not 0 < int(port) < 2**16:
            raise TaskError(f"destination local://{path} has no valid port ({port!r}); give one from 1 to 65535")
        return cls(Path(path), int(port), model_name, ServerOptions.from_options(serving_options, in_container=False))

    def command(self, body: str) -> str:
        """Returns the command that asks the server on this machine."""
        return curl(self.url, body)

    def __enter__(self) -> "LocalDestination":
        """Keeps other pushes out."""
        try:
            (self._folder / self._name).mkdir(parents=True, exist_ok=True)
            self._lock = (self._folder / ".push.lock").open("w", encoding="utf-8")
        except (FileExistsError, NotADirectoryError, PermissionError) as error:
            raise TaskError(f"the destination's folder {self._folder} is not usable ({error.strerror}); choose another one") from error
        if not serving.try_lock(self._lock):
            self._lock.close()
            raise TaskError(f"another push to {self._folder} is in progress; push again when it has finished")
        try:
            self._server.find()  # an error of a server that cannot follow comes before any change
        except TaskError:
            self._lock.close()
            raise
        return self

    def __exit__(self, *_: Any) -> None:
        """Lets other pushes in; a server that has nothing to serve is not left behind."""
        with suppress(TaskError):  # a state that cannot be read is no reason to stop what serves
            if not serving.served_models(self._folder):
                serving.stop_server(self._folder)
        self._server.close()
        self._lock.close()

    def current(self) -> Current:
        """Returns what the state says, whether or not the server runs."""
        state = self._state()
        previous = next(iter(state.history), None)
        return Current(self._release(state.stable), self._release(previous), self._release(state.candidate), state.percent)

    def answering(self) -> frozenset[str]:
        """Asks the folder's server, on whichever port it listens."""
        info = serving.running_server(self._folder)
        return ask_served(info, self._name) if info else frozenset()

    def check_shares(self) -> None:
        """Does nothing: any share can be had."""

    def asker(self, *, staged: bool = False) -> Ask:
        """Returns what says nothing: the one server has followed every change before the verb that made it returns."""
        return lambda: None

    def stage(self, model: Input, release: Release, *, shadow: bool = False) -> None:
        """Copies the model beside the others and has the server load it under the candidate's name."""
        if shadow and self._state().stable is None:
            raise TaskError("no model serves there, so there is no traffic to copy; push with another strategy first")
        self._ensure_server()
        version = f"{release.model_version}-{release.fingerprint[:12]}".lstrip("-")
        state = self._state()
        known = self._release(version) if version in state.served else None
        if known and known.probe:  # it proved itself by these answers, and must not be judged by others if this push is rejected
            release = replace(release, probe=known.probe)
        self._copy(model.path, release, self._folder / self._name / version)
        goes_on = version == state.candidate and not shadow
        self._write(replace(state, candidate=version, shadow=shadow, percent=state.percent if goes_on else 0))
        self._server.load(self._name + CANDIDATE)
        if shadow:  # the copy starts where the traffic comes in; a model there that does not load must not keep another from being staged
            self._server.load(self._name)

    def secure(self, model: Input, release: Release) -> bool:
        """Copies the files of what serves again where they have changed."""
        version = self._state().stable or ""
        try:
            serving.verify_version(self._folder, self._name, version)
            return True
        except TaskError as damage:
            if not version.endswith(release.fingerprint[:12]):  # the record is what has changed
                raise
            figure(str(damage))
        self._copy(model.path, release, self._folder / self._name / version)
        self._ensure_server()
        self._follow()
        return False

    def shift(self, percent: int) -> None:
        """Gives the candidate its share, once there is a model that it can share the traffic with; at 100 it is what serves."""
        state = self._state()
        if state.candidate is None:
            raise StepFailed("nothing is staged")
        self._require(state.candidate)
        self._ensure_server()
        self._write(state.promoted() if percent == 100 else replace(state, percent=percent, shadow=False))
        self._follow()

    def probe(self, instances: list[Any]) -> Answer:
        """Asks the model server, which is started again if it is down."""
        self._ensure_server()
        name = self._name + CANDIDATE if self._state().candidate else self._name
        return Answer.of(lambda: self._server.predict(name, instances))

    def traffic(self, *, beside: bool = False) -> Traffic | None:
        """Returns what the server has counted since it started."""
        current = self.current()
        asked = (current.serving if current.candidate else None) if beside else current.candidate or current.serving
        return read_traffic(self._server.metrics(), self._name, asked.fingerprint) if asked and self._server.find() else None

    def rollback(self, to: str = "", check: Check = accept) -> Release | None:
        """Has the server load what served before under the candidate's name, where it is checked, and then serve it."""
        state = self._state()
        version = self._target(state, to)
        if version and version != state.stable:
            with or_current_serves(lambda: self._put_back(state)):
                self._bring_up(version, check)
        self._write(state.back_to(version))
        if version:
            self._agrees = self._server.ready()
        if self._server.find():
            self._follow()
        return self._release(version)

    def retire(self) -> None:
        """Makes the server unload the previous version, and removes the files of versions that no rollback needs."""
        state = self._state()
        self._write(replace(state, warm=False))
        self._ensure_server()
        self._follow()
        kept = {*state.served, state.candidate}
        for release in (self._folder / self._name).glob("*/release.json"):
            if release.parent.name not in kept:
                shutil.rmtree(release.parent)

    def _bring_up(self, version: str, check: Check) -> None:
        release = self._require(version)
        self._ensure_server()
        name = self._name + CANDIDATE
        self._write(replace(self._state(), candidate=version, percent=0, shadow=False))
        self._server.load(name)
        check(release, lambda instances: Answer.of(lambda: self._server.predict(name, instances)))

    def _put_back(self, state: ServingState) -> None:
        self._write(state)
        if self._server.find():
            self._follow()

    def _require(self, version: str) -> Release:
        """Makes sure that a version's files are those that were released: whenever the server starts again, it loads them."""
        try:
            return serving.verify_version(self._folder, self._name, version)
        except TaskError as damage:
            raise StepFailed(str(damage)) from damage

    def _state(self) -> ServingState:
        """Reads the state without the versions whose files were deleted."""
        state = serving.read_state(self._folder, self._name)
        return state.without({version for version in [*state.served, state.candidate] if version and self._release(version) is None})

    def _write(self, state: ServingState) -> None:
        serving.write_state(self._folder, self._name, state)

    def _ensure_server(self) -> None:
        """Has the server run, and do what the state says, which it may not where a push was interrupted."""
        info = self._server.ready()
        if info == self._agrees:
            return
        try:
            self._follow()
        except StepFailed as failure:  # no reason not to replace it
            figure(f"the recorded model does not serve: {failure}")
        self._agrees = info

    def _follow(self) -> None:
        """Makes the server apply the state. It loads a model before it sends traffic to it, and unloads it afterwards."""
        state = self._state()
        if state.candidate:
            self._server.load(self._name + CANDIDATE)
        if state.stable:
            self._server.load(self._name)
        else:
            self._server.unload(self._name)
        if not state.candidate:
            self._server.unload(self._name + CANDIDATE)

    def _target(self, state: ServingState, to: str) -> str | None:
        """Returns the version that a rollback goes back to."""
        if not to:
            return state.stable if state.candidate else next(iter(state.history), None)
        releases = {version: release for version in state.served if (release := self._release(version))}
        found = find_release(releases.values(), to)
        return next(version for version, release in releases.items() if release.fingerprint == found.fingerprint)

    def _release(self, version: str | None) -> Release | None:
        if not version or not (self._folder / self._name / version / "release.json").is_file():
            return None
        return serving.read_release(self._folder, self._name, version)

    def _copy(self, model: Path, release: Release, destination: Path) -> None:
        """Copies a model so that it is there whole or not at all; the same bytes are not copied twice."""
        copied = destination / "model"
        if serving.fingerprint_or_none(copied) == release.fingerprint:
            serving.write_release(destination, release)
            return
        with atomically(destination) as partial:
            copy_folder(model, partial / "model")
            serving.write_release(partial, release)
            if fingerprint(partial / "model") != release.fingerprint:
                raise TaskError(f"the model at {model} changed while it was copied to {destination}; push it again")
            remove(destination)
