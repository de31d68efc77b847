"""Apache Beam as tasks use it: pipelines, and files that a task and Beam's workers both reach.

Workers of a runner may be on other machines. They read artifacts where these are stored, in a bucket or in a folder that all machines
share, and write outputs there, each file whole or not at all. A task and its workers hand each other everything else in a scratch folder
there, or below Beam's `temp_location`.
"""

import atexit
import base64
import contextlib
import functools
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
from apache_beam.options.pipeline_options import GoogleCloudOptions
from apache_beam.transforms.window import GlobalWindows

from penstock.components.protocol.artifacts import Artifact, Output, is_in_bucket
from penstock.components.protocol.atomic import atomically, remove_scratch
from penstock.components.protocol.errors import TaskError
from penstock.components.protocol.fingerprint import file_sha256
from penstock.components.protocol.redacting import redact

from .beam_errors import of_runner, of_worker, reason
from .beam_options import check_endpoints, name_of_runner, read_options, runs_here, set_defaults
from .examples import count_groups, read_group
from .filesystems import explaining, fetch_folder, open_store

# So many hashes fit into a worker's memory many times.
_HASHES_AT_ONCE = 1 << 22
# Flink makes one record of all that a worker has for a key, and refuses it if it does not fit into the memory in which one of a job's many steps sorts.
_HASHES_PER_KEY = 1 << 16
_MOST_HASH_BITS = 16
_NOT_FOR_TENSORFLOW = ("s3://", "minio://")


