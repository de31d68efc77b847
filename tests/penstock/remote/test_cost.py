"""`penstock cost`, through its own door: of runs on this machine and on both backends."""

import html
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from penstock.cli import main
from penstock.cli.run_page import page_uri, write_run_page
from penstock.cost.prices import read_prices

from ...doubles.kubeflow.double import KubeflowDouble
from ...doubles.kubeflow.recorded import Recorded
from ..pipelines import chain, compiled, resuming, spending
from .backends import Backend
from .person import Person, run_id

ROOT = Path(__file__).resolve().parents[3]
GIB = 1 << 30
USED = {
    "seconds": 10.0,
    "cpu_seconds": 5.0,
    "memory_bytes": GIB,
    "read_bytes": 3_000_000,
    "written_bytes": 2_000_000,
    "gpus": [{"name": "NVIDIA L4", "utilization": 0.25, "memory_bytes": GIB}],
}
TABLE: dict[str, Any] = {
    "currency": "EUR",
    "source": "https://example.com/prices",
    "date": "2026-11-01",
    "default_machine": "small",
    "machines": {
        "small": {"cpus": 4, "memory_gib": 16, "hour": 3.6},
        "large": {"cpus": 8, "memory_gib": 32, "hour": 9},
        "card": {"cpus": 8, "memory_gib": 32, "hour": 36, "accelerator": "l4", "accelerator_watts": {"idle": 10, "full": 70}},
    },
    "energy": {
        "source": "https://example.com/energy",
        "cpu_watts": {"idle": 1, "full": 5},
        "memory_watts_per_gib": 0.5,
        "pue": 1.5,
        "grid_kg_per_kwh": 0.4,
    },
}


SMALL = TABLE["machines"]["small"]


@pytest.fixture
def prices(tmp_path: Path) -> Callable[..., Path]:
    """Writes a price table, with other values for some keys of it."""

    def write(**changed: Any) -> Path:
        file = tmp_path / "prices.yaml"
        file.write_text(yaml.safe_dump(TABLE | changed))
        return file

    return write


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal in the test's folder."""
    monkeypatch.chdir(tmp_path)


def types(*words: str | Path) -> Result:
    """Types a command."""
    return CliRunner().invoke(main, list(map(str, words)))


def told(done: Result) -> dict[str, Any]:
    """Returns what a command has printed as JSON."""
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def complaint(done: Result) -> str:
    """Returns the one line that says what is wrong."""
    assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (1, "", 1), done.output
    return done.stderr.removeprefix("error: ").rstrip()


