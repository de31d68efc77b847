"""The checkpoints of a training, in a folder at a path or URI, from which a later attempt goes on.

`URI/TRAINING/` has the checkpoints of one training, and is named after all that determines it: no training goes on from another's. In it,
`training.json` says how often the training was started, and `FIT-ATTEMPT-NUMBER/` is what `tf.train.Checkpoint` wrote. The record
`FIT-ATTEMPT-NUMBER.json`, written last, makes it count, and has its fingerprint, so that a damaged checkpoint is noticed.

Where several workers train, the chief alone writes there. The others read, and take part in a save, because it reads variables of all.
"""

import hashlib
import json
import logging
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from penstock.components.data import stored
from penstock.components.data.filesystems import explaining, open_store, write_whole
from penstock.components.protocol import TaskError, fingerprint, redact, redact_all
from penstock.components.protocol.disk_space import is_disk_full
from penstock.components.protocol.folders import files_of

from .team import this_worker

# The newest, and the one before in case the newest is damaged.
_KEPT = 2
_RECORD = ".json"
_STATE = "state"
_SCRATCH = "penstock-checkpoint-"
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Checkpoint(stored.Stored):
    """How far a training had come.

    Attributes:
        fit: The number of the `Model.fit` among those of the module that save checkpoints, from 0.
        epoch: The epoch, from 0.
        executions: How often its train function was called; each call is `steps_per_execution` steps.
        executions_before: How often in the epochs before.
        step: The optimizer's steps.
        done: Whether the fit had ended.
        passes: How often each dataset of the data_accessor had been begun when the epoch began.
        tracked_epochs: How many epochs MLflow knew of.
        metrics: The last value of every metric.
        fingerprint: That of the checkpoint's files.
    """

    fit: int
    epoch: int
    executions: int
    executions_before: int
    step: int
    done: bool = False
    passes: list[int] = field(default_factory=list)
    tracked_epochs: int = 0
    metrics: dict[str, float] = field(default_factory=dict)
    fingerprint: str = ""


@dataclass(frozen=True)
class Training(stored.Stored):
    """What is known of a training over all of its attempts.

    Attributes:
        inputs: What determines it.
        attempts: How often it was started.
        tracking_run_id: Its MLflow run; empty until it has one.
    """

    inputs: dict[str, Any]
    attempts: int = 0
    tracking_run_id: str = ""


@dataclass(frozen=True)
class Found:
    """A checkpoint that was fetched.

    Attributes:
        checkpoint: How far it had come.
        prefix: The path that the names of its files begin with, as `tf.train.Checkpoint.read` takes it.
        number: A number that no other checkpoint of its fit has.
    """

    checkpoint: Checkpoint
    prefix: str
    number: int


