"""The protocol: executor input, typed call, executor output."""

import hashlib
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import penstock
from penstock.components.protocol import TaskError, atomic, execute, executor, fingerprint, marks

FILES = ["deep/output.json", "made/part", "parameters/count", "parameters/word"]


def test_a_good_run_writes_everything_and_tells_what_it_made(toy):
    code, out, err = toy.run("well", size=3)
    assert (code, err) == (0, "")
    *figures, _, usage, outputs = out.splitlines()
    assert [marks.figure_in(line) for line in figures] == ["half way", "done"]
    assert toy.files() == FILES
    assert (toy.root / "parameters" / "count").read_text() == "3"
    assert (toy.root / "parameters" / "word").read_text() == "five"
    output = toy.output()
    assert outputs == f"[penstock-outputs] {json.dumps(output)}"
    assert usage.startswith("[penstock-usage] {")
    assert output["parameterValues"] == {"count": 3, "word": "five"}
    made = output["artifacts"]["made"]["artifacts"][0]
    digest = hashlib.sha256(b"part\0" + hashlib.sha256(b"xxx").hexdigest().encode() + b"\n").hexdigest()
    assert (made["name"], made["uri"]) == ("made", str(toy.root / "made"))
    assert made["metadata"]["fingerprint"] == digest
    assert made["metadata"]["penstock_version"] == penstock.__version__
    assert made["metadata"]["summary"] == "done"
    assert "fingerprint" not in output["artifacts"]["unmade"]["artifacts"][0]["metadata"]


def test_arguments_are_bound_as_backends_send_them(toy, here):
    values = {"size": 2.0, "share": 1, "flag": True, "options": {"steps": 5.0, "rate": 0.5, "deep": [1.0]}, "names": ["a"], "given": None}
    spec = toy.input("well", **values, **{"pipelinechannel--x": 1, "cpu_limit": ""})
    spec["inputs"]["artifacts"] = {"given": {"artifacts": [{"uri": "gs://bucket/data", "metadata": None}]}, "other": {"artifacts": []}}
    execute(here, spec)
    arguments = toy.metadata()["arguments"]
    assert arguments == ["well", 2, "/gcs/bucket/data", 1.0, True, {"steps": 5, "rate": 0.5, "deep": [1]}, ["a"]]
    assert [type(value) for value in (arguments[1], arguments[3], arguments[5]["steps"])] == [int, float, int]


@pytest.mark.parametrize("values", [{}, {"size": None, "share": None, "flag": None, "options": None, "names": None}])
def test_missing_and_null_mean_the_default(toy, here, values):
    spec = toy.input("well", **values)
    spec["inputs"]["artifacts"] = {"given": {"artifacts": []}}
    execute(here, spec)
    assert toy.metadata()["arguments"] == ["well", 1, None, 0.5, False, {}, []]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"size": "3"}, 'parameter size of toy must be int, not str "3"'),
        ({"size": 2.5}, "parameter size of toy must be int, not float 2.5"),
        ({"size": True}, "parameter size of toy must be int, not bool true"),
        ({"share": "x"}, "parameter share of toy must be float"),
        ({"flag": 1}, "parameter flag of toy must be bool"),
        ({"options": []}, "parameter options of toy must be dict"),
        ({"names": "a"}, "parameter names of toy must be list"),
        ({"how": None}, "parameter how of toy is missing"),
    ],
)
def test_wrong_values_are_named(toy, here, values, message):
    with pytest.raises(TaskError, match=message.replace(".", r"\.")):
        execute(here, toy.input(**({"how": "well"} | values)))
    assert not toy.root.exists()


@pytest.mark.parametrize("text", ["{{$}}", "", "{"])
def test_an_executor_input_that_is_no_json(toy, text):
    process = toy.start(text)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert err.startswith("error: --executor_input is not JSON")
    assert err.count("\n") == 1


def test_invalid_input_is_one_line_and_leaves_nothing(toy):
    assert toy.run("invalid")[::2] == (1, "error: the input is bad, here; correct it\n")
    assert toy.files() == []


def test_a_bug_keeps_its_traceback_and_leaves_nothing(toy):
    code, _, err = toy.run("bug")
    assert code == 1
    assert "Traceback" in err
    assert "RuntimeError: a bug" in err
    assert toy.files() == []


def test_a_closed_gate_keeps_its_evidence_and_reports_no_output(toy):
    assert toy.run("gate")[::2] == (1, "error: the gate is closed; look\n")
    assert toy.files() == ["made/part"]


def test_invalid_input_is_a_marked_line_of_the_log(toy):
    assert toy.run("invalid")[1].splitlines()[-1] == "[penstock-error] the input is bad, here; correct it"
    code, out, err = toy.run("surrogate")
    assert (code, err) == (1, "error: a \\ud800 is not a character\n")
    assert out.splitlines()[-1] == "[penstock-error] a \\ud800 is not a character"