@pytest.fixture(scope="module")
def spent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run on this machine, whose second task asks for a GPU."""
    person = Person(tmp_path_factory.mktemp("spent"))
    (person.folder / "prices.yaml").write_text(yaml.safe_dump(TABLE))
    done = person.runs(spending, "--name", "spent", "--prices", "prices.yaml", used=json.dumps(USED), accelerator="l4")
    assert done.returncode == 0
    run = person.folder / "local_outputs" / "spent"
    assert f"page       {(run / 'index.html').as_uri()}\n" in done.stdout
    return run


def test_prices_the_share_that_each_task_holds_on_a_backend(backend: Backend, person: Person, prices: Callable[..., Path]) -> None:
    accelerator = {"kubeflow": "nvidia.com/gpu", "vertex": "l4"}[backend.name]
    submitted = person.submits(spending, "--wait", used=json.dumps(USED), accelerator=accelerator)
    bill = told(types("cost", run_id(submitted.stdout), "--target", backend.name, "--prices", prices(), "--json"))
    tasks = {task["task"]: task for task in bill["tasks"]}
    whole = backend.name == "vertex"
    assert {name: task["machine"] for name, task in tasks.items()} == {
        "spend": "small",
        "spend-2": "card",
        "say": "small" if whole else None,  # it requests nothing, and has not said what it took
    }
    for name, price in {"spend": 0.001 if whole else 0.0005, "spend-2": 0.01}.items():
        task = tasks[name]
        assert task["seconds"] >= USED["seconds"], "Kubeflow tells whole seconds"
        assert task["cost"] == pytest.approx(price * task["seconds"], rel=1e-6)
    assert tasks["spend"]["requested"] == {
        "cpus": 2,
        "memory_bytes": pytest.approx(4 * GIB, rel=1e-3),
        "accelerator": "",
        "accelerators": 0,
    }
    assert tasks["spend"]["used"] == USED
    assert bill["cost"] == pytest.approx(sum(task["cost"] or 0 for task in bill["tasks"]))
    assert bill["cost_unknown"] == ([] if whole else ["say"])
    assert bill["kwh_unknown"] == ["say"]
    advised = types("advise", run_id(submitted.stdout), "--target", backend.name, "--prices", prices())
    rows = {line.split("  ")[0]: re.split(r"  +", line) for line in advised.stdout.splitlines() if "  " in line}
    assert rows["spend"][2:5:2] == ["750m", "1280Mi"]


def test_shows_what_a_run_here_took(prices: Callable[..., Path], spent: Path) -> None:
    shown = types("cost", "spent", "--root", spent.parent, "--prices", prices()).stdout
    rows = {line.split("  ")[0]: re.split(r"  +", line) for line in shown.splitlines() if "  " in line}
    assert rows["spend"][3:7] == ["0.50 of 2", "1.00 GiB of 4.00 GiB", "3.0 MB", "2.0 MB"]
    assert rows["spend-2"][3:6] == ["0.50 of 4", "1.00 GiB of 8.00 GiB", "25% of 1 x l4"]
    assert rows["say"][3:] == ["unknown"] * 6
    assert re.search(r"^run +0\.\d+ EUR, without say, which is unknown$", shown, re.MULTILINE)
    assert "model      none was trained in this run\n" in shown
    assert "prices.yaml, of 2026-11-01: https://example.com/prices" in shown


def test_the_page_of_a_run_shows_what_penstock_cost_prints(spent: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(spent.parents[1])
    page = html.unescape((spent / "index.html").read_text())
    shown = types("cost", "spent", "--prices", "prices.yaml").stdout
    rows, facts = shown.split("\n\n")
    cells = {cell for line in rows.splitlines() for cell in re.split(r"  +", line)} | {line[11:] for line in facts.splitlines()}
    assert {cell for cell in cells if f">{cell}</t" not in page} == set()
    assert "prices.yaml, of 2026-11-01: https://example.com/prices" in page


def test_what_a_page_links_to_lies_beside_it(spent: Path) -> None:
    links = re.findall(r'(?:href|src)="([^"]+)"', (spent / "index.html").read_text())
    assert sorted(links) == ["orchestrator.log", "say.log", "spend-2.log", "spend.log"]
    assert all((spent / link).is_file() for link in links)


def test_a_page_says_why_it_has_no_prices_and_runs_nothing_that_a_task_says(
    prices: Callable[..., Path], spent: Path, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(spent, tmp_path / "spent"))
    record = json.loads((run / "tasks.json").read_text())
    record["tasks"][0]["figure"] = "<script>alert(1)</script> from https://user:SECRET@host/"
    (run / "tasks.json").write_text(json.dumps(record))
    page = write_run_page(run, read_prices(prices(machines={"small": SMALL}))).read_text()
    assert "prices.yaml has no machine with 1 x l4 and 4 CPUs and 8 GiB, which spend-2 requests" in page
    assert "0.50 of 4" in page, "what was taken is known all the same"
    assert "SECRET" not in page
    assert "<script>" not in page


def test_a_page_that_cannot_be_written_is_a_warning(spent: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = Path(shutil.copytree(spent, tmp_path / "spent"))
    (run / "run.json").write_text("{")
    assert page_uri(run, None) == ""
    said = capsys.readouterr().err
    assert re.fullmatch(
        r"warning: the run's page cannot be written: Malformed: the run at .*/spent/run.json cannot be read .*; remove it\n", said
    ), said


def test_a_run_may_have_the_name_of_a_folder_beside_its_own(spent: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Path(shutil.copytree(spent, tmp_path / "runs" / "spent"))
    (tmp_path / "spent").mkdir()
    monkeypatch.chdir(tmp_path)
    assert page_uri(run, None) == (run / "index.html").as_uri()


def test_energy_is_what_the_formula_says(prices: Callable[..., Path], spent: Path) -> None:
    bill = told(types("cost", spent, "--prices", prices(), "--json"))
    first, second = (next(task for task in bill["tasks"] if task["task"] == name) for name in ("spend", "spend-2"))
    hours, later = (task["seconds"] / 3600 for task in (first, second))
    # 2 CPUs of which 0.5 work, 4 GiB; 4 CPUs of which 0.5 work, 8 GiB, a card of which a quarter works; each with the center's half more
    assert first["kwh"] == pytest.approx((2 * (1 + 0.25 * 4) + 4 * 0.5) * 1.5 * hours / 1000)
    assert second["kwh"] == pytest.approx((4 * (1 + 0.125 * 4) + 8 * 0.5 + 10 + 0.25 * 60) * 1.5 * later / 1000)
    assert bill["kg_co2e"] == pytest.approx((first["kwh"] + second["kwh"]) * 0.4)


def test_what_came_from_the_cache_costs_nothing(person: Person, prices: Callable[..., Path]) -> None:
    for name in ("first", "again"):
        assert person.runs(chain, "--name", name).returncode == 0
    tasks = {task["task"]: task for task in told(types("cost", "again", "--prices", prices(), "--json"))["tasks"]}
    assert (tasks["read"]["state"], tasks["read"]["cost"]) == ("cached", 0)
    assert (tasks["write"]["state"], tasks["write"]["cost"]) == ("done", None)
    page = (person.folder / "local_outputs" / "again" / "index.html").read_text()
    assert "penstock cost again --prices FILE" in page
    assert "EUR" not in page
    said = complaint(types("advise", "again", "--prices", prices()))
    assert said == "no task of the run again has said what it took: there is nothing to compare with"


def test_a_component_of_ours_says_what_it_took(person: Person, prices: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("key,value\n" + "".join(f"{number},1\n" for number in range(300)))
    parameter = f"input_uri={tmp_path / 'rows.csv'}"
    assert person.types("run", "ingest_examples", "--name", "one", "-p", parameter).returncode == 0
    [task] = told(types("cost", "local_outputs/one", "--prices", prices(), "--json"))["tasks"]
    assert 0 < task["used"]["cpu_seconds"] < 60
    assert task["used"]["memory_bytes"] > 20 << 20
    assert task["cost"] > 0
    assert not types("cost", "one", "--prices", prices()).stdout.count("unknown for")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"machines": {"small": SMALL}},
            r" has no machine with 1 x l4 and 4 CPUs and 8 GiB, which spend-2 requests: add one to `machines`",
        ),
        ({"machines": {"small": SMALL | {"hour": -1}}}, r": machines.small.hour must be a number from 0, not -1"),
        ({"machines": {"small": SMALL | {"hour": float("nan")}}}, r": machines.small.hour must be a number from 0, not nan"),
        ({"machines": {"small": SMALL | {"cpus": "4"}}}, r": machines.small.cpus must be a number above 0, not '4'"),
        ({"machines": {"small": {"hour": 1}}}, r": machines.small lacks cpus"),
        ({"machine": {}}, r": the file has no setting machine; did you mean machines\?"),
        ({"default_machine": "huge"}, r": default_machine is huge, which `machines` lacks; add it there"),
        ({"date": 2026}, r": date must be text in quotes, not 2026"),
    ],
)
def test_a_price_table_that_does_not_do_is_one_line(
    prices: Callable[..., Path], spent: Path, changed: dict[str, Any], message: str
) -> None:
    said = complaint(types("cost", spent, "--prices", prices(**changed)))
    assert re.fullmatch(rf"{re.escape(str(prices(**changed)))}{message}", said), said


def test_a_run_that_tells_nothing_is_one_line(prices: Callable[..., Path], tmp_path: Path) -> None:
    assert re.match(r"there is no run local_outputs/old; ", complaint(types("cost", "old", "--prices", prices())))
    (tmp_path / "local_outputs" / "old").mkdir(parents=True)
    (tmp_path / "old").mkdir()  # a folder of the run's name, which is not the run's
    assert re.match(r"the run in local_outputs/old has no record of its tasks: ", complaint(types("cost", "old", "--prices", prices())))
    (tmp_path / "local_outputs" / "old" / "tasks.json").write_text("{")
    damaged = complaint(types("cost", "old", "--prices", prices()))
    assert re.fullmatch(r"the record .*old/tasks.json cannot be read .*; run the pipeline again", damaged), damaged
    assert complaint(types("cost", "old", "--prices", "none.yaml")) == "cannot read the price table none.yaml: No such file or directory"


def test_a_run_that_a_backend_does_not_know_is_one_line(backend: Backend, prices: Callable[..., Path]) -> None:
    assert "0000" in complaint(types("cost", "0000", "--target", backend.name, "--prices", prices()))


@pytest.mark.parametrize("file", sorted((ROOT / "infra" / "prices").glob("*.yaml")), ids=lambda file: file.stem)
def test_the_tables_that_come_with_penstock_price_a_run(spent: Path, tmp_path: Path, file: Path) -> None:
    shutil.copytree(spent, tmp_path / "without")
    record = tmp_path / "without" / "tasks.json"
    record.write_text(record.read_text().replace('"accelerator": "l4"', '"accelerator": ""').replace("8Gi", "4Gi").replace('"4"', '"2"'))
    bill = told(types("cost", "without", "--root", ".", "--prices", file, "--json"))
    assert {task["task"]: task["cost"] is not None for task in bill["tasks"]} == {"spend": True, "spend-2": True, "say": False}
    assert bill["kg_co2e"] > 0


def test_advises_what_would_have_done(prices: Callable[..., Path], spent: Path) -> None:
    machines = TABLE["machines"] | {"card": TABLE["machines"]["card"] | {"spot_hour": 12}}
    done = types("advise", spent, "--prices", prices(machines=machines), "--headroom", "0.5")
    assert done.exit_code == 0, done.output
    rows = {line.split("  ")[0]: re.split(r"  +", line) for line in done.stdout.splitlines() if "  " in line}
    # half a CPU and 1 GiB were used
    assert rows["spend"][1:5] == ["0.50 of 2", "750m", "1.00 GiB of 4.00 GiB", "1536Mi"]
    assert float(rows["spend"][5]) > 0
    assert "unknown    what say took\n" in done.stdout
    assert 'spend.set_cpu_limit("750m")\n' in done.stdout, "its memory is a parameter of the pipeline"
    assert 'spend_2.set_cpu_limit("750m").set_memory_limit("1536Mi")\n' in done.stdout
    assert done.stdout.endswith('memory: "1536Mi"\n')


def test_advises_spot_only_to_who_goes_on_after_it(person: Person, prices: Callable[..., Path]) -> None:
    table = prices(machines={"small": SMALL | {"spot_hour": 0.36}})
    advice = "spot would do: it is tried again, and goes on from its checkpoint"
    assert person.runs(resuming, "--name", "resumed", used=json.dumps(USED | {"memory_bytes": 3.8 * GIB})).returncode == 0
    advised = types("advise", "resumed", "--prices", table).stdout
    assert f"close to its memory limit; {advice}" in advised
    record = person.folder / "local_outputs" / "resumed" / "tasks.json"
    record.write_text(record.read_text().replace('"maxRetryCount": 2', '"maxRetryCount": 0'))
    assert advice not in types("advise", "resumed", "--prices", table).stdout


def serving(folder: Path, destination: str, **options: Any) -> Path:
    """Makes the record of a run that has measured a model's rate and pushed it."""
    document = yaml.safe_load((ROOT / "compiled" / "training.yaml").read_text())
    names = ("train-model", "check-serving", "register-model", "push-model")
    tasks = [{"name": name, "component": "", "state": "done", "seconds": 1.0, "log": f"{name}.log"} for name in names]
    parameters = {"destination": destination, "serving_options": options}
    outputs: dict[str, Any] = {name: {} for name in names}
    rates = {"requests_per_second (Penstock v1)": 250.0, "requests_per_second (Penstock grpc)": 500.0, "p99_ms (Penstock v1)": 2.0}
    outputs["check-serving"] = {"artifacts": {"metrics": {"artifacts": [{"name": "metrics", "metadata": rates}]}}}
    outputs["register-model"] = {"parameterValues": {"version": "3"}}
    for name in names:
        lines = (f"[penstock-usage] {json.dumps(USED)}", f"[penstock-outputs] {json.dumps(outputs[name])}")
        (folder / f"{name}.log").write_text("\n".join(lines))
    record = {"pipeline_spec": document, "parameters": parameters, "tasks": tasks}
    (folder / "tasks.json").write_text(json.dumps(record))
    return folder


