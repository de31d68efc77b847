"""The compiled pipelines and components that are part of Penstock, by name."""

import difflib
import importlib.resources
import stat
from pathlib import Path

from ..errors import WrongUsage


def compiled_files() -> dict[str, Path]:
    """Returns each file by its name: `training`, `components/push_model` …"""
    folder = Path(str(importlib.resources.files("penstock.compiled")))
    files = sorted(folder.glob("*.yaml")) + sorted(folder.glob("components/*.yaml"))
    return {file.relative_to(folder).with_suffix("").as_posix(): file for file in files}


def find_compiled(given: str) -> Path:
    """Returns the file that the user means.

    Args:
        given: The path of a file, which wins where there is one; else the name of a file of Penstock's. A component's name will do without its folder.

    Raises:
        WrongUsage: There is neither.
    """
    try:
        if not stat.S_ISDIR(Path(given).stat().st_mode):
            return Path(given)
        reason = "it is a folder"
    except OSError as error:
        reason = error.strerror or str(error)
    known = compiled_files()
    by_name = {Path(name).name: file for name, file in known.items()} | known
    if file := by_name.get(given):
        return file
    close = difflib.get_close_matches(Path(given).stem, by_name, 1)
    hint = f"did you mean {close[0]}? " if close else ""
    raise WrongUsage(f"cannot read {given}: {reason}; {hint}Penstock contains {', '.join(known)}")