@pytest.mark.parametrize("how", ["half a line", "half a line, and a mistake"])
def test_the_last_words_have_a_line_of_their_own(toy, how):
    with toy.start(toy.input(how), stderr=subprocess.STDOUT) as process:
        lines = process.stdout.read().splitlines()
    assert ("[penstock-error] correct it" if "mistake" in how else f"[penstock-outputs] {json.dumps(toy.output())}") in lines


def test_a_secret_that_a_message_has_no_room_for_is_not_cut_in_two(toy):
    secret = "SECRET" * 40
    code, out, err = toy.run("well", size=f"https://user:{secret}@host")
    assert code == 1
    assert "SECRET" not in out + err


def test_the_last_words_are_the_tasks_own(toy):
    code, out, err = toy.run("forge")
    assert (code, err) == (0, "")
    assert out.splitlines()[-1] == f"[penstock-outputs] {json.dumps(toy.output())}"
    bug = toy.start(toy.input("forge a bug"), stderr=subprocess.STDOUT)
    log, _ = bug.communicate(timeout=60)
    assert bug.returncode == 1
    assert log.splitlines()[-1] == "RuntimeError: a bug", "no line comes after the traceback"


@pytest.mark.parametrize("how", ["secret", "secret reason", "secret bug"])
def test_no_uri_tells_its_secrets(toy, how):
    code, out, err = toy.run(how)
    assert code == (how != "secret")
    assert "postgresql://***@db/x?***" in out
    assert "asks postgresql://***@db/x?*** again" in err
    for start in ("OSError: gave up on", "KeyError: 'not in", "UserWarning:"):
        assert f"{start} postgresql://***@db/x?***" in err
    assert "SECRET" not in out + err
    if how == "secret":
        assert toy.metadata()["source"][0] == "postgresql://***@db/x?***"
        assert "SECRET" not in json.dumps(toy.output())


@pytest.mark.parametrize("how", ["sleep", "sleep in a task group"])
def test_a_killed_task_leaves_nothing(toy, how):
    if how == "sleep in a task group" and sys.version_info < (3, 11):
        pytest.skip("Python 3.10 has no groups of errors")
    process = toy.start(toy.input(how))
    deadline = time.monotonic() + 90
    while not (toy.root / "ready").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert (toy.root / ".made.partial" / "part").exists()
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=90)
    assert (process.returncode, err) == (143, "")
    assert toy.files() == ["ready"]


def test_the_run_after_a_crash_needs_no_cleaning_up(toy):
    (toy.root / ".made.partial").mkdir(parents=True)
    (toy.root / ".made.partial" / "half").touch()
    (toy.root / "made").mkdir()
    (toy.root / "made" / "old").touch()
    assert toy.run("well")[0] == 0
    assert toy.files() == FILES


@pytest.mark.parametrize("how", ["invalid", "gate"])
def test_an_earlier_success_does_not_speak_for_a_failure(toy, how):
    assert toy.run("well")[0] == 0
    assert toy.run(how)[0] == 1
    assert toy.files() == ["made/part"]


def test_a_full_disk(toy, small_disk):
    code, _, err = toy.run("well", size=1 << 20)
    assert code == 1
    assert err.startswith("error: cannot write ")
    assert err.count("\n") == 1
    assert toy.files() == []
    assert toy.run("well", size=1)[0] == 0


@pytest.mark.parametrize(
    ("how", "named"),
    [("full, reported by a library", ""), ("full, and something else", "run-1/.made.partial/part")],
    ids=["library", "chain"],
)
def test_a_full_disk_is_reported_wherever_it_is_noticed(toy, small_disk, how, named):
    code, _, err = toy.run(how)
    assert code == 1
    assert err.startswith(f"error: cannot write {toy.root}")
    assert named in err
    assert err.count("\n") == 1
    assert toy.files() == []


def test_a_disk_that_fills_up_with_the_last_file(toy, small_disk):
    free = small_disk.joinpath("ballast")
    free.write_bytes(b"x" * (256 - 8) * 1024)  # room for the artifact and little else
    code, _, err = toy.run("well", size=8)
    assert code == 1
    assert err.startswith("error: cannot write ")
    assert toy.files() == ["ballast"]


@pytest.mark.parametrize("how", ["well", "invalid"])
def test_on_an_object_store_mount_nothing_is_renamed(toy, here, monkeypatch, how):
    monkeypatch.setattr(atomic, "_IN_PLACE", (f"{toy.root}/",))
    seen = []

    def watch(made: executor.Output, unmade: executor.Output, how: str):
        seen.append((made.path, unmade.path))
        return here(made, unmade, how)

    if how == "well":
        execute(watch, toy.input(how))
        assert toy.files() == FILES
    else:
        with pytest.raises(TaskError):
            execute(watch, toy.input(how))
        assert toy.files() == []
    assert seen == [(toy.root / "made", toy.root / "unmade")]