@pytest.mark.parametrize(
    ("destination", "options", "hour"),
    [
        ("kserve://models/flights", {}, 0.9),  # KServe gives the server one CPU and 2 GiB, a quarter of the machine
        ("kserve://models/flights", {"cpu": "2", "memory": "12Gi"}, 2.7),
        ("vertex://project/europe-west4/flights", {"machine_type": "large"}, 9),
        ("kserve://models/flights", {"gpu": 1}, None),
        ("local://serving", {}, None),
    ],
)
def test_predictions_cost_what_the_server_does_at_the_rate_that_was_measured(
    prices: Callable[..., Path], tmp_path: Path, destination: str, options: dict[str, Any], hour: float | None
) -> None:
    run = serving(tmp_path, destination, **options)
    found = told(types("cost", run, "--prices", prices(), "--json"))["cost_per_1000_predictions"]
    assert found == (None if hour is None else pytest.approx(hour / 3600 / 250 * 1000))
    shown = types("cost", run, "--prices", prices()).stdout
    assert re.search(r"^model +0\.\d+ EUR \(version 3\)$", shown, re.MULTILINE), shown
    assert ("unknown for 1,000 predictions: what a server at" in shown) is (hour is None)


def test_a_server_whose_machine_the_table_lacks_is_one_line(prices: Callable[..., Path], tmp_path: Path) -> None:
    said = complaint(types("cost", serving(tmp_path, "vertex://project/europe-west4/flights"), "--prices", prices()))
    assert said == f"{prices()} has no machine n1-standard-2, on which the model is served: add it to `machines`"


