"""The model server process of a `local://` destination: found, started, asked."""

import os
import shutil
import subprocess
import time
from dataclasses import fields
from pathlib import Path
from typing import Any

import httpx

from penstock.components.protocol import TaskError
from penstock.components.release import serving
from penstock.components.release.http_client import make_client
from penstock.components.release.server_token import authorization
from penstock.components.release.serving import ServerInfo

from ..destination import StepFailed
from ..server_options import ServerOptions

HOST = "127.0.0.1"
START_SECONDS = 180.0
ANSWER_SECONDS = 300.0


class LocalServer:
    """The model server of a folder.

    Args:
        folder: The folder of a `local://` destination.
        port: The port that the destination names.
        asked: What it does beside predicting; one that runs is left as it is if this is nothing.
    """

    def __init__(self, folder: Path, port: int, asked: ServerOptions) -> None:
        self._folder, self._port, self._asked = folder, port, asked
        self._base = f"http://{HOST}:{port}"
        self._log = folder / serving.LOG
        # No proxy stands between two processes of one machine, whatever the environment says.
        self._http = make_client(self._base, timeout=ANSWER_SECONDS, trust_env=False)

    def close(self) -> None:
        """Ends the connections to the server, and leaves it running."""
        self._http.close()

    def find(self) -> ServerInfo | None:
        """Returns the folder's server if it runs.

        Raises:
            TaskError: It listens on another port than the destination names, has other options, or is one of 0.1.0.
        """
        info = serving.running_server(self._folder)
        if info and not info.version:
            raise TaskError(
                f"the model server of {self._folder} was started by Penstock 0.1.0 and cannot read the files of this version; first run: "
                f"penstock serve stop {self._folder}"
            )
        if info and info.port != self._port:
            raise TaskError(
                f"the model server of {self._folder} listens on port {info.port}, not {self._port}; push to that port, or first run: "
                f"penstock serve stop {self._folder}"
            )
        if info and self._asked.given() and self._asked != (kept := _options_of(info)):
            raise TaskError(
                f"the model server of {self._folder} keeps its prediction log {kept}; push with the same options, or first run: "
                f"penstock serve stop {self._folder}"
            )
        return info

    def ready(self) -> ServerInfo:
        """Waits until the folder's server answers, and starts it if it does not run.

        Raises:
            TaskError: It does not start, or does not answer.
        """
        process = None
        deadline = time.monotonic() + START_SECONDS
        while (info := self.find()) is None or not self._is_live():
            if process and process.poll() is not None:
                raise TaskError(f"the model server did not start: {serving.last_words(self._folder)}")
            if time.monotonic() > deadline:
                if process:
                    process.kill()
                raise TaskError(f"the model server did not answer within {START_SECONDS:.0f} s: {serving.last_words(self._folder)}")
            if info is None and process is None:  # one that was killed holds its lock for an instant
                process = self._start()
            time.sleep(0.05)
        return info

    def load(self, name: str) -> None:
        """Has the server do under a name what the state file says now.

        Raises:
            StepFailed: It cannot.
        """
        self._tell(name, "load")

    def unload(self, name: str) -> None:
        """Takes a name away, which may be gone already.

        Raises:
            StepFailed: The server does not answer.
        """
        self._tell(name, "unload", allowed=404)

    def predict(self, name: str, instances: list[Any]) -> list[Any]:
        """Returns a model's predictions.

        Raises:
            StepFailed: It gives none.
        """
        return self._post(f"/v1/models/{name}:predict", {"instances": instances})["predictions"]

    def metrics(self) -> str:
        """Returns the server's metrics in Prometheus' text format; nothing from a server that does not answer."""
        try:
            response = self._http.get(f"{self._base}/metrics")
        except httpx.HTTPError:
            return ""
        return response.text if response.is_success else ""

    def _start(self) -> subprocess.Popen:
        """Starts the server in a session of its own, so that it outlives the task."""
        python = os.environ.get("PENSTOCK_SERVE_PYTHON", "")
        if not shutil.which(python):
            raise TaskError(
                "PENSTOCK_SERVE_PYTHON is not a Python interpreter; use `penstock run`, which sets it, or create one (`penstock envs "
                "make serve`) and set the variable to it"
            )
        command = [python, "-m", "penstock.server", str(self._folder.absolute()), "--host", HOST, "--port", str(self._port)]
        command += self._asked.arguments()
        with serving.open_errors(self._folder) as errors:
            return subprocess.Popen(
                command, cwd=self._folder, stdin=subprocess.DEVNULL, stdout=errors, stderr=errors, start_new_session=True
            )

    def _is_live(self) -> bool:
        try:
            return self._http.get(f"{self._base}/v2/health/live", timeout=1.0).is_success
        except httpx.HTTPError:
            return False

    def _tell(self, name: str, verb: str, allowed: int = 200) -> None:
        self._post(f"/v2/repository/models/{name}/{verb}", {}, authorization(self._folder), allowed)

    def _post(self, path: str, body: dict[str, Any], headers: dict[str, str] | None = None, allowed: int = 200) -> dict[str, Any]:
        try:
            response = self._http.post(self._base + path, json=body, headers=headers)
            answer = response.json()
        except (httpx.HTTPError, ValueError) as error:
            raise StepFailed(f"{path} did not answer ({type(error).__name__}: {error}); the server's log: {self._log}") from error
        if response.is_error and response.status_code != allowed:
            raise StepFailed(f"{path} answered {response.status_code}: {answer.get('error', answer)}")
        return answer


def _options_of(info: ServerInfo) -> ServerOptions:
    return ServerOptions(**{each.name: getattr(info, each.name) for each in fields(ServerOptions)})
