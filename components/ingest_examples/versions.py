"""Files with versions: `lakefs://REPOSITORY/REF/PATH` names them by a ref, which may name another commit tomorrow.

The ref is looked up once; from then on the task, its workers and its metadata speak of the commit that it named.
"""

from typing import Any

from penstock.components.protocol import TaskError

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
    table, mark, place = input_uri.partition(_LAKEFS)
    if not mark or table.removesuffix("://") not in ("", *FORMATS):
        return input_uri, {}
    from penstock.components.data.lakefs import commit_of

    repository, _, rest = place.partition("/")
    ref, _, path = rest.partition("/")
    if not repository or not ref:
        raise TaskError(f"input_uri {input_uri} names no ref; give lakefs://REPOSITORY/REF/PATH, where REF is a branch, a tag or a commit")
    commit = commit_of(repository, ref)
    uri = f"{table}{_LAKEFS}{repository}/{commit.id}/{path}"
    return uri, {"format": "lakefs", "uri": uri, "repository": repository, "commit": commit.id, "committed": instant(commit.created * 1000)}