@pytest.mark.parametrize(
    ("destination", "options", "requests", "advice"),
    [
        ("kserve://models/flights?mode=knative", {}, "500", "0.00% of the day; min_replicas 0 would do, which saves up to 21.6 a day"),
        ("kserve://models/flights?mode=standard", {}, "500", "min_replicas 0 needs mode=knative"),
        ("kserve://models/flights?mode=knative", {}, "2000000", "the server is busy for 9.3% of the day; keep min_replicas"),
        ("kserve://models/flights?mode=knative", {"min_replicas": 0}, "500", "min_replicas is 0 already"),
        ("vertex://project/europe-west4/flights", {"machine_type": "large"}, "500", "Vertex AI keeps at least one machine"),
    ],
)
def test_advises_scale_to_zero_where_few_ask(
    prices: Callable[..., Path], tmp_path: Path, destination: str, options: dict[str, Any], requests: str, advice: str
) -> None:
    run = serving(tmp_path, destination, **options)
    assert advice in types("advise", run, "--prices", prices(), "--requests-per-day", requests).stdout


def test_a_recorded_run_of_an_older_version_tells_its_times_and_no_more(kubeflow: KubeflowDouble, prices: Callable[..., Path]) -> None:
    recorded = Recorded("flights-canary-pushed")
    kubeflow.replay(recorded)
    bill = told(types("cost", recorded.run_id, "--target", "kubeflow", "--host", kubeflow.url, "--prices", prices(), "--json"))
    tasks = {task["task"]: task for task in bill["tasks"]}
    assert (tasks["train-model"]["state"], tasks["train-model"]["cost"]) == ("cached", 0)
    assert tasks["push-model"]["seconds"] > 1
    assert (tasks["push-model"]["used"], tasks["push-model"]["cost"]) == ({}, None)
    assert bill["cost_per_1000_predictions"] is None


