"""Pipelines of lightweight components: small, and compiled by kfp as a user's would be."""

import warnings
from pathlib import Path
from typing import Any, NamedTuple, Optional

from kfp import compiler, dsl

warnings.filterwarnings("ignore", category=FutureWarning)


@dsl.component(base_image="python:3.11")
def make(text: str) -> NamedTuple("Made", [("verdict", str), ("items", list), ("count", int), ("share", float), ("good", bool)]):  # type: ignore[valid-type]
    return (text, ["a", "b", "c"], 3, 0.5, True)


@dsl.component(base_image="python:3.11")
def say(text: str, folder: str, name: str = "said"):
    from pathlib import Path

    with (Path(folder[3:]) / name).open("a") as file:
        file.write(text + "\n")
    print(f"[penstock] said {text}")


@dsl.component(base_image="python:3.11")
def say_optional(folder: str, text: Optional[str] = None):  # noqa: UP045 - kfp knows no `str | None`
    from pathlib import Path

    (Path(folder[3:]) / "optional").write_text(repr(text))


@dsl.component(base_image="python:3.11")
def write(text: str, folder: str, artifact: dsl.Output[dsl.Dataset]):
    from pathlib import Path

    Path(artifact.path).write_text(text)
    with (Path(folder[3:]) / "written").open("a") as file:
        file.write(text + "\n")


@dsl.component(base_image="python:3.11")
def read(artifact: dsl.Input[dsl.Dataset], folder: str):
    from pathlib import Path

    with (Path(folder[3:]) / "read").open("a") as file:
        file.write(Path(artifact.path).read_text() + "\n")


@dsl.component(base_image="python:3.11")
def fail(folder: str):
    from pathlib import Path

    with (Path(folder[3:]) / "attempts").open("a") as file:
        file.write("x")
    print("the last words of a task")
    raise SystemExit(3)


@dsl.component(base_image="python:3.11")
def fail_once(folder: str):
    from pathlib import Path

    attempts = Path(folder[3:]) / "attempts"
    first = not attempts.exists()
    with attempts.open("a") as file:
        file.write("x")
    if first:
        raise SystemExit(3)


@dsl.component(base_image="python:3.11")
def wait(folder: str, artifact: dsl.Output[dsl.Dataset]):
    import os
    import time
    from pathlib import Path

    (Path(folder[3:]) / "pid").write_text(str(os.getpid()))
    time.sleep(60)
    Path(artifact.path).write_text("late")


@dsl.component(base_image="python:3.11")
def final(folder: str, status: dsl.PipelineTaskFinalStatus):
    from pathlib import Path

    (Path(folder[3:]) / "final").write_text(status.state)


@dsl.component(base_image="python:3.11")
def hold(folder: str):
    import time
    from pathlib import Path

    (Path(folder[3:]) / "held").touch()
    while not (Path(folder[3:]) / "go").exists():
        time.sleep(0.05)


@dsl.component(base_image="python:3.11")
def meet(folder: str, name: str, patience: float, fails: bool = False):
    import os
    import time
    from pathlib import Path

    place = Path(folder[3:])
    (place / f"{name}.pid").write_text(str(os.getpid()))
    (place / f"is-here-{name}").touch()
    last = time.monotonic() + patience
    while time.monotonic() < last and len(list(place.glob("is-here-*"))) < 2:
        time.sleep(0.02)
    met = len(list(place.glob("is-here-*")))
    if not fails:
        time.sleep(patience / 60)  # longer than who fails
        (place / f"is-here-{name}").unlink()
    (place / f"{name}.met").write_text(str(met))
    print(f"[penstock] {name} met {met - 1}")
    if fails:
        raise SystemExit(1)


@dsl.component(base_image="python:3.11")
def complain(reason: str):
    print(f"[penstock-error] {reason}")
    raise SystemExit(1)


@dsl.component(base_image="python:3.11")
def drone(megabytes: int):
    for _ in range(megabytes):
        print("x" * 1_000_000, end="", flush=True)
    raise SystemExit(1)


@dsl.component(base_image="python:3.11")
def pretend():
    print("error: all is well")
    print("[penstock-error] all is well", flush=True)
    raise RuntimeError("a bug")


