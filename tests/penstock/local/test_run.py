"""`penstock run`, through its own door, on pipelines that kfp compiled."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from penstock.components.data.local_runs import local_runs

from ...command import COMMAND, variables
from ..lint.traps import DAMAGES, cut, saying
from ..pipelines import (
    branches,
    chain,
    compiled,
    drone,
    failing,
    gate,
    handled,
    independent,
    loop,
    nested_gates,
    optional,
    pretending,
    retried,
    to,
    waiting,
)


@pytest.fixture
def run(penstock, tmp_path):
    """Returns `run(pipeline, **parameters)`: compiles it, and runs it with `folder` naming the test's."""

    def run(pipeline, *options, **parameters):
        given = [item for name, value in {"folder": to(tmp_path), **parameters}.items() for item in ("--param", f"{name}={value}")]
        return penstock("run", compiled(pipeline, tmp_path), *given, *options)

    return run


def test_gate_opens(run, tmp_path):
    done = run(gate)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "said").read_text() == "open\n"


def test_a_run_has_the_name_that_it_is_given(run, tmp_path):
    assert run(gate, "--name", "tonight", "--label", "reason=drifted").returncode == 0
    [found] = local_runs(tmp_path / "local_outputs")
    assert (found.name, found.pipeline, found.state, found.labels) == ("tonight", "gate", "done", {"reason": "drifted"})
    again = run(gate, "--name", "tonight")
    assert again.returncode == 1
    assert re.match(r"error: there is a run tonight in .*/local_outputs; give another --name", again.stderr)
    assert run(gate, "--name", "../tonight").returncode == 2


def test_gate_closes_and_says_why(run, tmp_path):
    done = run(gate, text="not_blessed")
    assert done.returncode == 3, "a model that is not good enough is a result, but not released"
    assert not (tmp_path / "said").exists()
    assert "skipped" in done.stdout
    assert "make-verdict = not_blessed" in done.stdout
    (page,) = (tmp_path / "local_outputs").glob("gate-*/index.html")
    assert "done; the model is not released" in page.read_text()
    assert "because make-verdict = not_blessed" in page.read_text()


def test_gate_on_a_text_with_quotes_is_closed_not_broken(run, tmp_path):
    done = run(gate, text="""it's "blessed" or True""")
    assert done.returncode == 0, done.stdout
    assert not (tmp_path / "said").exists()


@pytest.mark.parametrize(
    ("was", "becomes"),
    [("outputParameterKey: verdict", "outputParameterKey: missing"), ("== 'blessed'", "== blessed"), ("== 'blessed'", "")],
)
def test_gate_that_cannot_be_evaluated_fails_the_run(penstock, tmp_path, was, becomes):
    path = compiled(gate, tmp_path)
    text = path.read_text()
    assert was in text
    path.write_text(text.replace(was, becomes))
    done = penstock("run", path, "--param", f"folder={to(tmp_path)}")
    assert done.returncode == 1
    assert "the tasks behind it did not run" in done.stdout
    assert not (tmp_path / "said").exists()


@pytest.mark.parametrize(
    "condition",
    [
        "[c for c in ().__class__.__base__.__subclasses__() if c.__name__ == '_wrap_close'][0].__init__.__globals__['system']('touch {}') == 0",
        "__import__('pathlib').Path('{}').touch() == null",
        "9**9**9**9 > 0",
        "(" * 20_000,
    ],
    ids=["subclasses", "import", "number", "nesting"],
)
def test_a_condition_is_never_handed_to_python(penstock, tmp_path, condition):
    path, ran = compiled(gate, tmp_path), tmp_path / "ran"
    document = yaml.safe_load(path.read_text())
    (policy,) = (task["triggerPolicy"] for task in document["root"]["dag"]["tasks"].values() if "triggerPolicy" in task)
    policy["condition"] = condition.format(ran)
    path.write_text(yaml.safe_dump(document))
    done = penstock("run", path, "--param", f"folder={to(tmp_path)}")
    assert done.returncode == 1
    assert "the tasks behind it did not run" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert not ran.exists()
    assert not (tmp_path / "said").exists()


