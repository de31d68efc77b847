"""`penstock serve`, over a process that announces itself as the model server does."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from penstock.cli import main
from penstock.components.release import serving

# Holds the lock, listens, tells what it serves, ends at SIGTERM: what a model server is to this command.
SERVER = """
import http.server, os, signal, sys, time
from pathlib import Path
from penstock.components.release import serving
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
        self.wfile.write(b"# TYPE penstock_served_model gauge\\n")
        for one in sys.argv[3:]:
            self.wfile.write(f'penstock_served_model{{fingerprint="{one}",model_name="flights",version="?"}} 1.0\\n'.encode())
    def log_message(self, *_): pass
server = http.server.HTTPServer(("127.0.0.1", int(sys.argv[2])), Answer)
signal.signal(signal.SIGTERM, signal.SIG_IGN if "deaf" in sys.argv else lambda *_: sys.exit(0))
with serving.announced(Path(sys.argv[1]), serving.ServerInfo(os.getpid(), "127.0.0.1", int(sys.argv[2]), time.time())):
    server.serve_forever()
"""


@contextmanager
def running(folder: Path, port: int, environment: dict[str, str], *options: str) -> Iterator[subprocess.Popen]:
    process = subprocess.Popen([sys.executable, "-c", SERVER, str(folder), str(port), *options], env=environment, cwd=folder)
    try:
        while serving.running_server(folder) is None:
            assert process.poll() is None
            time.sleep(0.05)
        yield process
    finally:
        process.kill()
        process.wait()


def serve(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["serve", *arguments])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder as two pushes leave it."""
    version = tmp_path / "flights" / "2-bbb"
    version.mkdir(parents=True)
    serving.write_release(version, serving.Release("b" * 64, "2", {}))
    serving.write_state(tmp_path, "flights", serving.ServingState("2-bbb", history=["1-aaa"]))
    return tmp_path


def test_status_shows_what_serves(folder: Path, free_port: int, family_environment: dict[str, str]):
    with running(folder, free_port, family_environment, "b" * 64) as process:
        result = serve("status", str(folder))
    assert result.exit_code == 0, result.output
    for part in (
        f"pid {process.pid}",
        f"port {free_port}",
        "2-bbb",
        "b" * 64,
        "1-aaa",
        f"http://127.0.0.1:{free_port}/v1/models/flights:predict",
    ):
        assert part in result.output


@pytest.mark.parametrize(("serves", "message"), [(["a" * 64], f"but {'a' * 64} does"), ([], "2-bbb does not answer")])
def test_status_asks_the_server(serves: list[str], message: str, folder: Path, free_port: int, family_environment: dict[str, str]):
    with running(folder, free_port, family_environment, *serves):
        result = serve("status", str(folder))
    assert result.exit_code == 1
    assert message in result.output
    assert "b" * 64 in result.output


def test_stop_ends_the_server_and_says_so(folder: Path, free_port: int, family_environment: dict[str, str]):
    with running(folder, free_port, family_environment) as process:
        result = serve("stop", str(folder))
        assert result.exit_code == 0, result.output
        assert str(process.pid) in result.output
        assert process.wait(60) == 0
    assert serving.running_server(folder) is None
    assert serve("stop", str(folder)).output == f"no model server runs in {folder}\n"


def test_a_server_that_does_not_end_is_killed(
    folder: Path, free_port: int, family_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(serving, "STOP_SECONDS", 0.5)
    with running(folder, free_port, family_environment, "deaf") as process:
        assert serve("stop", str(folder)).exit_code == 0
        assert process.wait(60) == -9


def test_a_killed_server_does_not_count(folder: Path, free_port: int, family_environment: dict[str, str]):
    with running(folder, free_port, family_environment) as process:
        process.kill()
        process.wait()
    result = serve("status", str(folder))
    assert result.exit_code == 1
    assert "no model server runs" in result.output
    assert "flights" in result.output


def test_a_folder_without_a_push(tmp_path: Path):
    for place in (tmp_path, tmp_path / "none"):
        result = serve("status", str(place))
        assert (result.exit_code, result.output) == (1, f"no model server runs in {place}\n")
        assert serve("stop", str(place)).exit_code == 0


def test_a_state_that_cannot_be_read(folder: Path):
    (folder / "flights" / "state.json").write_text("{")
    result = serve("status", str(folder))
    assert result.exit_code == 1
    assert "state.json cannot be read" in result.output
    assert result.output.count("\n") == 2, "where no server runs, and why"


@pytest.mark.parametrize("command", ["status", "stop"])
@pytest.mark.parametrize(("name", "value"), [("pid", -1), ("pid", 0), ("port", 99999)])
def test_a_server_whose_file_names_no_process(command: str, name: str, value: int, folder: Path):
    info = serving.ServerInfo(7, "127.0.0.1", 7, 0.0)
    with serving.announced(folder, info):
        (folder / "server.json").write_text(serving.stored.dump(info).replace(f'"{name}": 7', f'"{name}": {value}'))
        result = serve(command, str(folder))
    assert result.exit_code == 1
    assert f"{name.replace('pid', 'process')} {value}" in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize("command", ["status", "stop"])
def test_help_has_an_example(command: str):
    assert f"Example: penstock serve {command}" in serve(command, "--help").output
