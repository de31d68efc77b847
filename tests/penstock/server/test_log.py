"""The server's log, written to as the server does."""

import logging
import subprocess
import sys
from pathlib import Path

import pytest

from penstock.server import log
from penstock.server.log import LineFormatter, escaped


def test_a_record_is_one_line_and_a_traceback_is_indented():
    hostile = "x\n2026-11-28 12:00:00 ERROR penstock: forged\r\x1b[2J\u2028\u202e\x85\ud800\x00é"
    try:
        raise ValueError(hostile)
    except ValueError:
        record = logging.LogRecord("penstock", logging.ERROR, __file__, 1, "%s failed", (hostile,), sys.exc_info())
    first, *rest = LineFormatter("%(message)s").format(record).split("\n")
    assert first == r"x\n2026-11-28 12:00:00 ERROR penstock: forged\r\x1b[2J\u2028\u202e\x85\ud800\x00é failed"
    assert all(line.startswith("    ") and line.isprintable() for line in rest)
    assert "        2026-11-28 12:00:00 ERROR penstock: forged"[4:] in rest


def test_what_can_be_read_stays_as_it_is():
    assert escaped("Zürich 東京 ☂ 'a' \\") == "Zürich 東京 ☂ 'a' \\"


WRITER = """
import sys, time
from pathlib import Path
from penstock.server import log
log._ERRORS_BYTES, log._LOOK_SECONDS = 1000, 0.05
log.configure_logging(Path(sys.argv[1]))
written = Path(sys.argv[1]) / "server.err"
for _ in range(4 if written.exists() else 0):
    while written.stat().st_size < 2000:
        print("x" * 100, file=sys.stderr, flush=True)
    while written.stat().st_size > 1000:
        time.sleep(0.01)
if not written.exists():
    print("x" * 10_000, file=sys.stderr, flush=True)
    time.sleep(0.3)  # six times the interval after which it looks
print("the end", file=sys.stderr, flush=True)
"""


def test_what_others_write_to_stderr_does_not_grow_for_ever(tmp_path: Path, family_environment: dict[str, str]):
    with (tmp_path / "server.err").open("ab") as errors:
        subprocess.run(
            [sys.executable, "-c", WRITER, str(tmp_path)], env=family_environment, stderr=errors, check=True, cwd=tmp_path, timeout=60
        )
    text = (tmp_path / "server.err").read_text()
    assert len(text) < 3000
    assert text.endswith("the end\n")


def test_a_file_that_is_not_the_servers_is_left_alone(tmp_path: Path, family_environment: dict[str, str]):
    with (tmp_path / "mine").open("ab") as file:
        subprocess.run(
            [sys.executable, "-c", WRITER, str(tmp_path)], env=family_environment, stderr=file, check=True, cwd=tmp_path, timeout=60
        )
    assert (tmp_path / "mine").stat().st_size > 10_000


def test_old_logs_are_few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(log, "_LOG_BYTES", 1000)
    handler = log._LogFile(tmp_path / "server.log")
    for number in range(200):
        handler.emit(logging.LogRecord("penstock", logging.ERROR, __file__, 1, f"{number:0100}", (), None))
    handler.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["server.log", "server.log.1", "server.log.2", "server.log.3"]
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o640}
