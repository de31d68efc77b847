"""The wheel: what is in it, and what a person can type who has nothing else."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZipFile

import pytest
import uv

from penstock.errors import UserError
from penstock.local.interpreters import find_python, running_version
from penstock.spec.compiled_files import compiled_files

from ..command import variables

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = {"penstock": "penstock"} | {folder: f"penstock/{folder}" for folder in ("components", "pipelines", "images", "compiled")}
# What people read, what locks are made from, and what builds images, for which a checkout is needed.
LEFT_OUT = re.compile(r"(^|/)(README\.md|Dockerfile|overrides-.*\.txt|[^/]*\.(in|sh|pyc))$")
VERTEX = "--target vertex --project p --location europe-west4 --pipeline-root gs://bucket/root"
ROLLBACK = "-p action=rollback -p model_name=m -p destination=vertex://p/europe-west4/e"
# A family's environment is made for one Python here, of which the other tests make use too.
NEEDING_ENVIRONMENTS = ("run", "envs make")


@dataclass(frozen=True)
class Person:
    """A user with the wheel in a virtualenv, in a folder with no Penstock in it."""

    folder: Path
    virtualenv: Path

    def types(self, line: str) -> subprocess.CompletedProcess[str]:
        """Runs a line in the shell."""
        environment = {name: value for name, value in variables().items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
        environment["PATH"] = f"{self.virtualenv / 'bin'}:{os.environ['PATH']}"
        return subprocess.run(["sh", "-c", line], cwd=self.folder, env=environment, capture_output=True, text=True, check=False)

    def succeeds(self, line: str) -> str:
        """Runs a line that ends well; returns what it has printed."""
        done = self.types(line)
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
        return done.stdout


def commands_of_the_readme() -> list[str]:
    """Returns what README.md says of life without a checkout, but for the installation."""
    section = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Without a checkout\n")[2]
    block = re.search(r"```console\n(.*?)```", section, re.DOTALL)[1].replace("\\\n", "")
    return re.findall(r"^\$ (penstock .+)$", block, re.MULTILINE)


def copy_of_the_checkout(folder: Path) -> Path:
    """Copies what a wheel is made of: building leaves traces."""
    for name in FOLDERS:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.py", "setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    return folder


def built(checkout: Path) -> Path:
    """Returns the wheel that a checkout gives by way of its source distribution, as `python -m build` makes it."""
    subprocess.run([uv.find_uv_bin(), "build", "--quiet", "--out-dir", "dist", "."], cwd=checkout, check=True)
    [wheel] = checkout.glob("dist/*.whl")
    return wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The wheel of this checkout."""
    return built(copy_of_the_checkout(tmp_path_factory.mktemp("checkout")))


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Callable[[str], Path]:
    """Returns `installed(version)`: a virtualenv of a Python version with the wheel, and what it declares, in it."""
    made: dict[str, Path] = {}

    def install(version: str) -> Path:
        if version not in made:
            try:
                _, python = find_python(version)
            except UserError:
                pytest.skip(f"there is no Python {version} on this machine")
            folder = tmp_path_factory.mktemp("virtualenv") / version
            subprocess.run([uv.find_uv_bin(), "venv", "--quiet", "--python", python, folder], check=True)
            install = [uv.find_uv_bin(), "pip", "install", "--quiet", "--compile-bytecode", "--python", folder / "bin" / "python"]
            subprocess.run([*install, wheel], check=True)
            made[version] = folder
        return made[version]

    return install


@pytest.fixture(params=["3.10", "3.11", "3.12", "3.13"])
def person(request, installed, tmp_path) -> Person:
    """A user with each Python that is on this machine."""
    return Person(tmp_path, installed(request.param))


@pytest.fixture
def person_with_environments(installed, tmp_path) -> Person:
    """A user with the Python of the families' environments."""
    return Person(tmp_path, installed(running_version()))


def test_what_lies_in_the_packages_is_in_the_wheel(wheel):
    with ZipFile(wheel) as archive:
        packed = {name: archive.read(name) for name in archive.namelist() if ".dist-info/" not in name}
    assert packed == dict(_files_of_the_packages())


@pytest.mark.slow
def test_a_new_component_is_found(tmp_path):
    checkout = copy_of_the_checkout(tmp_path)
    component = checkout / "components" / "say_hello"
    shutil.copytree(checkout / "components" / "validate_examples", component)
    added = {f"penstock/components/say_hello/{file.name}" for file in component.iterdir() if not LEFT_OUT.search(file.name)}
    with ZipFile(built(checkout)) as archive:
        assert added <= {*archive.namelist()}