@pytest.mark.parametrize("value", ["x' or True or '", "__import__('os')._exit(0)", "{0!r}", "'"])
def test_a_value_is_never_part_of_the_condition(run, tmp_path, value):
    assert run(gate, text=value).returncode == 0
    assert not (tmp_path / "said").exists()


@pytest.mark.parametrize("kilobytes", range(52, 65, 4))
def test_a_full_disk_is_one_line_wherever_it_is_met(penstock, tmp_path, mount_disk, kilobytes):
    disk = mount_disk(tmp_path / "disk", "64k")
    (disk / "ballast").write_bytes(b"x" * 1024 * kilobytes)
    done = penstock("run", compiled(chain, tmp_path), "--param", f"folder={to(tmp_path)}", "--root", disk)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "no space left" in " ".join((done.stdout + done.stderr).split()).lower()
    assert len(done.stderr.splitlines()) <= 1
    assert not list(disk.rglob("*.partial"))


def test_what_a_run_says_and_logs_tells_no_secrets_of_uris(run, tmp_path):
    done = run(gate, text="https://user:SECRET@host/rows.csv?signature=SECRET")
    assert "because make-verdict = https://***@host/rows.csv?***" in done.stdout
    assert "SECRET" not in done.stdout + done.stderr
    for name in ("orchestrator.log", "index.html"):
        (file,) = (tmp_path / "local_outputs").glob(f"gate-*/{name}")
        assert "host/rows.csv" in file.read_text()
        assert "SECRET" not in file.read_text()


def test_no_line_hides_a_traceback(penstock, tmp_path):
    done = penstock("run", compiled(pretending, tmp_path))
    assert done.returncode == 1
    assert "    RuntimeError: a bug\n" in done.stdout
    assert "pretend: all is well" not in done.stdout


@pytest.mark.parametrize(("text", "branch"), [("a", "first"), ("b", "second"), ("c", "third")])
def test_one_of_takes_the_artifact_of_the_branch_that_ran(run, tmp_path, text, branch):
    done = run(branches, text=text)
    assert done.returncode == 0, done.stdout
    assert (tmp_path / "read").read_text() == f"{branch}\n"
    assert (tmp_path / "written").read_text() == f"{branch}\n"


@pytest.mark.parametrize(("least", "share", "opens"), [(3, 0.25, True), (4, 0.25, False), (3, 0.75, False)])
def test_nested_gates_on_numbers_and_booleans(run, tmp_path, least, share, opens):
    done = run(nested_gates, least=least, share=share)
    assert done.returncode == 0, done.stdout
    assert (tmp_path / "said").exists() == opens


def test_loop_over_a_named_output_and_beside_another(run, tmp_path):
    done = run(loop)
    assert done.returncode == 0, done.stdout
    assert sorted((tmp_path / "items").read_text().split()) == ["a", "b", "c"]
    assert (tmp_path / "beside").read_text().split() == ["beside"] * 3
    logs = list((tmp_path / "local_outputs").glob("loop-*/for-loop-*-iteration-*/*.log"))
    assert len(logs) == 6, "every iteration has logs of its own"


def test_none_as_default(run, tmp_path):
    assert run(optional).returncode == 0
    assert (tmp_path / "optional").read_text() == "None"
    assert run(optional, text="given").returncode == 0
    assert (tmp_path / "optional").read_text() == "'given'"


def test_exit_handler_runs_after_a_failure(run, tmp_path):
    done = run(handled)
    assert done.returncode == 1
    assert (tmp_path / "final").read_text() == "FAILED"


def test_retry(run, tmp_path):
    assert run(retried).returncode == 0
    assert (tmp_path / "attempts").read_text() == "xx"