@pytest.mark.parametrize("backend", ["kubeflow", pytest.param("vertex", marks=pytest.mark.slow)], indirect=True)
def test_a_run_that_would_cost_more_than_its_budget_is_not_submitted(backend: Backend, person: Person, prices: Callable[..., Path]) -> None:
    used = json.dumps(USED)
    earlier = run_id(person.submits(resuming, "--wait", used=used).stdout)
    budget = ("--like", earlier, "--prices", str(prices()), "--target", backend.name)
    price = {"kubeflow": 0.005, "vertex": 0.01}[backend.name]  # half a machine, or a whole one, for ten seconds
    calls = len(backend.calls())
    stopped = person.submits(resuming, "--max-cost", str(price * 0.9), *budget, used=used)
    assert (stopped.returncode, stopped.stdout) == (2, "")
    assert re.fullmatch(
        r"error: the run would cost about 0\.0\d+ EUR, as the run \S+ did, and --max-cost is 0\.0\d+: request less \(penstock advise\), or "
        r"raise --max-cost\n",
        stopped.stderr,
    ), stopped.stderr
    timed = (
        "schedule",
        "create",
        compiled(resuming, person.folder),
        "--cron",
        "0 6 * * *",
        "-p",
        f"folder={person.folder}",
        "-p",
        f"used={used}",
    )
    assert "and --max-cost is 0.0" in types(*timed, "--max-cost", str(price * 0.9), *budget).stderr
    assert not [call for call in backend.calls()[calls:] if re.search("POST|Create", call)]
    warned = person.submits(resuming, "--max-cost", "1", "--warn-cost", "0.001", *budget, used=used)
    assert warned.returncode == 0
    assert re.fullmatch(r"warning: the run would cost about 0\.0\d+ EUR, .*, which is more than --warn-cost 0\.001\n", warned.stderr)


