"""Prometheus, its Alertmanager and its Pushgateway: those on PATH, or else in the folder that a variable names. Standard library only."""

import os
import shutil
import subprocess
from pathlib import Path

FOLDER = "PENSTOCK_PROMETHEUS"
HOW = "install Debian's packages prometheus, prometheus-alertmanager and prometheus-pushgateway, or put the programs on PATH"
# In Debian's packages the names of the programs begin with it.
PREFIX = "prometheus-"


def find(name: str) -> str | None:
    """Returns the path of a program, such as `promtool` or `alertmanager`; None where it is not there."""
    places = [None, os.environ.get(FOLDER) or os.devnull]
    return next((found for place in places for each in (name, PREFIX + name) if (found := shutil.which(each, path=place))), None)


def alertmanager() -> list[str] | None:
    """Returns the command of Alertmanager; None where it is not there, or cannot run.

    Debian's opens its templates in /usr/share. Where the package was only unpacked, its own are laid over that folder, for this process alone.
    """
    program = find("alertmanager")
    if not program or Path(program).parent != Path(os.environ.get(FOLDER) or os.devnull):
        return [program] if program else None
    mount = f"mount -t overlay overlay -o lowerdir={Path(program).parents[1] / 'share'}:/usr/share /usr/share"
    inside = ["unshare", "--map-root-user", "--mount", "sh", "-c"]
    if not shutil.which("unshare") or subprocess.run([*inside, mount], capture_output=True, check=False).returncode:
        return None
    return [*inside, f'{mount} && exec "$@"', "sh", program]
