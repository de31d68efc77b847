"""`local://DIR?port=`: versions side by side in a folder, and one model server process on this machine."""

import os
import shlex
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import httpx

from penstock.components.runtime import TaskError, figure, fingerprint, serving
from penstock.components.runtime.folders import copy_folder
from penstock.components.runtime.serving import CANDIDATE, Release, ServerInfo, ServingState

from .destination import Current, StepFailed

HOST = "127.0.0.1"
START_SECONDS = 180.0
ANSWER_SECONDS = 300.0


class LocalDestination:
    """One model of a folder that a model server on this machine serves.

    Attributes:
        url: The URL that answers predictions.
        stop_command: The command that stops the model server.
    """

    def __init__(self, folder: Path, port: int, model_name: str) -> None:
        self._folder, self._port, self._name = folder, port, model_name
        self.url = ServerInfo(0, HOST, port, 0.0).predict_url(model_name)
        self.stop_command = f"penstock serve stop {shlex.quote(str(folder))}"
        self._base = f"http://{HOST}:{port}"
        # No proxy stands between two processes of one machine, whatever the environment says.
        self._http = httpx.Client(timeout=ANSWER_SECONDS, trust_env=False)

    def __enter__(self) -> "LocalDestination":
        """Keeps other pushes out."""
        try:
            (self._folder / self._name).mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError, PermissionError) as error:
            raise TaskError(f"the destination's folder {self._folder} cannot be used ({error.strerror}); choose another one") from error
        self._lock = (self._folder / ".push.lock").open("w", encoding="utf-8")
        if not serving.try_lock(self._lock):
            self._lock.close()
            raise TaskError(f"another push to {self._folder} is under way; push again when it has ended")
        return self

    def __exit__(self, *_: Any) -> None:
        """Lets other pushes in; a server that has nothing to serve is not left behind."""
        if not serving.served_models(self._folder):
            serving.stop_server(self._folder)
        self._http.close()
        self._lock.close()

    def current(self) -> Current:
        """Returns what serves now, once the server agrees with the state that an interrupted push may have left."""
        state = self._state()
        try:
            if state.candidate:
                self.rollback()
            elif state.stable and self._check_server():
                self._serve_as_stated(self._name, state.stable)
        except StepFailed as failure:  # no reason not to replace it
            figure(f"what should serve does not: {failure}")
        return Current(self._release(state.stable), self._release(next(iter(state.history), None)))

    def stage(self, model: Path, release: Release) -> None:
        """Copies the model beside the others and has the server load it under the candidate's name."""
        self._ensure_server()
        version = f"{release.model_version}-{release.fingerprint[:12]}".lstrip("-")
        self._copy(model, release, self._folder / self._name / version)
        state = self._state()
        state.candidate = version
        self._switch(state)

    def shift(self, percent: int) -> None:
        """Makes the candidate the one that serves."""
        if percent != 100:
            raise TaskError(f"local:// has one server and shifts all the traffic or none, not {percent} %")
        state = self._state()
        if state.candidate is None:
            raise StepFailed("nothing is staged")
        history = [version for version in [state.stable, *state.history] if version and version != state.candidate]
        self._switch(ServingState(stable=state.candidate, history=history))

    def probe(self, instances: list[Any]) -> list[Any]:
        """Asks the model server, which is started again if it is down."""
        self._ensure_server()
        state = self._state()
        name = self._name + CANDIDATE if state.candidate else self._name
        return self._post(f"/v1/models/{name}:predict", {"instances": instances})["predictions"]

    def rollback(self) -> Release | None:
        """Drops the candidate, or goes back one version."""
        state = self._state()
        if state.candidate:
            state.candidate = None
        else:
            state = ServingState(stable=next(iter(state.history), None), history=state.history[1:])
        serving.write_state(self._folder, self._name, state)
        if state.stable:
            self._ensure_server()
        if serving.running_server(self._folder):
            self._serve_as_stated(self._name + CANDIDATE, state.candidate)
            self._serve_as_stated(self._name, state.stable)
        return self._release(state.stable)

    def _state(self) -> ServingState:
        """Reads the state without the versions whose files somebody has deleted."""
        state = serving.read_state(self._folder, self._name)
        gone = {version for version in [state.stable, state.candidate, *state.history] if version and self._release(version) is None}
        stable, candidate = (None if version in gone else version for version in (state.stable, state.candidate))
        return ServingState(stable, candidate, [version for version in state.history if version not in gone])

    def _switch(self, state: ServingState) -> None:
        """Writes a state and has the server follow it. The candidate's name goes last, when its model serves under its own."""
        serving.write_state(self._folder, self._name, state)
        self._serve_as_stated(self._name, state.stable)
        self._serve_as_stated(self._name + CANDIDATE, state.candidate)

    def _serve_as_stated(self, name: str, version: str | None) -> None:
        if version:
            self._post(f"/v2/repository/models/{name}/load", {})
        else:
            self._post(f"/v2/repository/models/{name}/unload", {}, allowed=404)

    def _release(self, version: str | None) -> Release | None:
        if not version or not (self._folder / self._name / version / "release.json").is_file():
            return None
        return serving.read_release(self._folder, self._name, version)

    def _copy(self, model: Path, release: Release, destination: Path) -> None:
        """Copies a model so that it is there whole or not at all; the same bytes are not copied twice."""
        copied = destination / "model"
        if copied.is_dir() and fingerprint(copied) == release.fingerprint:
            serving.write_release(destination, release)
            return
        partial = destination.with_name(f".{destination.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        try:
            copy_folder(model, partial / "model")
            serving.write_release(partial, release)
            if fingerprint(partial / "model") != release.fingerprint:
                raise TaskError(f"the model at {model} changed while it was copied to {destination}; push it again")
            shutil.rmtree(destination, ignore_errors=True)
            partial.rename(destination)
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    def _check_server(self) -> ServerInfo | None:
        """Returns the folder's server if it runs, on the port that the destination names."""
        info = serving.running_server(self._folder)
        if info and info.port != self._port:
            raise TaskError(
                f"the model server of {self._folder} listens on port {info.port}, not {self._port}; push to that port, or first: penstock serve stop {self._folder}"
            )
        return info

    def _ensure_server(self) -> None:
        if self._check_server() is None:
            self._start_server()

    def _start_server(self) -> None:
        """Starts the model server in a session of its own, so that it outlives the task, and waits until it answers."""
        python = os.environ.get("PENSTOCK_SERVE_PYTHON", "")
        if not shutil.which(python):
            raise TaskError(
                "PENSTOCK_SERVE_PYTHON names no Python interpreter; `penstock run` sets it, else make one (`penstock envs make serve`) and set it to that"
            )
        command = [python, "-m", "penstock.server", str(self._folder.absolute()), "--host", HOST, "--port", str(self._port)]
        log = self._folder / "server.log"
        with log.open("ab") as output:
            process = subprocess.Popen(
                command, cwd=self._folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._is_live():
            if process.poll() is not None:
                raise TaskError(f"the model server did not start: {_last_line(log)} (log: {log})")
            if time.monotonic() > deadline:
                process.kill()
                raise TaskError(f"the model server did not answer within {START_SECONDS:.0f} s: {_last_line(log)} (log: {log})")
            time.sleep(0.05)

    def _is_live(self) -> bool:
        if serving.running_server(self._folder) is None:  # whatever answers on this port is not ours
            return False
        try:
            return self._http.get(f"{self._base}/v2/health/live", timeout=1.0).is_success
        except httpx.HTTPError:
            return False

    def _post(self, path: str, body: dict[str, Any], allowed: int = 200) -> dict[str, Any]:
        try:
            response = self._http.post(self._base + path, json=body)
            answer = response.json()
        except (httpx.HTTPError, ValueError) as error:
            raise StepFailed(
                f"{path} got no answer ({type(error).__name__}: {error}); the server's log: {self._folder / 'server.log'}"
            ) from error
        if response.is_error and response.status_code != allowed:
            raise StepFailed(f"{path} answered {response.status_code}: {answer.get('error', answer)}")
        return answer


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1].removeprefix("error: ") if lines else "it said nothing"