class Engine:
    """Beam for one task. Use it as a context manager: in the end it removes the scratch folder, and after a failure what workers wrote.

    Args:
        beam_pipeline_args: Beam's options; without a `--runner` everything runs in this process.
        image: The image of the task's family, which runners that start containers take for the workers unless the options name one.
        beside: An output; the scratch folder is beside it if the options have no `temp_location`.

    Attributes:
        options: Beam's options.
        scratch: The path or URI of the scratch folder.

    Raises:
        TaskError: An option is missing or invalid, the job server does not answer, or the scratch folder cannot be made.
    """

    def __init__(self, beam_pipeline_args: list[str], image: str, beside: Output) -> None:
        self.options = read_options(beam_pipeline_args)
        self._runner = name_of_runner(self.options)
        self._is_here = runs_here(self.options)
        check_endpoints(self.options)
        set_defaults(self.options, image)
        self._written: list[str] = []
        logging.getLogger("apache_beam").setLevel(logging.CRITICAL)  # it logs at length what it then raises
        name = f"penstock-beam-{os.urandom(6).hex()}"
        if self._is_here:
            self.scratch = f"{tempfile.gettempdir()}/{name}"
        else:
            root = self.options.view_as(GoogleCloudOptions).temp_location or self.place(beside).rpartition("/")[0]
            self.scratch = f"{root.rstrip('/')}/.{name}"

    def __enter__(self) -> "Engine":
        with _reaching(self.scratch):
            if is_in_bucket(self.scratch):
                files, root = open_store(self.scratch)
                files.pipe_file(f"{root}/begun", b"")
            else:
                Path(self.scratch).mkdir(parents=True)
        return self

    def __exit__(self, _: Any, error: BaseException | None, __: Any) -> None:
        for uri in (self.scratch, *(self._written if error else [])):
            with contextlib.suppress(Exception):  # what is left in a bucket is no output, and the error is what matters
                _remove(uri)
        if isinstance(error, Exception) and not isinstance(error, TaskError | OSError) and not self._is_here:
            raise TaskError(f"the job on {self._runner} failed ({reason(error)}); see the runner's log") from error

    def place(self, artifact: Artifact, inside: str = "") -> str:
        """Returns where workers find an artifact, or a file inside it: in its bucket, or at its path, which they share with this machine.

        Raises:
            TaskError: They cannot.
        """
        root = self.reachable(artifact.uri if not self._is_here and is_in_bucket(artifact.uri) else str(artifact.path))
        return f"{root.rstrip('/')}/{inside}" if inside else root

    def reachable(self, place: str) -> str:
        """Returns a path or URI that workers reach.

        Raises:
            TaskError: They do not.
        """
        if self._runner == "dataflowrunner" and "://" not in place:
            raise TaskError(f"Dataflow's workers cannot read or write {place}, which is on this machine; use a gs:// bucket")
        return place

    def destination(self, output: Output) -> str:
        """Returns where workers write an output; what an earlier attempt left in a bucket is removed."""
        root = self.place(output)
        if is_in_bucket(root):
            with _reaching(root):
                _remove(root)
            self._written.append(root)
        return root

    def record(self, output: Output, hashes: dict[str, str]) -> None:
        """Records what workers wrote of an output, the SHA-256 of each file by its relative path, where this machine has no copy."""
        if is_in_bucket(self.place(output)):
            output.hashes |= hashes
        else:
            for folder in {(output.path / name).parent for name in hashes}:
                remove_scratch(folder)  # of workers that were killed

    @contextlib.contextmanager
    def pipeline(self) -> Iterator[beam.Pipeline]:
        """Gives a pipeline, which runs when the block ends.

        Raises:
            TaskError: A worker raised it.
            OSError: A worker's disk is full.
        """
        try:
            with beam.Pipeline(options=self.options) as pipeline:
                yield pipeline
        except Exception as error:
            raise of_worker(error) or (None if self._is_here else of_runner(error)) or error from error

    def gather(self, name: str) -> "Gather":
        """Returns a transform that brings elements, few and JSON values, back to the task."""
        return Gather(f"{self.scratch}/{name}.json")

    def gathered(self, name: str) -> list[Any]:
        """Returns the elements that were brought back, in no order."""
        uri = f"{self.scratch}/{name}.json"
        with _reaching(uri):
            try:
                return json.loads(_read(uri))
            except FileNotFoundError:  # no elements
                return []

    def share(self, folder: Path, name: str) -> str:
        """Returns where workers find a folder of this machine's, or a copy of it; they read it through `fetched`."""
        if self._is_here:
            return str(folder)
        uri = f"{self.scratch}/{name}"
        with _reaching(uri):
            if is_in_bucket(uri):
                files, root = open_store(uri)
                files.put(f"{folder}/", f"{root}/", recursive=True)
            else:
                shutil.copytree(folder, uri)
        return uri

    def fetch(self, name: str, folder: Path) -> None:
        """Moves a folder that workers made in the scratch folder to this machine."""
        uri = f"{self.scratch}/{name}"
        if is_in_bucket(uri):
            with _reaching(uri):
                fetch_folder(uri, folder)
        else:
            shutil.copytree(uri, folder, dirs_exist_ok=True)

    def scratch_for_tensorflow(self) -> str:
        """Returns the scratch folder, if TensorFlow and Beam can write there themselves.

        Raises:
            TaskError: They cannot.
        """
        if self.scratch.startswith(_NOT_FOR_TENSORFLOW):
            raise TaskError(
                f"TensorFlow cannot write to {redact(self.scratch.rpartition('/')[0])}; add --temp_location with a gs:// bucket, or a folder "
                "that all workers share, to beam_pipeline_args"
            )
        return self.scratch

    def row_groups(self, files: list[str], columns: list[str] | None = None) -> "ReadRowGroups":
        """Returns a transform that reads Parquet files, as workers find them: each row group by any worker."""
        return ReadRowGroups(files, columns)


class ReadRowGroups(beam.PTransform):
    """Reads Parquet Examples as Arrow batches, one for each row group."""

    def __init__(self, files: list[str], columns: list[str] | None) -> None:
        super().__init__()
        self._files, self._columns = files, columns

    def expand(self, pipeline: beam.Pipeline) -> beam.PCollection:
        """Reads the footers, deals the row groups out to the workers, and reads these."""
        return (
            pipeline
            | "Files" >> beam.Create(self._files)
            | "RowGroups" >> beam.FlatMap(_groups)
            | "Deal" >> beam.Reshuffle()
            | "Read" >> beam.FlatMapTuple(read_group, columns=self._columns).with_output_types(pa.RecordBatch)
        )


def _groups(file: str) -> list[tuple[str, int]]:
    return [(file, group) for group in range(count_groups(file))]


