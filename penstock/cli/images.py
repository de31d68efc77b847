"""`penstock images`: the families' images, built from a checkout by the container engine of this machine."""

import json
import os
import shlex
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import click

import penstock
from penstock.components.images import FAMILIES

from ..compile.pinning import pins
from ..errors import UserError
from ..local.engines import Engine, find_engine

# Further options of the engine's `build`, such as a certificate's mount on a machine behind a proxy.
OPTIONS = "PENSTOCK_IMAGE_BUILD_OPTIONS"
# The time of every file and image: the same lock gives the same layer, whenever and for whatever commit it is built.
_EPOCH = "0"


@dataclass(frozen=True)
class Source:
    """What the images are built from.

    Attributes:
        revision: The commit; it ends in `-dirty` where the checkout has changes.
        created: The commit's time, as RFC 3339 has it.
    """

    revision: str
    created: str

    @classmethod
    def of_checkout(cls) -> "Source":
        """Asks git; where that knows nothing, the commit is `unknown` and the time empty."""
        revision = _git("describe", "--always", "--dirty", "--abbrev=40", "--exclude=*") or "unknown"
        return cls(revision, _git("log", "-1", "--format=%cI"))


@dataclass(frozen=True)
class Build:
    """One family's image.

    Attributes:
        family: One of `FAMILIES`.
        name: The image's name, with its tag: the wheel's version.
    """

    family: str
    name: str

    def command(self, engine: Engine, target: str, source: Source) -> list[str]:
        """Returns the command that builds one stage of `images/Dockerfile`."""
        arguments = {
            "FAMILY": self.family,
            "NAME": self.name,
            "VERSION": penstock.__version__,
            "REVISION": source.revision,
            "CREATED": source.created,
        }
        # The tests' image is built, for a build that fails is a test that fails, and never named.
        named = ["--tag", self.name] if target == "production" else []
        return [
            *(engine.command, "build", "--file", "images/Dockerfile", "--target", target, *named),
            *(["--timestamp", _EPOCH] if engine.is_podman else ["--build-arg", f"SOURCE_DATE_EPOCH={_EPOCH}"]),
            *(word for name, value in arguments.items() for word in ("--build-arg", f"{name}={value}")),
            *shlex.split(os.environ.get(OPTIONS, "")),
            ".",
        ]

    def push(self, engine: Engine) -> str:
        """Pushes the image; returns the digest that it has in the registry.

        Raises:
            UserError: The registry did not take it.
        """
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "digest"
            _run([engine.command, "push", *(["--digestfile", str(file)] if engine.is_podman else []), self.name])
            if engine.is_podman:
                return file.read_text(encoding="utf-8").strip()
        names = json.loads(engine.ask("image", "inspect", "--format", "{{json .RepoDigests}}", self.name).stdout)
        repository = self.name.rpartition(":")[0]
        return next(name for name in names if name.startswith(f"{repository}@")).rpartition("@")[2]


@click.group()
def images() -> None:
    """Manage the container images of the dependency families.

    Example: penstock images list
    """


_registry = click.option(
    "--registry", default="", metavar="REGISTRY", help="The registry, with a path. Default: the registry of the released images."
)


def _builds(families: tuple[str, ...], registry: str) -> list[Build]:
    names = pins(registry, "", None)
    return [Build(family, names[family]) for family in families or FAMILIES]


@images.command("list")
@_registry
def list_(registry: str) -> None:
    """List the images and their sizes on this machine.

    Example: penstock images list
    """
    engine = find_engine()
    for item in _builds((), registry):
        size = engine.ask("image", "inspect", "--format", "{{.Size}}", item.name).stdout.strip()
        click.echo(f"{item.name:<50} {f'{int(size) / 1e6:.0f} MB' if size else 'absent'}")


@images.command()
@click.option("--family", "families", multiple=True, type=click.Choice(FAMILIES), help="The family. You can repeat it. Default: all.")
@_registry
@click.option("--test", is_flag=True, help="Also run the family's tests on the layers of each image.")
@click.option("--push", is_flag=True, help="Push the images after all are built.")
@click.option(
    "--digests", type=click.Path(path_type=Path), metavar="FILE", help="With --push: write the digests of the images to this file."
)
def build(families: tuple[str, ...], registry: str, test: bool, push: bool, digests: Path | None) -> None:
    """Build images from this checkout, tagged with the package's version.

    \b
    Examples:
      penstock images build --family deploy
      penstock images build --registry europe-west4-docker.pkg.dev/my-project/penstock --push --digests digests.json
    """
    if digests and not push:
        raise click.UsageError("--digests needs --push, because the registry computes the digests")
    if not Path("images/Dockerfile").is_file():
        raise UserError(f"{Path.cwd()} is not a checkout of Penstock: run this in the folder that contains images/Dockerfile")
    engine = find_engine()
    source = Source.of_checkout()
    _make_wheel()
    builds = _builds(families, registry)
    for item in builds:
        for target in ("production", "test") if test else ("production",):
            click.echo(f"building {item.name}{'' if target == 'production' else ': its tests'}")
            _run(item.command(engine, target, source))
    if push:
        pushed = {item.family: item.push(engine) for item in builds}
        if digests:
            digests.write_text(json.dumps(pushed, indent=2) + "\n", encoding="utf-8")


def _make_wheel() -> None:
    """Makes the wheel that the images hold, unless a release has put its own there (a release's is never made twice)."""
    import uv

    wheel = Path("dist") / f"penstock-{penstock.__version__}-py3-none-any.whl"
    if os.environ.get("CI") and wheel.exists():
        return
    # By way of a source distribution: built in place, a wheel would hold what an earlier build has left in build/.
    _run([uv.find_uv_bin(), "build", "--quiet", "--out-dir", "dist", "."])


def _git(*arguments: str) -> str:
    """Returns what git says; empty where there is no git, or no repository."""
    try:
        return subprocess.run(["git", *arguments], capture_output=True, text=True, check=False).stdout.strip()
    except FileNotFoundError:
        return ""


def _run(command: list[str]) -> None:
    if subprocess.run(command, check=False).returncode != 0:
        raise UserError(f"{shlex.join(command[:2])} failed; see the output above (command: {shlex.join(command)})")
