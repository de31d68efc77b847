"""Debian's packages of Prometheus, unpacked in Penstock's cache."""

import shutil
import subprocess
import tempfile
from pathlib import Path

from penstock.local.caches import cache_root, is_kept, keep

from .programs import FOLDER, HOW, find

_PACKAGES = ("prometheus", "prometheus-alertmanager", "prometheus-pushgateway")
_PROGRAMS = ("prometheus", "promtool", "alertmanager", "amtool", "pushgateway")


def variables() -> dict[str, str]:
    """Returns the variable that names the folder of the programs for tests; none where they were not fetched."""
    return {FOLDER: str(_folder() / "usr" / "bin")} if is_kept(_folder()) else {}


def make() -> str:
    """Fetches what is not on PATH, with the machine's own apt, which checks signatures.

    Returns:
        Why it cannot be had here; empty if all is there.
    """
    if is_kept(_folder()) or all(find(name) for name in _PROGRAMS):
        return ""
    if not (shutil.which("apt-get") and shutil.which("dpkg")):
        return f"Prometheus is not here, and neither is apt-get; {HOW}"
    print(f"fetching Prometheus into {_folder()}", flush=True)
    try:
        keep(_folder(), _fetch)
    except subprocess.CalledProcessError as error:
        output = (error.stderr or "").strip().splitlines()[-1:]
        return f"Prometheus cannot be fetched ({' '.join([*error.cmd[:2], *output])}); run `apt-get update`, or {HOW}"
    return ""


def _folder() -> Path:
    return cache_root() / "prometheus" / "packages"


def _fetch(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        _run("apt-get", "download", "-q", *_PACKAGES, folder=scratch)
        for package in Path(scratch).glob("*.deb"):
            _run("dpkg", "-x", str(package), str(folder), folder=scratch)


def _run(*command: str, folder: str) -> None:
    subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