class HashRows(beam.DoFn):
    """Brings the hashes of rows that may be equal together: each element is a key, with a name and sorted hashes, as bytes of uint64.

    Args:
        name: The name.
        hash_of: Hashes a batch: a uint64 for each row.
        rows: The number of all rows, which says how many keys there are.
    """

    def __init__(self, name: str, hash_of: Callable[[pa.RecordBatch], np.ndarray], rows: int) -> None:
        self._name, self._hash_of = name, hash_of
        self._bits = min((rows // _HASHES_PER_KEY).bit_length(), _MOST_HASH_BITS)

    def start_bundle(self) -> None:
        """Starts with none."""
        self._hashes: list[np.ndarray] = []

    def process(self, rows: pa.RecordBatch) -> Iterator[tuple[int, tuple[str, bytes]]]:
        """Hashes a batch."""
        self._hashes.append(self._hash_of(rows))
        if sum(map(len, self._hashes)) >= _HASHES_AT_ONCE:
            yield from self._keyed()

    def finish_bundle(self) -> Iterator[Any]:
        """Gives out the rest."""
        for each in self._keyed():
            yield GlobalWindows.windowed_value_at_end_of_window(each)

    def _keyed(self) -> Iterator[tuple[int, tuple[str, bytes]]]:
        hashes = np.sort(np.concatenate([np.empty(0, np.uint64), *self._hashes]))
        self.start_bundle()
        starts = np.arange(1, 1 << self._bits, dtype=np.uint64) << np.uint64(64 - self._bits)
        for key, found in enumerate(np.split(hashes, np.searchsorted(hashes, starts))):
            if len(found):
                yield key, (self._name, found.tobytes())


class Gather(beam.PTransform):
    """Writes all elements, which are JSON values, to one file.

    Args:
        uri: The file.
    """

    def __init__(self, uri: str) -> None:
        super().__init__()
        self._uri = uri

    def expand(self, values: beam.PCollection) -> beam.PCollection:
        """Brings the elements to one worker, which writes them."""
        return (
            values
            | "ToText" >> beam.Map(json.dumps).with_output_types(str)
            | "Alone" >> beam.WithKeys(0)
            | "Together" >> beam.GroupByKey()
            | "Write" >> beam.Map(_write, self._uri)
        )


def _write(keyed: tuple[int, Iterable[str]], uri: str) -> None:
    with making(uri) as path:
        path.write_text(f"[{','.join(keyed[1])}]", encoding="utf-8")


def as_text(content: bytes) -> str:
    """Returns bytes as a JSON value."""
    return base64.b64encode(content).decode()


def as_bytes(text: str) -> bytes:
    """Returns the bytes of `as_text`."""
    return base64.b64decode(text)


@contextlib.contextmanager
def making(uri: str) -> Iterator[Path]:
    """Gives a worker a path to make a file at, which then appears at its path or URI: whole, or not at all if the block raises."""
    if not is_in_bucket(uri):
        with atomically(Path(uri), concurrent=True) as scratch:
            yield scratch
        return
    with tempfile.TemporaryDirectory(prefix="penstock-beam-") as folder:
        path = Path(folder) / uri.rpartition("/")[2]
        yield path
        with _reaching(uri):
            files, target = open_store(uri)
            files.put_file(str(path), target)


@functools.cache
def fetched(uri: str) -> str:
    """Returns a folder as this process can open it: a path, to which a folder of a bucket is copied once."""
    if not is_in_bucket(uri):
        return uri
    folder = tempfile.mkdtemp(prefix="penstock-beam-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    with _reaching(uri):
        fetch_folder(uri, Path(folder))
    return folder


def _read(uri: str) -> bytes:
    files, path = open_store(uri)
    return bytes(files.cat_file(path))


def _remove(uri: str) -> None:
    files, path = open_store(uri)
    with contextlib.suppress(FileNotFoundError):
        files.rm(path, recursive=True)


def _reaching(uri: str) -> contextlib.AbstractContextManager[None]:
    """Says in one line that a file cannot be reached."""
    return explaining(f"{redact(uri)} cannot be read or written", "give access to the bucket or folder")


def described(path: Path, name: str) -> dict[str, Any]:
    """Describes a file that a worker has made, as a JSON value: its name, its SHA-256 and its bytes."""
    return {"name": name, "sha256": file_sha256(path), "bytes": path.stat().st_size}
