"""A network of a program's own, in which only `localhost` is: Flink and Beam's workers take commands from every process that can reach their ports."""

import os
import shutil
import subprocess
import sys

_ENTERED = "PENSTOCK_SCALE_OUT_NETWORK"
_UP = 'ip link set lo up && exec "$@"'
# Root may simply have one; anyone else becomes root of a user namespace first, where the machine allows that.
_WAYS = (["unshare", "--net"], ["unshare", "--map-root-user", "--net"])


def enter(module: str, arguments: list[str]) -> None:
    """Starts this program again in a network of its own; returns there, or where the machine allows none, with a message.

    Args:
        module: The program.
        arguments: Its arguments.
    """
    if os.environ.get(_ENTERED):
        return
    for way in _WAYS:
        inside = [*way, "sh", "-c", _UP, "sh"]
        if shutil.which(way[0]) and subprocess.run([*inside, "true"], capture_output=True, check=False).returncode == 0:
            os.environ[_ENTERED] = "own"
            os.execvp(inside[0], [*inside, sys.executable, "-m", module, *arguments])
    print(
        "this machine allows no network namespace: Flink's ports and those of Beam's workers are open on localhost of this machine itself"
    )
