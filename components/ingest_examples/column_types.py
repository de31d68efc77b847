"""The requested types of columns: `column_types` is binding, and a Schema applies if all values of the column fit."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from penstock.components.protocol import TaskError

from .texts import Texts, are_codes

_TYPES = {"int64": pa.int64(), "float32": pa.float32(), "string": pa.string()}
_SCHEMA_TYPES = {"INT": pa.int64(), "FLOAT": pa.float32(), "BYTES": pa.string()}

Seen = Mapping[str, list[Texts]]
"""What was seen of each column of a file: read freely, and, where a type is asked for, as that type."""


class ColumnTypes:
    """The types that columns shall have in the Examples.

    Attributes:
        given: By column, the types that `column_types` names.
    """

    def __init__(self, column_types: dict[str, Any], schema_file: str) -> None:
        """Reads the parameters.

        Raises:
            TaskError: A type is invalid, or the Schema cannot be read.
        """
        words = _TYPES | _SCHEMA_TYPES
        if wrong := [(name, word) for name, word in column_types.items() if word not in words]:
            name, word = wrong[0]
            raise TaskError(f"column_types gives {name!r} the type {word!r}; give int64, float32 or string (or INT, FLOAT, BYTES)")
        self.given = {name: words[word] for name, word in column_types.items()}
        self._expected: dict[str, pa.DataType] = {}
        if schema_file:
            from tensorflow_metadata.proto.v0 import schema_pb2  # a tenth of a second that most runs need not spend

            from penstock.components.data.schema_file import read_schema_file

            named = {feature.name: schema_pb2.FeatureType.Name(feature.type) for feature in read_schema_file(schema_file).feature}
            self._expected = {name: _SCHEMA_TYPES[kind] for name, kind in named.items() if kind in _SCHEMA_TYPES}

    def check_names(self, known: list[str]) -> None:
        """Checks that `column_types` names columns of the data.

        Raises:
            TaskError: It names another.
        """
        if unknown := [name for name in self.given if name not in known]:
            raise TaskError(f"column_types names {unknown[0]!r}, which is not a column of the data; it has: {', '.join(known)[:300]}")

    def look_at(self, name: str) -> list[Texts]:
        """Returns what is to see a column of texts."""
        wanted = self.given.get(name) or self._expected.get(name)
        return [Texts()] if wanted is None else [Texts(), Texts(wanted)]

    def of_texts(self, files: dict[str, Seen]) -> list[dict[str, pa.DataType]]:
        """Decides with which types the columns of text files are read, all files together.

        Raises:
            TaskError: A value does not fit the type that `column_types` names.
        """
        decided: list[dict[str, pa.DataType]] = [{} for _ in files]
        for name in dict.fromkeys(name for seen in files.values() for name in seen):
            having = [(place, file, seen[name]) for place, (file, seen) in enumerate(files.items()) if name in seen]
            for place, kind in zip(
                [place for place, _, _ in having], self._decide(name, [(file, seen) for _, file, seen in having]), strict=True
            ):
                decided[place][name] = kind
        return decided

    def of_values(self, name: str, values: pa.Array, where: str) -> pa.DataType:
        """Decides the type of a column whose different values are known, as texts.

        Raises:
            TaskError: A value does not fit the type that `column_types` names.
        """
        seen = self.look_at(name)
        for texts in seen:
            texts.add(values)
        return self._decide(name, [(where, seen)])[0]

    def _decide(self, name: str, files: list[tuple[str, list[Texts]]]) -> list[pa.DataType]:
        if name in self.given:
            for file, seen in files:
                if seen[-1].misfit:
                    raise TaskError(
                        f"column {name!r} of {file} holds {seen[-1].misfit[:60]!r}, which is not a valid {self.given[name]};"
                        " correct it, or change column_types"
                    )
        if name in self.given or (name in self._expected and not any(seen[-1].misfit for _, seen in files)):
            return [seen[-1].kind for _, seen in files]
        free = [seen[0] for _, seen in files]
        is_code = are_codes(free)
        return [pa.string() if is_code and texts.is_number else texts.kind for texts in free]
