"""The state of a search at a path or URI, from which it goes on after its task was ended: one JSON file, replaced after each trial."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from penstock.components.data import stored
from penstock.components.data.filesystems import explaining, open_store, write_whole
from penstock.components.protocol import TaskError, redact

from .trials import OUT_OF_TIME, Trial

_NAME = "search-{}.json"
_REMEDY = "give another state_uri, or delete the file to search again"


@dataclass(frozen=True)
class State(stored.Stored):
    """What a search has found.

    Attributes:
        identity: What the search is about; a state of another search is refused.
        seconds: How long it has taken, all attempts together.
        tracking_run_id: Its MLflow run.
        trials: Those that have ended.
        oracle: KerasTuner's files, by their path.
    """

    identity: dict[str, Any]
    seconds: float = 0.0
    tracking_run_id: str = ""
    trials: tuple[Trial, ...] = ()
    oracle: dict[str, Any] = field(default_factory=dict)


def read_state(uri: str, shard: int, identity: dict[str, Any]) -> State:
    """Returns the state of a search; an empty one if there is none or no URI is given.

    Raises:
        TaskError: It cannot be read, or is another search's.
    """
    if not uri:
        return State(identity)
    with explaining(f"the search's state at {redact(uri)} cannot be read", "check state_uri"):
        files, place = _open(uri, shard)
        text = files.cat_file(place) if files.exists(place) else None
    if text is None:
        return State(identity)
    found = stored.load_as(State, text, f"the search's state at {redact(uri)}", _REMEDY)
    if found.identity != identity:
        other = sorted(name for name in identity if found.identity.get(name) != identity[name])
        raise TaskError(f"state_uri: the search at {redact(uri)} has another {', '.join(other)}; {_REMEDY}")
    return found


def write_state(uri: str, shard: int, state: State) -> None:
    """Replaces the state."""
    if not uri:
        return
    with explaining(f"the search's state at {redact(uri)} cannot be written", "check state_uri"):
        files, place = _open(uri, shard)
        write_whole(files, place, stored.dump(state).encode())


def _open(uri: str, shard: int) -> tuple[Any, str]:
    """Returns the filesystem of the state, and its path there."""
    files, root = open_store(uri)
    return files, f"{root.rstrip('/')}/{_NAME.format(shard)}"


def files_in(folder: Path) -> dict[str, Any]:
    """Returns the JSON files that KerasTuner has saved in a folder."""
    return {str(file.relative_to(folder)): file.read_text(encoding="utf-8") for file in sorted(folder.rglob("*.json"))}


def put_files(folder: Path, files: dict[str, Any]) -> None:
    """Writes such files."""
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


def still_valid(trials: tuple[Trial, ...]) -> list[Trial]:
    """Returns the trials that need not run again."""
    return [trial for trial in trials if trial.status != OUT_OF_TIME]
