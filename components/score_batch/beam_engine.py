"""Scores on Beam: each part is scored by one worker, which puts it into its place whole, with its record."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
from tensorflow_metadata.proto.v0 import schema_pb2

from penstock.components.data.beam import Engine, HashRows, fetched
from penstock.components.protocol import Input, Output

from .columns import Columns
from .engines import Work
from .keys import hashes_of, repeated, require_unique
from .limit import Limit
from .models import Models
from .parts import Part
from .place import Place


class OnBeam:
    """Scores on Beam.

    Args:
        engine: What runs it.
        examples: The Examples.
    """

    def __init__(self, engine: Engine, examples: Input) -> None:
        self._engine, self._examples = engine, examples
        self._writes_output = False

    def destination(self, predictions: Output) -> str:
        """Returns where workers write the output."""
        self._writes_output = True
        return self._engine.destination(predictions)

    def check_unique(self, parts: list[Part], keys: list[str]) -> None:
        """Brings the hashes of equal keys together; rows whose hashes are equal are looked at here."""
        with self._engine.pipeline() as pipeline:
            rows = pipeline | "Keys" >> self._engine.row_groups([str(part.path) for part in self._for_workers(parts)], keys)
            hashes = rows | "Hash" >> beam.ParDo(HashRows("keys", hashes_of, sum(part.rows for part in parts)))
            again = hashes | "Equal hashes" >> beam.GroupByKey() | "Repeated" >> beam.FlatMap(_repeated)
            _ = again | self._engine.gather("keys")
        require_unique(parts, keys, np.sort(np.array(self._engine.gathered("keys"), np.uint64)))

    def score(self, work: Work, parts: list[Part]) -> list[dict[str, Any]]:
        """Scores the parts. The limit counts over each part, and over all of them in the end."""
        models, limit = work.models, work.limit
        model = self._engine.share(models.path, "model")
        given = _Given(models.schema, models.columns, models.faster, limit.rows, limit.share)
        with self._engine.pipeline() as pipeline:
            dealt = pipeline | "Parts" >> beam.Create(self._for_workers(parts)) | "Deal" >> beam.Reshuffle()
            scored = dealt | "Score" >> beam.ParDo(_Score(work.place.uri, model, given, work.columns, work.kind, work.keys))
            _ = scored | self._engine.gather("records")
        found = {each["record"]["name"]: each for each in self._engine.gathered("records")}
        for name, each in found.items():
            work.place.hashes |= each["hashes"]
            if each["record"]["errors"]:
                limit.add(each["record"]["errors"], f"one of those of the part {name}")
        return [found[part.name]["record"] for part in parts]

    def record(self, predictions: Output, place: Place) -> None:
        """Records the hashes of what is in the output's bucket."""
        if self._writes_output:
            self._engine.record(predictions, place.hashes)

    def _for_workers(self, parts: list[Part]) -> list[Part]:
        root = self._examples.path
        return [replace(part, path=self._engine.place(self._examples, str(Path(part.path).relative_to(root)))) for part in parts]


def _repeated(keyed: tuple[int, Iterable[tuple[str, bytes]]]) -> list[int]:
    hashes = np.concatenate([np.frombuffer(content, np.uint64) for _, content in keyed[1]])
    return repeated(np.sort(hashes)).tolist()


@dataclass(frozen=True)
class _Given:
    """What the task has found out of the model and the rows."""

    schema: schema_pb2.Schema | None
    columns: pa.Schema
    faster: tuple[str, set[str]] | None
    rows: int
    share: float


class _Score(beam.DoFn):
    """Scores parts with a model that each worker loads once."""

    def __init__(self, place: str, model: str, given: _Given, columns: Columns, kind: str, keys: list[str]) -> None:
        self._place, self._model, self._given, self._rest = place, model, given, (columns, kind, keys)

    def setup(self) -> None:
        self._models = Models(fetched(self._model), self._given.schema, self._given.columns)
        self._models.use_faster(self._given.faster)

    def process(self, part: Part) -> Iterator[dict[str, Any]]:
        columns, kind, keys = self._rest
        place = Place(self._place)
        (record,) = Work(place, self._models, columns, kind, keys, Limit(self._given.rows, self._given.share)).score([part])
        yield {"record": record, "hashes": place.hashes}