def test_failure_shows_the_end_of_the_log_and_its_path(run, tmp_path):
    done = run(failing)
    assert done.returncode == 1
    assert "the last words of a task" in done.stdout
    (log,) = (tmp_path / "local_outputs").glob("failing-*/fail.log")
    assert str(log) in done.stdout
    assert "not run" in done.stdout
    page = log.with_name("index.html").read_text()
    assert '<span class="verdict bad">failed</span>' in page
    assert '<a href="fail.log">log</a>' in page
    assert "not run" in page
    assert not (tmp_path / "said").exists()


# A process begins with the peak of the one that started it: what is measured is started by a small one.
MEASURED = "import resource, subprocess, sys; code = subprocess.call(sys.argv[1:]); print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(code)"


def test_a_line_without_end_does_not_fill_the_memory(tmp_path):
    command = [sys.executable, "-c", MEASURED, COMMAND, "run", str(compiled(drone, tmp_path)), "--param", "megabytes=200"]
    done = subprocess.run(command, cwd=tmp_path, env=variables(), stdout=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert "drone: it failed" in done.stdout
    assert len(done.stdout) < 10_000
    kilobytes = int(done.stdout.splitlines()[-1])
    assert kilobytes < 350_000


def test_failed_task_is_not_cached(run, tmp_path):
    run(failing)
    run(failing)
    assert (tmp_path / "attempts").read_text() == "xx"


def test_second_run_is_cached(run, tmp_path):
    verbose = run(gate, "--verbose").stdout
    assert re.search(r"^say +\[penstock\] said open$", verbose, re.MULTILINE), "the log's lines, each with its task's name"
    done = run(gate)
    assert done.stdout.count("  cached") == 2
    assert "verdict blessed" in done.stdout, "a cached task shows its figure"
    assert (tmp_path / "said").read_text() == "open\n"


def test_fresh_runs_everything_and_renews_the_cache(run, tmp_path):
    run(gate)
    fresh = run(gate, "--fresh")
    assert "  cached" not in fresh.stdout
    assert "[penstock]" not in fresh.stdout, "the lines of the log need --verbose"
    assert run(gate).stdout.count("  cached") == 2
    assert (tmp_path / "said").read_text() == "open\nopen\n"


def test_same_bytes_of_an_uncached_task_keep_what_is_behind_it_cached(run, tmp_path):
    run(chain)
    run(chain)
    assert (tmp_path / "written").read_text() == "same\nsame\n"
    assert (tmp_path / "read").read_text() == "same\n"
    run(chain, text="other")
    assert (tmp_path / "read").read_text() == "same\nother\n"


def test_vanished_outputs_are_made_again(run, tmp_path):
    run(branches, text="a")
    for file in (tmp_path / "local_outputs").glob("branches-*/write/artifact"):
        file.unlink()
    assert run(branches, text="a").returncode == 0
    assert (tmp_path / "written").read_text() == "first\nfirst\n"


def test_parameter_file_and_types(penstock, tmp_path):
    path = compiled(nested_gates, tmp_path)
    (tmp_path / "values.yaml").write_text(yaml.safe_dump({"folder": to(tmp_path), "least": 9, "share": 0}))
    assert penstock("run", path, "--params", tmp_path / "values.yaml", "--param", "least=3").returncode == 0
    assert (tmp_path / "said").exists(), "--param wins over the file"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1: 2", "must be `name: value` lines"),
        ("~: 2", "must be `name: value` lines"),
        ("input_format: 2024", "parameter input_format must be a string"),
        ("splits: {a: [!!binary aGVsbG8=]}", "parameter splits.a[0] is a bytes"),
        ("splits: {1: 2}", "parameter splits has a name that is not text"),
        ("splits: {a: .nan}", "parameter splits.a is not a 64-bit number"),
        ('splits: {a: "\\0"}', "parameter splits.a has a character that no text has"),
        ("splits: {a: 1}\nsplits: {a: 2}", "'splits' occurs twice"),
    ],
)
def test_a_parameter_file_with_what_is_no_parameter_is_one_line(penstock, tmp_path, text, message):
    (tmp_path / "values.yaml").write_text(text)
    done = penstock("run", "ingest_examples", "--param", "input_uri=x", "--params", "values.yaml")
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "local_outputs").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--param", "foldr=x"], "has no parameter foldr; did you mean folder?"),
        ([], "parameter folder of nested-gates.yaml is missing"),
        (["--param", "folder=x", "--param", "least=many"], "parameter least must be a whole number, not 'many'"),
        (["--param", "folder=x", "--param", "least=2.5"], "parameter least must be a whole number, not 2.5"),
        (["--param", "folder=x", "--param", "share=NaN"], "parameter share is not a 64-bit number"),
        (["--param", "folder=x", "--param", "share=-Infinity"], "parameter share is not a 64-bit number"),
        (["--param", "folder=x", "--param", f"least=1{'0' * 400}"], "parameter least is above 2^53 and would lose digits"),
        (["--param", "folder=x", "--param", "least=9223372036854775808"], "parameter least is above 2^53 and would lose digits"),
        (["--params", "absent.yaml"], "cannot read the parameters in absent.yaml"),
    ],
)
def test_wrong_parameters_are_one_line(penstock, tmp_path, arguments, message):
    done = penstock("run", compiled(nested_gates, tmp_path), *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "local_outputs").exists(), "nothing was started"


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_file(penstock, tmp_path, damage):
    (tmp_path / "damaged.yaml").write_text(cut(saying(), *damage))
    done = penstock("run", "damaged.yaml")
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "damaged.yaml is damaged: at " in done.stderr


