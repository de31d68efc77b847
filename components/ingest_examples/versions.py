"""Files with versions: `lakefs://` and `dvc://` name them by a ref, which may name another commit tomorrow.

The ref is looked up once; from then on the task, its workers and its metadata speak of the commit that it named.
"""

from typing import Any

from penstock.components.protocol import TaskError, redact

from .table_options import instant
from .tables import FORMATS

_LAKEFS = "lakefs://"


def pinned(input_uri: str) -> tuple[str, dict[str, Any]]:
    """Returns an input URI with the commit in the place of its ref, and what the metadata says of it; nothing for one without versions.

    Args:
        input_uri: The input URI, of files or of a table that lies among them.

    Raises:
        TaskError: There is no such commit, or it cannot be found out.
    """
    if input_uri.startswith("dvc://"):
        return _in_dvc(input_uri)
    table, mark, place = input_uri.partition(_LAKEFS)
    if mark and table.removesuffix("://") in ("", *FORMATS):
        return _in_lakefs(table, place)
    return input_uri, {}


def _in_dvc(uri: str) -> tuple[str, dict[str, Any]]:
    from penstock.components.data.dvc import commit_of, place_of

    place = place_of(uri)
    commit = commit_of(place)
    uri = place._replace(rev=commit.id).uri
    md5 = {"md5": commit.md5} if commit.md5 else {}
    return uri, _source("dvc", uri, redact(place.repository), commit.id, commit.created) | md5


def _in_lakefs(table: str, place: str) -> tuple[str, dict[str, Any]]:
    from penstock.components.data.lakefs import FORM, commit_of

    repository, _, rest = place.partition("/")
    ref, _, path = rest.partition("/")
    if not repository or not ref:
        raise TaskError(f"input_uri {table}{_LAKEFS}{place} names no ref; {FORM}")
    commit = commit_of(repository, ref)
    uri = f"{table}{_LAKEFS}{repository}/{commit.id}/{path}"
    return uri, _source("lakefs", uri, repository, commit.id, commit.created)


def _source(form: str, uri: str, repository: str, commit: str, created: int) -> dict[str, Any]:
    return {"format": form, "uri": redact(uri), "repository": repository, "commit": commit, "committed": instant(created * 1000)}
