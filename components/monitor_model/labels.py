"""Labels that came later, and the rows of the window that they belong to."""

from datetime import datetime, timedelta
from pathlib import PurePosixPath

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pcsv
import pyarrow.json as pj
import pyarrow.parquet as pq

from penstock.components.data.filesystems import explaining, open_filesystem
from penstock.components.evidence.logs.logged_rows import TIME, LoggedRows
from penstock.components.protocol import TaskError, redact

_READERS = {".csv": pcsv.read_csv, ".parquet": pq.read_table, ".jsonl": pj.read_json, ".json": pj.read_json}
LABEL, LABEL_TIME = "__label__", "__label_time__"
# Clocks of machines that are set by the network differ by less.
_CLOCKS_DIFFER = pa.scalar(timedelta(minutes=5), pa.duration("us"))


def read_labels(uri: str, key: str, column: str, time_column: str = "") -> pa.Table:
    """Reads labels.

    Args:
        uri: A file of CSV, Parquet or JSON lines, or a folder of such files.
        key: The column that has the rows' ids.
        column: The column that has the labels.
        time_column: The column with the time of the labeled event; empty if there is no such column.

    Returns:
        A table of `id`, the label and, with `time_column`, its time. Rows without a label are left out.

    Raises:
        TaskError: It cannot be read, lacks a column, or gives one id two labels.
    """
    with explaining(f"the labels {redact(uri)} cannot be read", "correct labels"):
        files, root = open_filesystem(uri)
        paths = [root] if files.isfile(root) else sorted(files.find(root))
        tables = []
        for path in paths:
            if reader := _READERS.get(PurePosixPath(path).suffix):
                with files.open(path, "rb") as file:
                    tables.append(_selected(reader(file), key, column, time_column, path))
    if not tables:
        raise TaskError(f"labels: {redact(uri)} has no file that ends in {', '.join(_READERS)}; give labels in one of these formats")
    try:
        table = pa.concat_tables(tables, promote_options="permissive")
    except pa.ArrowException as error:
        raise TaskError(
            f"the labels {redact(uri)} have different types in different files ({error}); use one type in all of them"
        ) from error
    table = table.filter(pc.and_(table.column("id").is_valid(), table.column(LABEL).is_valid()))
    unique = table.group_by(["id", LABEL]).aggregate([(LABEL_TIME, "min")] if time_column else [])
    ids = pc.value_counts(unique.column("id"))
    twice = ids.filter(pc.greater(ids.field("counts"), 1))
    if len(twice):
        raise TaskError(
            f"the labels {redact(uri)} give {len(twice):,} ids more than one label, such as {twice[0]['values'].as_py()!r:.60}; give one for each"
        )
    return unique


def _selected(table: pa.Table, key: str, column: str, time_column: str, path: str) -> pa.Table:
    for name in filter(None, (key, column, time_column)):
        if name not in table.column_names:
            raise TaskError(
                f"the labels {redact(path)} have no column {name!r} (they have: {', '.join(table.column_names)}); correct label_key, label_column or label_time_column"
            )
    columns = {"id": table.column(key).cast(pa.string()), LABEL: table.column(column)}
    if time_column:
        times = table.column(time_column)
        try:
            columns[LABEL_TIME] = times.cast(TIME if pa.types.is_temporal(times.type) or pa.types.is_string(times.type) else pa.null())
        except pa.ArrowException as error:
            raise TaskError(
                f"the column {time_column} of the labels {redact(path)} holds no times ({error}); correct label_time_column"
            ) from error
    return pa.table(columns)


class LabeledRows:
    """The rows of a window whose labels have come.

    Args:
        labels: What `read_labels` returned.
        columns: The features that are kept: those that slices are cut by, and weights. None: all.
        due: Rows that are later do not count, for their labels may still come; None: all count.

    Attributes:
        rows: The rows with an answer that were seen and count, by fingerprint.
        early: The rows that are later than their labels.
        log_id: An id of the log; None where it has none.
        label_id: An id of the labels.
    """

    def __init__(self, labels: pa.Table, columns: set[str] | None, due: datetime | None = None) -> None:
        self._ids, self._labels = (labels.column(name).combine_chunks() for name in ("id", LABEL))
        self._columns, self._due = columns, due
        times = f"{LABEL_TIME}_min"
        self._times = labels.column(times).combine_chunks() if times in labels.column_names else None
        self.early = 0
        self._kept: list[pa.Table] = []
        self.rows: dict[str, int] = {}
        self.log_id: str | None = None
        self.label_id: str | None = self._ids[0].as_py() if len(self._ids) else None

    def keep(self, batch: LoggedRows) -> None:
        """Keeps those that have labels."""
        answered = batch.filter(batch.about.column("error").is_null())
        if self._due is not None:
            answered = answered.filter(pc.less_equal(answered.about.column("time"), pa.scalar(self._due, TIME)).fill_null(True))
        ids = answered.about.column("id")
        for found in pc.value_counts(answered.about.column("fingerprint").fill_null("")).to_pylist():
            self.rows[found["values"]] = self.rows.get(found["values"], 0) + found["counts"]
        self.log_id = self.log_id or next((text for text in ids.slice(0, 1).to_pylist() if text), None)
        places = pc.index_in(ids, self._ids)
        has = places.is_valid()
        found_rows = answered.filter(has)
        if self._times is not None:
            ahead = pc.subtract(found_rows.about.column("time"), self._times.take(places.filter(has)))
            self.early += int(pc.sum(pc.greater(ahead, _CLOCKS_DIFFER)).as_py() or 0)
        names = [name for name in found_rows.features.schema.names if self._columns is None or name in self._columns]
        table = pa.table(
            {"__id__": found_rows.about.column("id"), "__fingerprint__": found_rows.about.column("fingerprint").fill_null("")}
            | {LABEL: self._labels.take(places.filter(has))}
            | {f"prediction/{name}": found_rows.predictions.column(name) for name in found_rows.predictions.schema.names}
            | {name: found_rows.features.column(name) for name in names}
        )
        if table.num_rows:
            self._kept.append(table)

    def of(self, fingerprint: str) -> pa.Table:
        """Returns the labeled rows of a model: of those that have one id, the last."""
        if not self._kept:
            return pa.table({"__id__": pa.array([], pa.string())})
        table = pa.concat_tables(self._kept, promote_options="permissive").combine_chunks()
        table = table.filter(pc.equal(table.column("__fingerprint__"), fingerprint))
        numbered = table.append_column("__row__", pa.array(range(table.num_rows), pa.int64()))
        last = numbered.group_by("__id__").aggregate([("__row__", "max")]).column("__row___max")
        return table.take(last.take(pc.sort_indices(last)))
