"""The tables of feature views, as the DuckDB offline store reads them."""

from collections.abc import Iterable

import ibis
from feast import FeatureView, FileSource
from feast.data_format import DeltaFormat

from penstock.components.protocol.errors import TaskError
from penstock.components.protocol.redacting import redact

from .filesystems import explaining, open_store


def tables_of(views: Iterable[FeatureView]) -> list[str]:
    """Returns the paths or URIs of the tables that feature views read, after which DuckDB can read those in buckets.

    Its own way into a bucket is an extension that it would have to download. It reads them through fsspec instead.

    Raises:
        TaskError: A view reads something else than Parquet files, or a URI that no filesystem knows.
    """
    tables = sorted({_table(view) for view in views})
    database = ibis.get_backend()
    for scheme, table in {table.partition("://")[0]: table for table in tables if "://" in table}.items():
        with explaining(f"the table {redact(table)} cannot be read", "correct its URI in feature_repository"):
            files, _ = open_store(table)
        if scheme not in database.con.list_filesystems():
            database.con.register_filesystem(files)
        database._load_extensions = lambda *_, **__: None  # noqa: SLF001 - it would download one for the URI
    return tables


def _table(view: FeatureView) -> str:
    source = view.batch_source
    if not isinstance(source, FileSource) or isinstance(source.file_format, DeltaFormat):
        kind = "Delta table" if isinstance(source, FileSource) else type(source).__name__
        raise TaskError(f"feature view {view.name!r} reads a {kind}, which cannot be read here; give it a FileSource of Parquet files")
    return source.path