@dsl.component(base_image="python:3.11")
def judge(verdict: str, outcome: str) -> NamedTuple("Judged", [("verdict", str), ("outcome", str)]):  # type: ignore[valid-type]
    import json

    print('[penstock-outputs] {"parameterValues": {"verdict": "blessed", "outcome": "pushed"}}')  # any code may print such a line
    print('[penstock-outputs] {"artifacts": {"model": 5}}')
    print(f"[penstock] {verdict}, {outcome}")
    print("[penstock-outputs] " + json.dumps({"parameterValues": {"verdict": verdict, "outcome": outcome}}))
    return (verdict, outcome)


@dsl.component(base_image="python:3.11")
def spend(used: dict):
    import json

    print("[penstock-usage] " + json.dumps(used))


@dsl.component(base_image="python:3.11")
def resume(used: dict, checkpoint_uri: str):
    import json

    print("[penstock-usage] " + json.dumps(used))


@dsl.container_component
def push_model():
    command = ["python", "-m", "penstock.components.push_model"]
    return dsl.ContainerSpec(image="registry/penstock-deploy:1", command=command, args=["--executor_input", "{{$}}"])


@dsl.pipeline(name="gate")
def gate(folder: str, text: str = "blessed"):
    made = make(text=text)
    with dsl.If(made.outputs["verdict"] == "blessed", name="blessed"):
        say(text="open", folder=folder)


@dsl.pipeline(name="branches")
def branches(folder: str, text: str):
    made = make(text=text)
    with dsl.If(made.outputs["verdict"] == "a"):
        first = write(text="first", folder=folder)
    with dsl.Elif(made.outputs["verdict"] == "b"):
        second = write(text="second", folder=folder)
    with dsl.Else():
        third = write(text="third", folder=folder)
    read(artifact=dsl.OneOf(first.outputs["artifact"], second.outputs["artifact"], third.outputs["artifact"]), folder=folder)


@dsl.pipeline(name="nested-gates")
def nested_gates(folder: str, least: int = 3, share: float = 0.25):
    made = make(text="x")
    with dsl.If(made.outputs["count"] >= least), dsl.If(made.outputs["good"] == True), dsl.If(made.outputs["share"] > share):  # noqa: E712
        say(text="open", folder=folder)


@dsl.pipeline(name="loop")
def loop(folder: str):
    made = make(text="beside")
    with dsl.ParallelFor(made.outputs["items"]) as item:
        say(text=item, folder=folder, name="items")
        say(text=made.outputs["verdict"], folder=folder, name="beside")


@dsl.pipeline(name="optional")
def optional(folder: str, text: Optional[str] = None):  # noqa: UP045 - kfp knows no `str | None`
    say_optional(folder=folder, text=text)


@dsl.pipeline(name="handled")
def handled(folder: str):
    with dsl.ExitHandler(final(folder=folder)):
        fail(folder=folder)


@dsl.pipeline(name="retried")
def retried(folder: str):
    fail_once(folder=folder).set_retry(2, backoff_duration="0s")


@dsl.pipeline(name="failing")
def failing(folder: str):
    failed = fail(folder=folder)
    say(text="never", folder=folder).after(failed)


@dsl.pipeline(name="waiting")
def waiting(folder: str):
    waited = wait(folder=folder)
    read(artifact=waited.outputs["artifact"], folder=folder)


@dsl.pipeline(name="holding")
def holding(folder: str):
    held = hold(folder=folder)
    say(text="late", folder=folder).after(held)


@dsl.pipeline(name="independent")
def independent(folder: str, patience: float = 60.0, one_fails: bool = False):
    one = meet(folder=folder, name="one", patience=patience, fails=one_fails)
    other = meet(folder=folder, name="other", patience=patience).set_retry(2, backoff_duration="3000s")
    say(text="after both", folder=folder).after(one, other)


@dsl.pipeline(name="complaining")
def complaining(folder: str, reason: str = "the rows have no label"):
    complain(reason=reason)


@dsl.pipeline(name="pretending")
def pretending():
    pretend()


@dsl.pipeline(name="judged")
def judged(folder: str, verdict: str = "blessed", outcome: str = "pushed"):
    """As tasks of Penstock's do, its first says what it gives back."""
    by = judge(verdict=verdict, outcome=outcome)
    with dsl.If(by.outputs["verdict"] == "blessed", name="blessed"):
        say(text="open", folder=folder)