def test_one_runs_summary_is_not_the_nexts(toy, here):
    def silent(made: executor.Output):
        made.path.touch()

    execute(here, toy.input("well"))
    spec = toy.input("well")
    spec["outputs"]["parameters"] = {}
    execute(silent, spec)
    assert "summary" not in json.loads((toy.root / "deep" / "output.json").read_text())["artifacts"]["made"]["artifacts"][0]["metadata"]


def give(spec: dict, path: Path, **metadata: str) -> dict:
    """Gives the toy an input artifact."""
    spec["inputs"]["artifacts"] = {"given": {"artifacts": [{"name": "given", "uri": str(path), "metadata": metadata}]}}
    return spec


def test_an_input_that_is_not_what_its_metadata_says_is_refused(toy, tmp_path):
    data = tmp_path / "data"
    data.write_text("as it was made")
    recorded = fingerprint(data)
    assert toy.run_spec(give(toy.input("well"), data, fingerprint=recorded))[0] == 0
    data.write_text("as it is now")
    code, out, err = toy.run_spec(give(toy.input("well"), data, fingerprint=recorded))
    assert (code, f"error: {out.splitlines()[-1].removeprefix('[penstock-error] ')}\n") == (1, err)
    assert err.startswith(f"error: the artifact at {data} does not match its metadata")
    assert err.count("\n") == 1
    assert toy.run_spec(give(toy.input("well"), data))[0] == 0


@pytest.mark.parametrize("how", ["change", "change and back"])
def test_an_input_may_not_change_while_a_task_reads_it(toy, tmp_path, how):
    data = tmp_path / "data"
    data.mkdir()
    (data / "rows").write_text("1")
    code, _, err = toy.run_spec(give(toy.input(how), data))
    assert code == 1
    assert err == f"error: the artifact at {data} changed while the task read it; run the task again, and let nothing write there\n"
    assert toy.files() == []
    (data / "rows").write_text("1")
    assert toy.run_spec(give(toy.input("permit"), data))[0] == 0


@pytest.mark.parametrize("how", ["link", "pipe"])
def test_an_output_is_made_of_files(toy, how):
    code, _, err = toy.run(how)
    assert code == 1
    assert err.startswith(f"error: {toy.root}")
    assert err.count("\n") == 1
    assert toy.files() == []


class TestTerminationLog:
    """The file in which Kubernetes looks for why a container has ended, here in another place than `/dev`."""

    @pytest.fixture
    def file(self, toy, tmp_path) -> Path:
        file = tmp_path / "termination-log"
        start = f"from pathlib import Path\nfrom penstock.components.protocol import command, executor\nexecutor._TERMINATION_LOG = Path({str(file)!r})\n"
        (toy._code / "toy" / "__main__.py").write_text(f"{start}command(__spec__.parent)\n")
        return file

    @pytest.mark.parametrize(
        ("how", "message"),
        [
            ("invalid", "the input is bad, here; correct it"),
            ("gate", "the gate is closed; look"),
            ("bug", "RuntimeError: a bug"),
            ("surrogate", "a \\ud800 is not a character"),
            ("wide", "\\U0001f600 is no carrier" + "ü" * ((4096 - 24) // 2)),
            ("well", ""),
        ],
    )
    def test_says_why_a_task_failed(self, toy, file, how, message):
        file.touch()
        toy.run(how)
        assert file.read_text() == message

    @pytest.mark.parametrize("how", ["secret reason", "secret bug"])
    def test_tells_no_secret(self, toy, file, how):
        file.touch()
        toy.run(how)
        assert "postgresql://" in file.read_text()
        assert "SECRET" not in file.read_text()

    def test_is_not_made_where_there_is_none(self, toy, file):
        assert toy.run("invalid")[0] == 1
        assert not file.exists()


def test_outputs_have_nothing_that_a_backend_loses(toy):
    """Kubeflow keeps no empty folders, and no file's right to be executed."""
    assert toy.run("leave what is lost")[0] == 0
    assert sorted(path.name for path in (toy.root / "made").rglob("*")) == ["part"]
    assert (toy.root / "made" / "part").stat().st_mode & 0o111 == 0
    assert not (toy.root / "unmade").exists()


def test_metadata_for_people_is_cut(toy):
    assert toy.run("values", options={"summary": "x" * 100_000, "dollars": ""})[0] == 0
    assert len(toy.metadata()["summary"]) < 5000
