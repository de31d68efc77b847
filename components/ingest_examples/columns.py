"""The columns of several files: one canonical schema of them all."""

import base64
from collections.abc import Callable, Iterable, Mapping

import pyarrow as pa
import pyarrow.types as pt

from penstock.components.data.canonical import INSTEAD, canonical, values_of
from penstock.components.protocol import TaskError


def schema_to_text(schema: pa.Schema) -> str:
    """Returns an Arrow schema as a JSON value."""
    return base64.b64encode(schema.serialize()).decode()


def schema_from_text(text: str) -> pa.Schema:
    """Reads what `schema_to_text` returned."""
    return pa.ipc.read_schema(pa.py_buffer(base64.b64decode(text)))


def are_texts(columns: Iterable[pa.Array]) -> bool:
    """Whether all bytes in these columns are UTF-8."""
    try:
        for column in columns:
            while pt.is_nested(column.type) or pt.is_dictionary(column.type):
                column = column.dictionary if pt.is_dictionary(column.type) else column.flatten()
            (column.cast(pa.binary()) if not pt.is_binary(column.type) else column).cast(pa.string())
    except pa.ArrowInvalid:
        return False
    return True


def as_texts(kind: pa.DataType) -> pa.DataType:
    """Returns the canonical type of a column of bytes, or of lists of bytes, that are texts."""
    return pa.list_(pa.string()) if pt.is_nested(kind) else pa.string()


def unify(schemas: Mapping[str, pa.Schema], is_needed: Callable[[str], bool], given: Mapping[str, pa.DataType]) -> pa.Schema:
    """Finds the one canonical schema of several files; columns keep the order of the first file.

    A column of nulls takes the type that other files give it, whole numbers beside floats become floats, and
    single values beside lists become
    lists, texts beside bytes bytes.

    Args:
        schemas: The files' own Arrow schemas, by file; a column of nulls only stays one of the type null.
        is_needed: Whether a column is wanted at all.
        given: The types of columns that shall have no other, whatever the files say; of lists, the type of their values.

    Raises:
        TaskError: A needed column is missing in a file, there twice, changes its type, or has one that Examples cannot hold.
    """
    (first, schema), *_ = schemas.items()
    names = [name for name in schema.names if is_needed(name)]
    kinds: dict[str, pa.DataType] = {name: pa.null() for name in names}
    seen_in: dict[str, str] = {}
    for file, found in schemas.items():
        _check_names(file, [name for name in found.names if is_needed(name)], first, names)
        for name in names:
            raw = found.field(name).type
            kind = canonical(raw)
            if kind is not None and name in given and values_of(kind) not in (pa.null(), pa.binary()):
                kind = pa.list_(given[name]) if pt.is_list(kind) else given[name]
            if kind is None:
                raise TaskError(f"column {name!r} of {file} has the type {raw}, which Examples do not support; {INSTEAD}")
            wider = _wider(kinds[name], kind)
            if wider is None:
                other = seen_in[name]
                raise TaskError(
                    f"column {name!r} changes its type: {kinds[name]} in {other}, {kind} in {file}; use one type in both, or exclude the "
                    "column"
                )
            if not pt.is_null(kind):
                seen_in.setdefault(name, file)
            kinds[name] = wider
    return pa.schema(list(kinds.items()))


def agree(schemas: Mapping[str, pa.Schema]) -> dict[str, pa.Schema]:
    """Gives the columns of several Splits, which may not have the same ones, one type each; a column of nulls everywhere becomes text.

    Raises:
        TaskError: A column changes its type from one Split to another.
    """
    kinds: dict[str, pa.DataType] = {}
    for split, schema in schemas.items():
        for field in schema:
            known = kinds.get(field.name, pa.null())
            wider = _wider(known, field.type)
            if wider is None:
                raise TaskError(
                    f"column {field.name!r} changes its type: {field.type} in Split {split!r}, {known} in another;"
                    " use one type in both, or exclude the column"
                )
            kinds[field.name] = wider
    settled = {name: pa.string() if pt.is_null(kind) else kind for name, kind in kinds.items()}
    return {split: pa.schema([(name, settled[name]) for name in schema.names]) for split, schema in schemas.items()}


def _check_names(file: str, found: list[str], first: str, names: list[str]) -> None:
    if twice := sorted({name for name in found if found.count(name) > 1}):
        raise TaskError(f"{file} has more than one column {twice[0]!r}; rename one of them")
    if missing := [name for name in names if name not in found]:
        raise TaskError(f"column {missing[0]!r} is missing in {file}, but {first} has it; add it there, or exclude it with exclude_columns")
    if extra := [name for name in found if name not in names]:
        raise TaskError(f"column {extra[0]!r} of {file} is missing in {first}; add it there, or exclude it with exclude_columns")


def _wider(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    """Returns the narrowest canonical type that holds the values of both, or None."""
    if one == other or pt.is_null(other):
        return one
    if pt.is_null(one):
        return other
    if pt.is_list(one) or pt.is_list(other):
        inner = _wider(*(kind.value_type if pt.is_list(kind) else kind for kind in (one, other)))
        return inner and pa.list_(inner)
    if {one, other} == {pa.string(), pa.binary()}:
        return pa.binary()
    return pa.float32() if {one, other} == {pa.int64(), pa.float32()} else None
