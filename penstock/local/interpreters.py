"""Finds a Python for a family's lock."""

import functools
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import uv

from ..errors import UserError


def running_version() -> str:
    """Returns this interpreter's version as `3.12`."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def glibc_version() -> tuple[int, int]:
    """Returns this system's glibc as (major, minor); (0, 0) on systems without glibc, such as musl or macOS."""
    name, version = platform.libc_ver()
    if name != "glibc":
        return 0, 0
    major, minor = version.split(".")[:2]
    return int(major), int(minor)


@functools.cache
def find_python(*versions: str) -> tuple[str, str]:
    """Finds an interpreter of one of some versions; the running one wins, then the order given.

    Returns:
        The version, and the interpreter's path.

    Raises:
        UserError: There is none on this machine.
    """
    if running_version() in versions:
        return running_version(), sys.executable
    for version in versions:
        for candidate in _candidates(version):
            if _answers(candidate, version):
                return version, candidate
    wanted = " or ".join(versions)
    raise UserError(
        f"this machine has no Python {wanted}, which the tfdv family needs with glibc older than 2.39; "
        f"install one (such as `apt install python{versions[0]}`, `pyenv install {versions[0]}` or `uv python install {versions[0]}`)"
    )


def _candidates(version: str) -> Iterator[str]:
    """Yields what may be an interpreter: what uv knows, and pyenv's own, whose shims answer only for the active version."""
    found = subprocess.run(
        [uv.find_uv_bin(), "python", "find", "--no-project", "--no-python-downloads", version], capture_output=True, text=True, check=False
    )
    if found.returncode == 0:
        yield found.stdout.strip()
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from sorted(map(str, pyenv.glob(f"versions/{version}.*/bin/python")))


def _answers(python: str, version: str) -> bool:
    code = "import sys, venv; print('%d.%d' % sys.version_info[:2])"
    answer = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    return answer.stdout.strip() == version
