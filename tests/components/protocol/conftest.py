"""A component to try the protocol with."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from penstock.components.protocol.values import decode_metadata

TASK = '''
"""A task that does what `how` says."""
import atexit
import logging
import os
import sys
import threading
import time
import warnings
from pathlib import Path
from typing import NamedTuple
from penstock.components.protocol import GateFailed, Input, Output, TaskError, figure

FORGED = "[penstock-error] forged"

class Outputs(NamedTuple):
    count: int
    word: str

def toy(made: Output, unmade: Output, how: str, size: int = 1, given: Input | None = None, share: float = 0.5,
        flag: bool = False, options: dict = {}, names: list = []) -> Outputs:
    made.path.mkdir()
    (made.path / "part").write_bytes(b"x" * size)
    made.metadata["arguments"] = [how, size, str(given.path) if given else None, share, flag, options, names]
    figure("half way")
    if how == "invalid":
        raise TaskError("the input is bad,\\n  here; correct it")
    if how == "gate":
        raise GateFailed("the gate is closed; look")
    if how == "bug":
        raise RuntimeError("a bug")
    if how == "change":
        (given.path / "rows").write_text("2")
    if how == "change and back":
        (given.path / "rows").write_text("2")
        (given.path / "rows").write_text("1")
    if how == "permit":
        (given.path / "rows").chmod(0o640)
    if how.startswith("half a line"):
        sys.stderr.write("50%|#####     |")
        sys.stdout.write("step 1")
        if how == "half a line, and a mistake":
            raise TaskError("correct it")
    if how == "link":
        (made.path / "more").symlink_to(made.path / "part")
    if how == "leave what is lost":
        (made.path / "empty" / "folder").mkdir(parents=True)
        (made.path / "part").chmod(0o755)
        unmade.path.mkdir()
    if how == "values":
        made.metadata |= options
        word = options["dollars"]
    else:
        word = "five"
    if how == "count too far":
        size = 2**53 + 1
    if how == "pipe":
        os.mkfifo(made.path / "more")
    if how in ("forge", "forge a bug"):
        atexit.register(print, f"{FORGED}\\nerror: forged\\n[penstock-outputs] {{}}")
        print(FORGED)
    if how == "forge a bug":
        raise RuntimeError("a bug")
    if how == "wide":
        raise TaskError("\U0001f600 is no carrier" + "ü" * 4096)
    if how == "surrogate":
        raise TaskError("a \\ud800 is not a character")
    if how == "full, reported by a library":
        raise RuntimeError("sink failed: [errno 28] No space left on device")
    if how == "full, and something else":
        try:
            raise OSError(28, "No space left on device", str(made.path / "part"))
        except OSError:
            raise KeyError("the library's own")
    if how.startswith("secret"):
        uri = "postgresql://user:SECRET@db/x?key=SECRET"
        made.metadata |= {"source": [uri, {"of": uri}]}
        figure(f"read {uri}")
        logging.getLogger("library").warning("asks %s again", uri)
        try:
            raise OSError(f"gave up on {uri}")
        except OSError as error:
            logging.getLogger("library").exception("it failed")
            given_up = error
        warnings.warn(f"{uri} is old")
        thread = threading.Thread(target=lambda: {}[f"not in {uri}"])
        thread.start()
        thread.join()
        if how == "secret reason":
            raise TaskError(f"{uri} does not answer")
        if how == "secret bug":
            raise RuntimeError(uri) from given_up
    if how == "log":
        for name in ("penstock.toy", "library"):
            for level in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR):
                logging.getLogger(name).log(level, "%s of %s", logging.getLevelName(level), name)
    if how.startswith("sleep"):
        Path(made.path.parent / "ready").touch()
        try:
            time.sleep(60)
        except SystemExit as end:
            if how == "sleep in a task group":
                raise BaseExceptionGroup("unhandled errors in a TaskGroup", [end])  # what anyio's task groups do
            raise
    figure("done")
    return Outputs(size, word)
'''


class Toy:
    """The component `toy`, below a folder.

    Attributes:
        root: Where its outputs go.
    """

    def __init__(self, folder: Path) -> None:
        self._code = folder / "code"
        self.root = folder / "run-1"
        package = self._code / "toy"
        package.mkdir(parents=True)
        (package / "__init__.py").touch()
        (package / "__main__.py").write_text("from penstock.components.protocol import command\ncommand(__spec__.parent)\n")
        (package / "task.py").write_text(TASK)

    def input(self, how: str, **values: Any) -> dict[str, Any]:
        """Builds an executor input."""
        artifacts = {name: {"artifacts": [{"name": name, "uri": str(self.root / name), "metadata": {}}]} for name in ("made", "unmade")}
        parameters = {name: {"outputFile": str(self.root / "parameters" / name)} for name in ("count", "word")}
        outputs = {"artifacts": artifacts, "parameters": parameters, "outputFile": str(self.root / "deep" / "output.json")}
        return {"inputs": {"parameterValues": {"how": how} | values}, "outputs": outputs}

    def start(self, spec: dict[str, Any] | str, stderr: int = subprocess.PIPE) -> subprocess.Popen[str]:
        """Starts the component's command."""
        environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(self._code), *filter(None, sys.path)])}
        command = [sys.executable, "-m", "toy", "--executor_input", spec if isinstance(spec, str) else json.dumps(spec)]
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=stderr, text=True)

    def run(self, how: str, **values: Any) -> tuple[int, str, str]:
        """Runs the component's command; returns the exit code, stdout and stderr."""
        return self.run_spec(self.input(how, **values))

    def run_spec(self, spec: dict[str, Any]) -> tuple[int, str, str]:
        """Runs the component's command on an executor input; returns the exit code, stdout and stderr."""
        process = self.start(spec)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    def output(self) -> dict[str, Any]:
        """Returns the executor output."""
        return json.loads((self.root / "deep" / "output.json").read_text())

    def metadata(self) -> dict[str, Any]:
        """Returns the metadata of `made`, as a consumer reads it."""
        return decode_metadata(self.output()["artifacts"]["made"]["artifacts"][0]["metadata"])

    def files(self) -> list[str]:
        """Returns every file and link that is there, hidden ones too."""
        return sorted(path.relative_to(self.root).as_posix() for path in self.root.rglob("*") if not path.is_dir() or path.is_symlink())


@pytest.fixture
def toy(tmp_path: Path) -> Toy:
    """A component to try the protocol with."""
    return Toy(tmp_path)


@pytest.fixture
def here(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> Callable:
    """The toy's task itself, for running it in this process."""
    import importlib

    monkeypatch.syspath_prepend(str(toy._code))
    monkeypatch.delitem(sys.modules, "toy", raising=False)
    monkeypatch.delitem(sys.modules, "toy.task", raising=False)
    return importlib.import_module("toy.task").toy
