"""A page of the docs, and its commands, typed as they stand there."""

import re
import shlex
import subprocess
from pathlib import Path

from kfp import dsl

from penstock.remote.target import Target

from ...command import WARM_COMMAND, variables

ROOT = Path(__file__).parents[3]
EXAMPLE = "compiled/flight_delay_training.yaml"


@dsl.component(base_image="python:3.11")
def train_model(input_uri: str) -> str:
    """Stands for the example's task of this name: no docs' test trains."""
    print(f"trains on {input_uri}")
    return input_uri


class Page:
    """A page that leads from nothing to a finished run.

    Args:
        name: Its file in docs/.
        elsewhere: Commands that are tested elsewhere.
    """

    def __init__(self, name: str, *elsewhere: str) -> None:
        self._text = (ROOT / "docs" / name).read_text(encoding="utf-8")
        lines = re.findall(r"^\$ penstock (.+)$", self._text, re.MULTILINE)
        self._commands = [words for line in lines if (words := shlex.split(line))[0] not in elsewhere]

    def write_files(self, folder: Path, changed: dict[str, str]) -> None:
        """Writes the page's files: penstock.toml, and those whose first line is their name.

        Args:
            folder: Where to.
            changed: What stands in penstock.toml, and what is to stand there.
        """
        context = re.search(r"```toml\n(.*?)```", self._text, re.DOTALL)[1]
        for old, new in changed.items():
            assert old in context
            context = context.replace(old, new)
        (folder / "penstock.toml").write_text(context)
        for name, text in re.findall(r"```yaml\n# (\S+)\n(.*?)```", self._text, re.DOTALL):
            (folder / name).write_text(text)

    def type_all(self, folder: Path, target: Target) -> dict[str, str]:
        """Types every command in the page's order; RUN and SCHEDULE are the newest ones.

        Returns:
            What each has printed.
        """
        output = {}
        for words in self._commands:
            named = {"RUN": lambda: next(target.runs()).id, "SCHEDULE": lambda: next(target.schedules()).id}
            output[shlex.join(words)] = typed(folder, [named[word]() if word in named else word for word in words])
        return output


def typed(folder: Path, words: list[str]) -> str:
    """Types a command that succeeds; returns what it has printed."""
    done = subprocess.run([WARM_COMMAND, *words], cwd=folder, env=variables(), capture_output=True, text=True, check=False)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), f"{shlex.join(words)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def dry_run_of_the_example(folder: Path, *options: str) -> str:
    """Types a dry run of the example as it was compiled, which must stay as it is; returns what would be sent."""
    before = (ROOT / EXAMPLE).read_bytes()
    output = typed(folder, ["submit", str(ROOT / EXAMPLE), *options, "--dry-run"])
    assert (ROOT / EXAMPLE).read_bytes() == before
    return output
