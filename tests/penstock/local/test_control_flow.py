"""Loops, conditions, defaults and values give here what the compiled file says."""

import json
from typing import List, Optional  # noqa: UP035 - kfp reads them

import pytest
from kfp import dsl

from ..pipelines import compiled, make, read, say, to


@dsl.component(base_image="python:3.11")
def note(values: list, folder: str, name: str):
    import json
    from pathlib import Path

    (Path(folder[3:]) / name).write_text(json.dumps(values))


@dsl.component(base_image="python:3.11")
def plus(n: int, more: int = 1) -> int:
    return n + more


@dsl.component(base_image="python:3.11")
def keep(n: int, data: dsl.Output[dsl.Dataset]):
    from pathlib import Path

    Path(data.path).write_text(str(n))


@dsl.component(base_image="python:3.11")
def keep_elsewhere(folder: str, data: dsl.Output[dsl.Dataset]):
    from pathlib import Path

    data.set_path(f"{folder[3:]}/elsewhere")
    Path(data.path).write_text("elsewhere")


@dsl.component(base_image="python:3.11")
def gather(data: dsl.Input[List[dsl.Dataset]], folder: str, name: str):  # noqa: UP006 - kfp reads it
    import json
    from pathlib import Path

    (Path(folder[3:]) / name).write_text(json.dumps([int(Path(each.path).read_text()) for each in data]))


@dsl.component(base_image="python:3.11")
def tell(folder: str, name: str, text: str = "by default", number: Optional[int] = None):  # noqa: UP045 - kfp reads it
    import json
    from pathlib import Path

    (Path(folder[3:]) / name).write_text(json.dumps([text, number]))


@dsl.component(base_image="python:3.11")
def same(data: dsl.Input[dsl.Dataset], copy: dsl.Output[dsl.Dataset]):
    from pathlib import Path

    Path(copy.path).write_text(Path(data.path).read_text())


@dsl.component(base_image="python:3.11")
def boom() -> str:
    raise SystemExit(3)


@dsl.pipeline(name="inner")
def inner(folder: str, name: str, text: str, data: dsl.Input[dsl.Dataset] = None, number: Optional[int] = None):  # noqa: UP045
    tell(folder=folder, name=name, text=text, number=number)


@dsl.pipeline(name="only-an-artifact")
def only_an_artifact(data: dsl.Input[dsl.Dataset]) -> dsl.Dataset:
    return same(data=data).outputs["copy"]


@dsl.pipeline(name="looping")
def looping(folder: str, groups: list = [{"name": "x", "parts": ["a", "b"]}, {"name": "y", "parts": []}]):  # noqa: B006 - kfp's way
    with dsl.ParallelFor(groups) as group, dsl.ParallelFor(group.parts) as part:
        say(text=part, folder=folder, name="parts")
    with dsl.ParallelFor([10, 20]) as outer, dsl.ParallelFor([1, 2]) as within:
        added = plus(n=outer, more=within)
        kept = keep(n=within)
    note(values=dsl.Collected(added.output), folder=folder, name="added")
    gather(data=dsl.Collected(kept.outputs["data"]), folder=folder, name="kept")
    with dsl.ParallelFor([1, 2, 3]) as n:
        one = plus(n=n)
        with dsl.If(one.output > 2):
            two = plus(n=one.output)
    note(values=dsl.Collected(two.output), folder=folder, name="behind-if")


@dsl.pipeline(name="giving")
def giving(folder: str, text: str, numbers: list):
    say(text=text, folder=folder, name="as-it-is")
    note(values=numbers, folder=folder, name="whole")
    inner(folder=folder, name="put-together", text=f"<{text}>")
    read(artifact=only_an_artifact(data=keep(n=5).outputs["data"]).output, folder=folder)
    read(artifact=keep_elsewhere(folder=folder).outputs["data"], folder=folder)


@dsl.pipeline(name="whatever-happens")
def whatever_happens(folder: str):
    tell(folder=folder, name="ignoring", text=boom().output, number=1).ignore_upstream_failure()
    limited = say(text="limited", folder=folder, name="limited")
    limited.set_cpu_limit(make(text="1").outputs["verdict"]).set_memory_limit(make(text="2G").outputs["verdict"])


@pytest.fixture
def run(penstock, tmp_path):
    """Returns `run(pipeline, **parameters)`, which returns the finished command and what the pipeline wrote."""

    def run(pipeline, **parameters):
        given = [part for name, value in {"folder": to(tmp_path), **parameters}.items() for part in ("-p", f"{name}={value}")]
        done = penstock("run", compiled(pipeline, tmp_path), *given)
        return done, {path.name: path.read_text() for path in tmp_path.iterdir() if path.is_file()}

    return run


def test_loops_take_the_items_they_name_and_collect_what_ran(run):
    done, wrote = run(looping)
    assert done.returncode == 0, done.stdout
    assert sorted(wrote["parts"].split("\n")) == ["", "a", "b"]
    assert wrote["added"] == "[[11, 12], [21, 22]]", "a list for each loop, and whole numbers are whole"
    assert wrote["kept"] == "[1, 2, 1, 2]", "artifacts are one list"
    assert wrote["behind-if"] == "[4, 5]"


def test_values_arrive_as_they_are(run):
    text = "a {{$.x}} {{$}} {{$.inputs.parameters['folder']}} {{$.pipeline_job_name}}"
    done, wrote = run(giving, text=text, numbers='[1, 2.5, null, {"a": [3]}]')
    assert done.returncode == 0, done.stdout
    assert wrote["as-it-is"] == f"{text}\n"
    assert wrote["whole"] == '[1, 2.5, null, {"a": [3]}]'
    assert json.loads(wrote["put-together"]) == [f"<{text}>", None], "what is optional and not given is absent"
    assert "5" in wrote["read"].split(), "a nested pipeline is given an artifact also where it takes nothing else"
    assert "elsewhere" in wrote["read"].split(), "an artifact that was written at a path of the task's own is found"


def test_defaults_stand_in_for_what_failed_and_limits_are_waited_for(run):
    done, wrote = run(whatever_happens)
    assert done.returncode == 1, "a run in which a task failed has failed"
    assert json.loads(wrote["ignoring"]) == ["by default", 1]
    assert wrote["limited"] == "limited\n"
    plan = [line.split()[0] for line in done.stdout.splitlines() if " done " in line]
    assert plan.index("say") > max(plan.index("make"), plan.index("make-2"))


def test_an_item_without_the_field_is_one_line(run):
    done, wrote = run(looping, groups=json.dumps([{"name": "x"}]))
    assert done.returncode == 1
    assert """error: for-loop-2: an item has no field parts: '{"name":"x"}'""" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert wrote["behind-if"] == "[4, 5]", "what does not depend on it runs"