@pytest.mark.parametrize("text", ["", "just text", "a: [1, 2", "name: value", "- a\n- b", "pipelineInfo:\n  name: x"])
def test_a_yaml_that_is_no_pipeline(penstock, tmp_path, text):
    (tmp_path / "other.yaml").write_text(text)
    done = penstock("run", "other.yaml")
    assert done.returncode == 2
    assert "other.yaml is not a compiled pipeline" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("  name: gate\n", "  name: ../../gate\n"),
        ("  name: gate\n", "  name: https://user:SECRET@host/gate\n"),
        ("  name: gate\n", "  name: .gate\n"),
        ("  name: gate\n", f"  name: {'gate' * 50}\n"),
        ("  name: gate\n", '  name: "gate\\u001b[2J"\n'),
        ("comp-make", "comp-../../make"),
        ("verdict", "../verdict"),
    ],
)
def test_a_name_is_no_path(penstock, tmp_path, was, becomes):
    path = compiled(gate, tmp_path)
    text = path.read_text()
    assert was in text
    path.write_text(text.replace(was, becomes))
    done = penstock("run", path, "--param", f"folder={to(tmp_path)}", "--root", "deep/root")
    assert done.returncode == 2
    assert "its name" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "SECRET" not in done.stderr
    assert "\x1b" not in done.stderr
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_a_file_that_is_missing(penstock):
    done = penstock("run", "missing.yaml")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: cannot read missing.yaml: No such file or directory; Penstock contains ")
    assert "training" in line


def test_wrong_usage(penstock):
    assert penstock("run").returncode == 2
    assert penstock("run", "x.yaml", "--param", "no-value").returncode == 2


@pytest.mark.parametrize(("was", "becomes", "message"), [("python:3.11", "python:3.11", ""), ("- sh\n", "- bash\n", "has no environment")])
def test_an_image_that_is_not_ours_is_refused_before_anything_runs(penstock, tmp_path, was, becomes, message):
    path = compiled(gate, tmp_path)
    path.write_text(path.read_text().replace(was, becomes))
    done = penstock("run", path, "--param", f"folder={to(tmp_path)}")
    assert done.returncode == (1 if message else 0)
    assert message in done.stderr