def _any_kfp(text: str) -> str:
    """Returns a compiled file without the version of kfp that made it: a wheel takes any supported one."""
    return re.sub(r"kfp-\d+\.\d+\.\d+", "kfp", text)


@pytest.mark.slow
def test_what_needs_no_environment(person):
    lines = [line for line in commands_of_the_readme() if not line.removeprefix("penstock ").startswith(NEEDING_ENVIRONMENTS)]
    assert [line.split()[1] for line in lines] == ["doctor", "lint", "compile", "submit"]
    doctor, *others = lines
    examined = person.types(doctor)
    assert examined.returncode in (0, 1)
    assert examined.stdout
    assert all(line.startswith(("ok ", "MISSING ")) for line in examined.stdout.splitlines()), examined.stderr
    output = [person.succeeds(line) for line in others]
    assert "0 errors" in output[0]
    assert "pipelineInfo" in output[2]
    for path in compiled_files().values():
        made, ours = (_any_kfp((folder / path.relative_to(ROOT)).read_text(encoding="utf-8")) for folder in (person.folder, ROOT))
        assert made == ours, "the same text on every machine"
    (person.folder / "compiled" / "mine.yaml").write_text("")
    assert person.succeeds("penstock compile --output compiled --check") == "", "no other file is in the way"
    for line in ("penstock --help", "penstock envs list", "penstock components push_model", "penstock lint components/push_model"):
        person.succeeds(line)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        (
            "penstock compile",
            1,
            "is not a checkout of Penstock: run this in the folder with components/ and compiled/, or use --output DIR",
        ),
        ("penstock images build", 1, "is not a checkout of Penstock: run this in the folder that contains images/Dockerfile"),
        (f"penstock submit promote_or_rollback {VERTEX} {ROLLBACK} --dry-run", 2, "run: pip install 'penstock[vertex]'"),
        ("penstock submit nonsense --target kubeflow", 2, "Penstock contains"),
        ("penstock status local://serving", 2, "has no model yet"),
    ],
)
def test_what_cannot_be_done_is_one_line(person_with_environments, line, code, message):
    done = person_with_environments.types(line)
    assert (done.returncode, "Traceback" in done.stderr) == (code, False), done.stderr
    assert message in done.stderr


@pytest.mark.slow
def test_what_needs_environments(person_with_environments):
    person = person_with_environments
    (person.folder / "flights.csv").write_text("distance\n" + "".join(f"{distance}\n" for distance in range(1000)))
    for line in commands_of_the_readme():
        if line.removeprefix("penstock ").startswith(NEEDING_ENVIRONMENTS):
            person.succeeds(line)
    [examples] = (person.folder / "local_outputs").glob("*/ingest-examples/examples")
    person.succeeds(f"penstock run validate_examples --param examples={shlex.quote(str(examples))}")
    assert re.search("^serves +nothing", person.succeeds("penstock status local://serving --model-name flights"), re.MULTILINE)
    for line in ("penstock promote", "penstock rollback"):
        done = person.types(f"{line} local://serving --model-name flights")
        assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done.stderr


@pytest.mark.slow
def test_a_type_checker_takes_a_component_for_a_component(person_with_environments):
    person = person_with_environments
    (person.folder / "nightly.py").write_text(
        "from penstock.components import train_model\n"
        "from penstock.pipelines.training import training\n"
        "train_model(module_file='trainer.py')\ntraining(input_uri='rows.csv')\n"
        "from penstock.lint import lint\nlint(3)\n"
    )
    checker = [
        sys.executable,
        "-m",
        "mypy",
        "--cache-dir",
        os.devnull,
        "--python-executable",
        person.virtualenv / "bin" / "python",
        "nightly.py",
    ]
    done = subprocess.run(checker, cwd=person.folder, capture_output=True, text=True, check=False)
    assert re.findall(r"error: (.*?)  \[", done.stdout) == ['Argument 1 to "lint" has incompatible type "int"; expected "str"'], done.stdout


def _files_of_the_packages() -> Iterator[tuple[str, bytes]]:
    for folder, package in FOLDERS.items():
        for path in (ROOT / folder).rglob("*"):
            name = path.relative_to(ROOT / folder).as_posix()
            if path.is_file() and not LEFT_OUT.search(name):
                yield f"{package}/{name}", path.read_bytes()
