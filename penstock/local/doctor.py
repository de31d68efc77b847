"""What a machine needs, what it lacks, and the fix."""

import os
import platform
import shutil
import socket
import subprocess
import sys
import sysconfig
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import uv

from penstock.components.images import FAMILIES

from ..errors import UserError
from .caches import cache_root
from .envs import environment, has_gpu, tfdv_choice
from .interpreters import running_version

_PYTHONS = ("3.10", "3.11", "3.12", "3.13")
_GIB_FOR_ENVIRONMENTS = 9
_INDEX = "https://pypi.org/simple/"
_SERVING_PORT = 8501


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        what: What it is, as found.
        good: Whether it will do.
        fix: What to do if not.
    """

    what: str
    good: bool
    fix: str


def examine() -> list[Finding]:
    """Looks at everything that setting up and running needs."""
    checks: list[Callable[[], Finding]] = [_python, _uv, _compiler, _headers, _tfdv, _cache, _disk, _index, _port, _gpu]
    return [check() for check in checks]


def _python() -> Finding:
    return Finding(f"Python {platform.python_version()}", running_version() in _PYTHONS, f"use one of {', '.join(_PYTHONS)}")


def _uv() -> Finding:
    done = subprocess.run([uv.find_uv_bin(), "--version"], capture_output=True, text=True, check=False)
    return Finding(done.stdout.strip() or "uv", done.returncode == 0, "`pip install uv`")


def _compiler() -> Finding:
    found = next(filter(None, map(shutil.which, ("c++", "g++", "clang++"))), None)
    return Finding(f"C++ compiler {found or ''}".strip(), bool(found), "`apt install g++` (pyfarmhash, which TFDV needs, has no wheel)")


def _headers() -> Finding:
    header = _include_folder() / "Python.h"
    fix = f"`apt install python{running_version()}-dev` (pyfarmhash, which TFDV needs, has no wheel)"
    return Finding(f"Python headers for the tfdv family in {header.parent}", header.exists(), fix)


def _include_folder() -> Path:
    try:
        python = environment("tfdv").base_python
    except UserError:
        python = sys.executable
    if python == sys.executable:
        return Path(sysconfig.get_path("include"))
    asked = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('include'))"], capture_output=True, text=True, check=False
    )
    return Path(asked.stdout.strip())


def _tfdv() -> Finding:
    what = tfdv_choice()
    try:
        item = environment("tfdv")
    except UserError as error:
        return Finding(what, False, error.message)
    return Finding(f"{what}, on Python {item.version}", True, "")


def _cache() -> Finding:
    root = cache_root()
    try:
        root.mkdir(parents=True, exist_ok=True)
        good = os.access(root, os.W_OK)
    except OSError:
        good = False
    return Finding(f"cache {root}", good, "set PENSTOCK_CACHE to a folder that you may write to")


def _disk() -> Finding:
    if all(environment(family).ready for family in FAMILIES if family != "tfdv"):
        return Finding("disk: the environments are there", True, "")
    place = next(path for path in (cache_root(), *cache_root().parents) if path.exists())
    free = shutil.disk_usage(place).free / 2**30
    return Finding(
        f"disk: {free:.0f} GiB free in {place}",
        free >= _GIB_FOR_ENVIRONMENTS,
        f"the environments need {_GIB_FOR_ENVIRONMENTS} GiB; free some, or set PENSTOCK_CACHE to a larger disk",
    )


def _index() -> Finding:
    url = os.environ.get("UV_DEFAULT_INDEX") or os.environ.get("UV_INDEX_URL") or _INDEX
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=10):  # noqa: S310 - the user's own index
            good, reason = True, ""
    except (urllib.error.URLError, OSError) as error:
        good, reason = isinstance(error, urllib.error.HTTPError) and error.code < 500, f" ({error})"
    return Finding(
        f"package index {url}{'' if good else reason}", good, "check the network and the proxy, or set UV_DEFAULT_INDEX to a mirror"
    )


def _port() -> Finding:
    with socket.socket() as probe:
        taken = probe.connect_ex(("127.0.0.1", _SERVING_PORT)) == 0
    what = f"port {_SERVING_PORT} {'answers: a server is running (`penstock serve status`)' if taken else 'is free for the model server'}"
    return Finding(what, True, "")


def _gpu() -> Finding:
    return Finding("an NVIDIA device: training uses it" if has_gpu() else "no NVIDIA device: training runs on the CPU", True, "")