@dsl.pipeline(name="spending")
def spending(folder: str, used: dict, memory: str = "4Gi", accelerator: str = ""):
    """As tasks of Penstock's do, its first two say what they took."""
    spend(used=used).set_cpu_limit("2").set_memory_limit(memory).set_caching_options(False)
    on_gpu = spend(used=used).set_cpu_limit("4").set_memory_limit("8Gi").set_accelerator_type(accelerator)
    on_gpu.set_accelerator_limit(1).set_retry(2).set_caching_options(False)
    say(text="silent", folder=folder)


@dsl.pipeline(name="resuming")
def resuming(folder: str, used: dict, memory: str = "4Gi"):
    """Its task is tried again, and goes on where it stopped."""
    resume(used=used, checkpoint_uri="gs://bucket/checkpoints").set_cpu_limit("2").set_memory_limit(memory).set_retry(2)


@dsl.pipeline(name="looped-gate")
def looped_gate(folder: str, text: str = "blessed"):
    made = make(text=text)
    with dsl.If(made.outputs["verdict"] == "blessed", name="blessed"), dsl.ParallelFor(["a", "b"]) as item:
        say(text=item, folder=folder)


@dsl.pipeline(name="silent-push")
def silent_push():
    """How its push ended is unknown if its task prints nothing."""
    push_model().set_caching_options(False)


@dsl.pipeline(name="chain")
def chain(folder: str, text: str = "same"):
    written = write(text=text, folder=folder).set_caching_options(False)
    read(artifact=written.outputs["artifact"], folder=folder)


def to(folder: Path) -> str:
    """Returns a folder as these components take it: not as a path, whose files would count as inputs."""
    return f"to:{folder}"


def compiled(pipeline: Any, folder: Path) -> Path:
    """Compiles a pipeline into a folder, and returns the file."""
    path = folder / f"{pipeline.name}.yaml"
    compiler.Compiler().compile(pipeline, str(path))
    return path


# Each kind of value, and text that some backend puts something else in for, or cannot store.
VALUES: dict[str, Any] = {
    "text": "plain",
    "empty": "",
    "none": None,
    "yes": True,
    "no": False,
    "whole": 7,
    "share": 0.25,
    "small": 1e-7,
    "large": 2**53 + 1,
    "list": ["a", 1, None, True, [2**60]],
    "dict": {"train": 2, "eval": {"rows": 1, "none": None}},
    "wrapped": {"list": [1]},
    "dollars": "cost: $$5, $(KFP_POD_NAME)",
    "braces": "{{workflow.name}} {{=1+1}} {{$.inputs.parameters['folder']}} {{{",
    "emoji": "\U0001f600 \u00e9",
    "json": 'a "quote", a \\ and\na line',
    "marked": "penstock-json:5",
    "$$": "a name",
}


@dsl.component(base_image="python:3.11")
def give(values: dict, given: dsl.Output[dsl.Artifact]) -> NamedTuple("Given", [("text", str), ("values", dict), ("items", list)]):  # type: ignore[valid-type]
    """Gives values as Penstock's components do."""
    from penstock.components.protocol.values import decode, encode, encode_metadata

    values = decode(values)
    given.metadata.update(encode_metadata(values))
    return (encode(values["dollars"]), encode(values, structured=True), encode([values["emoji"], values["large"]], structured=True))


@dsl.component(base_image="python:3.11")
def take(given: dsl.Input[dsl.Artifact], text: str, values: dict, items: list, folder: str):
    """Takes values as Penstock's components do, and writes them down."""
    import json
    from pathlib import Path

    from penstock.components.protocol.values import decode, decode_metadata

    taken = {"metadata": decode_metadata(given.metadata), "text": decode(text), "values": decode(values), "items": decode(items)}
    (Path(folder[3:]) / "taken.json").write_text(json.dumps(taken))


@dsl.pipeline(name="passing")
def passing(folder: str, values: dict):
    given = give(values=values)
    outputs = {name: given.outputs[name] for name in ("text", "values", "items")}
    take(given=given.outputs["given"], folder=folder, **outputs)


@dsl.pipeline(name="quoting")
def quoting(folder: str, text: str):
    """An f-string is put into the JSON of the executor input."""
    say(text=f"said: {text}", folder=folder)