def test_a_terminal_gets_a_live_table(tmp_path):
    path = compiled(failing, tmp_path)
    terminal, end = os.openpty()
    process = subprocess.Popen(
        [COMMAND, "run", str(path), "--param", f"folder={to(tmp_path)}"], cwd=tmp_path, env=variables() | {"TERM": "xterm"}, stdout=end
    )
    os.close(end)
    shown = b""
    with contextlib.suppress(OSError):  # how Linux says that the other end is closed
        while piece := os.read(terminal, 65536):
            shown += piece
    os.close(terminal)
    assert process.wait(90) == 1
    assert b"\x1b[2K" in shown, "lines are drawn again in place"
    assert b"the last words of a task" in shown
    assert b"not run" in shown


def _start(tmp_path: Path) -> tuple[subprocess.Popen, int]:
    """Starts the pipeline that waits, and returns its process and the waiting task's."""
    path = compiled(waiting, tmp_path)
    (tmp_path / "pid").unlink(missing_ok=True)
    process = subprocess.Popen(
        [COMMAND, "run", str(path), "--param", f"folder={to(tmp_path)}"], cwd=tmp_path, env=variables(), stdout=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 90
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return process, int((tmp_path / "pid").read_text())


def _alive(pid: int) -> bool:
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout.strip()
    return bool(state) and not state.startswith("Z")  # a zombie has ended; its parent has not waited for it yet


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_ends_its_task_and_leaves_nothing_finished(tmp_path, number, code):
    process, task = _start(tmp_path)
    process.send_signal(number)
    assert process.wait(90) == code
    assert not _alive(task)
    assert not list((tmp_path / "local_outputs").rglob("executor_output.json"))
    assert not list((tmp_path / "local_outputs" / ".cache").glob("*"))
    (page,) = (tmp_path / "local_outputs").glob("*/index.html")
    assert page.read_text().count("canceled") >= 2, "the run, and its task"


def test_independent_tasks_run_side_by_side(run, tmp_path):
    done = run(independent)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [(tmp_path / f"{name}.met").read_text() for name in ("one", "other")] == ["2", "2"]
    ends = [line.split()[0] for line in done.stdout.splitlines() if " done " in line]
    assert {*ends[:2]} == {"meet", "meet-2"}, "each line says whose it is"
    assert ends[2] == "say"
    assert (tmp_path / "said").read_text() == "after both\n"


def test_as_many_run_as_the_option_allows(run, tmp_path):
    done = run(independent, "--parallel", "1", patience=0.1)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [(tmp_path / f"{name}.met").read_text() for name in ("one", "other")] == ["1", "1"]


def test_what_runs_beside_a_task_that_fails_goes_on_to_its_end(run, tmp_path):
    done = run(independent, one_fails="true")
    assert done.returncode == 1
    assert (tmp_path / "other.met").read_text() == "2"
    assert not (tmp_path / "said").exists()
    assert re.search(r"^meet-2 +done ", done.stdout, re.MULTILINE), done.stdout


def test_an_interruption_ends_all_that_run_side_by_side(tmp_path):
    given = ["--param", f"folder={to(tmp_path)}", "--param", "patience=3600"]
    process = subprocess.Popen(
        [COMMAND, "run", str(compiled(independent, tmp_path)), *given], cwd=tmp_path, env=variables(), stdout=subprocess.DEVNULL
    )
    pids = [tmp_path / f"{name}.pid" for name in ("one", "other")]
    deadline = time.monotonic() + 90
    while not all(pid.exists() and pid.read_text() for pid in pids):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    assert process.wait(90) == 130
    assert not any(_alive(int(pid.read_text())) for pid in pids)


def test_a_killed_task_fails_the_run(tmp_path):
    process, task = _start(tmp_path)
    os.kill(task, signal.SIGKILL)
    out, _ = process.communicate(timeout=90)
    assert process.returncode == 1
    assert "failed" in out
    assert not (tmp_path / "read").exists()