def test_a_run_whose_cost_cannot_be_known_does_not_start(person: Person, prices: Callable[..., Path], spent: Path, tmp_path: Path) -> None:
    def stopped(like: str | Path, **parameters: Any) -> str:
        options = ("--like", str(like), "--prices", str(prices()), "--max-cost", "100", "--name", "never")
        done = person.runs(resuming, *options, used=json.dumps(USED), **parameters)
        assert (done.returncode, done.stdout) == (2, ""), done.stdout
        assert not (tmp_path / "local_outputs" / "never").exists()
        return done.stderr.removeprefix("error: ").rstrip()

    for name in ("first", "cached"):
        assert person.runs(resuming, "--name", name, used=json.dumps(USED)).returncode == 0
    cannot = "the run {} does not tell what this one will cost: "
    assert stopped("cached") == cannot.format("cached") + "it took resume from the cache; give --like a run that ran all of its tasks"
    assert stopped(spent) == cannot.format("spent") + "it is a run of spending; give --like a run of resuming"
    assert stopped("first", memory="8Gi") == cannot.format("first") + (
        "resume requested something else there; give --like a run with the same requests"
    )
    assert (
        stopped("none")
        == "there is no run local_outputs/none; `ls local_outputs` lists the runs there. For a run on a backend, give --target"
    )
    assert person.runs(resuming, "--max-cost", "1", used=json.dumps(USED)).returncode == 2, (
        "it is not said which earlier run, and which prices"
    )
