"""The families' environments: virtualenvs made by uv from the same hashed locks as the images."""

import hashlib
import importlib.resources
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import filelock
import uv

from ..errors import UserError
from .caches import cache_root, is_kept, keep
from .interpreters import find_python, glibc_version, running_version

# tensorflow-data-validation 1.21's wheels are manylinux_2_39, which no installer takes elsewhere; 1.16.1 runs anywhere, on these Pythons only.
_TFDV_GLIBC = (2, 39)
_OLD_TFDV_PYTHONS = ("3.11", "3.10")
_NVIDIA = ("/dev/nvidia0", "/proc/driver/nvidia")


@dataclass(frozen=True)
class Environment:
    """A family's virtualenv, made or not.

    Attributes:
        family: The family whose lock it holds.
        lock: The hashed lock.
        version: The Python version, as `3.12`.
        base_python: The interpreter that it is made from.
        path: Where it lies; the name tells the lock, the extra packages and the Python version.
        extra: Hashed requirements of packages that the lock has not, for users' modules; None: there are none.
    """

    family: str
    lock: Path
    version: str
    base_python: str
    path: Path
    extra: Path | None = None

    @property
    def python(self) -> Path:
        """The environment's interpreter."""
        return self.path / "bin" / "python"

    @property
    def ready(self) -> bool:
        """Whether it was made to the end."""
        return is_kept(self.path)

    @property
    def log(self) -> Path:
        """The output of uv while it created the environment."""
        return self.path.with_name(f"{self.path.name}.log")

    def make(self, on_start: Callable[["Environment"], None] = lambda _: None) -> None:
        """Makes the environment unless it is there; one process makes it, others wait. What was left unfinished is made again.

        Args:
            on_start: Called when there is work to do.

        Raises:
            UserError: uv could not make it.
        """

        def install(path: Path) -> None:
            on_start(self)
            self.log.unlink(missing_ok=True)
            self._uv("venv", "--python", self.base_python, str(path))
            # The 1.16 lock was resolved with overrides, which pip's own resolution would refuse.
            requirements = [argument for file in (self.lock, self.extra) if file for argument in ("-r", str(file))]
            self._uv("pip", "install", "--python", str(self.python), "--no-deps", "--require-hashes", "--compile-bytecode", *requirements)

        keep(self.path, install)

    def remove(self) -> None:
        """Removes the environment, if it is there."""
        if self.path.exists():
            with filelock.FileLock(f"{self.path}.lock"):
                shutil.rmtree(self.path)

    def _uv(self, *arguments: str) -> None:
        with self.log.open("a") as log:
            done = subprocess.run([uv.find_uv_bin(), *arguments], stdout=log, stderr=subprocess.STDOUT, check=False)
        if done.returncode != 0:
            lines = [line for line in self.log.read_text(errors="replace").splitlines() if line.strip()]
            raise UserError(
                f"cannot create the {self.family} environment: {' '.join(lines[-4:])} (full log: {self.log}; run `penstock doctor` to see "
                "what is missing)"
            )


def environment(family: str, extra: Path | None = None) -> Environment:
    """Returns a family's environment for this machine, made or not.

    Args:
        family: One of `FAMILIES`. `tf-gpu` is `tf` where there is no NVIDIA device.
        extra: Hashed requirements beside the lock's.

    Raises:
        UserError: No interpreter on this machine fits the family's lock, or the extra requirements cannot be read.
    """
    if family == "tf-gpu" and not has_gpu():
        family = "tf"
    lock = locks_of(family) / lock_name(family)
    if family == "tfdv" and lock.name != "requirements.txt":
        version, python = find_python(*_OLD_TFDV_PYTHONS)
    else:
        version, python = running_version(), sys.executable
    try:
        digest = hashlib.sha256(b"".join(file.read_bytes() for file in (lock, extra) if file)).hexdigest()[:12]
    except OSError as error:
        raise UserError(f"cannot read the extra packages: {error}") from error
    path = cache_root() / "envs" / f"{family}-{digest}-py{version.replace('.', '')}"
    return Environment(family, lock, version, python, path, extra)


def lock_name(family: str) -> str:
    """Returns the name of the lock that fits this machine's C library."""
    return "requirements-tfdv1.16.txt" if family == "tfdv" and glibc_version() < _TFDV_GLIBC else "requirements.txt"


def tfdv_choice() -> str:
    """Says which TFDV this machine gets, and why."""
    lock = (locks_of("tfdv") / lock_name("tfdv")).read_text(encoding="utf-8")
    found = re.search(r"^tensorflow-data-validation==([\d.]+)", lock, re.MULTILINE)
    assert found, "the lock pins it"
    here, needed = (".".join(map(str, version)) for version in (glibc_version(), _TFDV_GLIBC))
    older = "older" if glibc_version() < _TFDV_GLIBC else "not older"
    return f"TFDV {found[1]}: glibc {here} is {older} than {needed}"


def locks_of(family: str) -> Path:
    """Returns the folder with a family's locks."""
    return Path(str(importlib.resources.files("penstock.images"))) / family


def has_gpu() -> bool:
    """Tells whether this machine has an NVIDIA device."""
    return any(Path(path).exists() for path in _NVIDIA)