class Checkpoints:
    """A training's checkpoints.

    Attributes:
        resumed_from_step: The optimizer's step that this attempt went on from; 0 if from none.
        is_chief: Whether this worker writes.
    """

    def __init__(self, uri: str, inputs: Mapping[str, Any]) -> None:
        """Notes the attempt; what cannot be written to is noticed here, before the training.

        Args:
            uri: The path or URI of a folder, which several trainings may share.
            inputs: All that determines the training, as JSON has it.

        Raises:
            TaskError: The folder cannot be read or written.
        """
        self.resumed_from_step = 0
        self.is_chief = this_worker().index == 0
        self._uri = redact(uri)
        with self._explained("used"):
            self._files, folder = open_store(uri)
            self._saved = 0
            name = hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:16]
            self._root = f"{folder.rstrip('/')}/{name}"
            if others := _trainings(self._files, folder) - {name}:
                _logger.info(
                    "%s: ignoring the checkpoints of %d other trainings (other Examples, module or parameters)", self._uri, len(others)
                )
            self._training = self._read_training() or Training(redact_all(dict(inputs)))
            self.note(attempts=self._training.attempts + 1)

    @property
    def attempts(self) -> int:
        """How often the training was started."""
        return self._training.attempts

    @property
    def tracking_run_id(self) -> str:
        """The MLflow run of the earlier attempts, or an empty text."""
        return self._training.tracking_run_id

    @property
    def metadata(self) -> dict[str, int]:
        """What the model's metadata says of it."""
        return {"attempts": self.attempts, "resumed_from_step": self.resumed_from_step}

    def note(self, **known: Any) -> None:
        """Changes what is known of the training."""
        self._training = replace(self._training, **known)
        if not self.is_chief:
            return
        with self._explained("written"):
            write_whole(self._files, f"{self._root}/training.json", stored.dump(self._training, indent=1).encode())

    @contextmanager
    def newest(self, fit: int) -> Iterator[Found | None]:
        """Fetches a fit's newest checkpoint that is whole, for as long as the block takes.

        Raises:
            TaskError: The checkpoints cannot be read.
        """
        with TemporaryDirectory(prefix=_SCRATCH) as scratch:
            yield self._newest(fit, Path(scratch))

    def _newest(self, fit: int, scratch: Path) -> Found | None:
        with self._explained("read"):
            for name in reversed(_recorded(self._list(fit))):
                if checkpoint := self._fetch(name, scratch / name):
                    return Found(checkpoint, str(scratch / name / _STATE), int(name.replace("-", "")))
                _logger.warning("the checkpoint %s in %s is damaged; trying the one before", name, self._uri)
        return None

    def save(self, checkpoint: Checkpoint, write: Callable[[str], Any]) -> None:
        """Saves a checkpoint, and removes all but the two newest of its fit.

        Args:
            checkpoint: How far the training has come.
            write: Writes the checkpoint's files; called with the path that their names begin with.

        Raises:
            TaskError: It cannot be written.
        """
        self._saved += 1
        place = f"{self._root}/{checkpoint.fit}-{self.attempts:06}-{self._saved:06}"
        with self._explained("written"), TemporaryDirectory(prefix=_SCRATCH) as scratch:
            write(f"{scratch}/{_STATE}")
            if not self.is_chief:
                return
            sources = {f"{place}/{path.name}": str(path) for path in files_of(Path(scratch))}
            self._files.put(list(sources.values()), list(sources))
            record = replace(checkpoint, fingerprint=fingerprint(scratch))
            write_whole(self._files, f"{place}{_RECORD}", stored.dump(record).encode())
            self._remove_older(checkpoint.fit)

    def remove(self) -> None:
        """Removes everything of this training, for it has ended well; what cannot be removed is in the log."""
        if not self.is_chief:
            return
        try:
            self._files.rm(self._root, recursive=True)
        except Exception as error:  # every filesystem has exceptions of its own; the model is whole
            _logger.warning("the checkpoints of this training in %s cannot be removed (%s)", self._uri, redact(str(error)))

    def _read_training(self) -> Training | None:
        try:
            content = self._files.cat_file(f"{self._root}/training.json")
            return stored.load_as(Training, content, f"training.json of {self._uri}", "its attempts are counted anew")
        except FileNotFoundError:
            return None
        except stored.Malformed as error:
            _logger.warning("%s", error)
            return None

    def _fetch(self, name: str, folder: Path) -> Checkpoint | None:
        try:
            record = self._files.cat_file(f"{self._root}/{name}.json")
            checkpoint = stored.load_as(Checkpoint, record, f"{name}.json of {self._uri}", "remove it")
            self._files.get(f"{self._root}/{name}/", f"{folder}/", recursive=True)
        except (FileNotFoundError, stored.Malformed):
            return None
        return checkpoint if folder.exists() and fingerprint(folder) == checkpoint.fingerprint else None

    def _remove_older(self, fit: int) -> None:
        """Removes what a fit has beside its newest checkpoints, such as what a killed attempt was writing."""
        there = self._list(fit)
        kept = _recorded(there)[-_KEPT:]
        for old in sorted({name.removesuffix(_RECORD) for name in there if name.removesuffix(_RECORD) < kept[0]}):
            if f"{old}{_RECORD}" in there:  # first: without it, the rest does not count
                self._files.rm_file(f"{self._root}/{old}{_RECORD}")
            if old in there:
                self._files.rm(f"{self._root}/{old}", recursive=True)

    def _list(self, fit: int) -> set[str]:
        return {name for name in _names(self._files, self._root) if name.startswith(f"{fit}-")}

    @contextmanager
    def _explained(self, done: str) -> Iterator[None]:
        problem = f"checkpoint_uri: {self._uri} cannot be {done}"
        try:
            with explaining(problem, "give a path or URI where this task may list, read, write and delete"):
                yield
        except Exception as error:
            if not is_disk_full(error):
                raise
            raise TaskError(f"{problem} (no space left on the device); free some space and run the task again") from error


def _recorded(names: set[str]) -> list[str]:
    """Returns the names of the checkpoints that count, the newest last."""
    return sorted(name.removesuffix(_RECORD) for name in names if name.endswith(_RECORD))


def _trainings(files: Any, folder: str) -> set[str]:
    return {name for name in _names(files, folder) if re.fullmatch("[0-9a-f]{16}", name)}


def _names(files: Any, folder: str) -> set[str]:
    """Returns the names of what is in a folder."""
    try:
        return {path.rstrip("/").rpartition("/")[2] for path in files.ls(folder, detail=False)}
    except FileNotFoundError:
        return set()
