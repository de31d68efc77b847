"""lakeFS: what its refs name, and the objects of a commit through its S3 gateway, which every server of it has at the same address.

The gateway's buckets are repositories, and its keys are `REF/PATH`.
"""

import os
from typing import Any, NamedTuple
from urllib.parse import quote

from s3fs import S3FileSystem

from penstock.components.protocol.errors import TaskError

from .filesystems import ANSWER_SECONDS, CONNECT_SECONDS, explaining, s3_options

_VARIABLES = ("LAKECTL_SERVER_ENDPOINT_URL", "LAKECTL_CREDENTIALS_ACCESS_KEY_ID", "LAKECTL_CREDENTIALS_SECRET_ACCESS_KEY")
_CREDENTIALS = f"correct {' and '.join(_VARIABLES[1:])}, or give their user fs:ReadBranch, fs:ListObjects and fs:ReadObject"
FORM = "give lakefs://REPOSITORY/REF/PATH, where REF is a branch, a tag or a commit"
# What to do about the API's answers.
_REMEDIES = {400: FORM, 401: _CREDENTIALS, 403: _CREDENTIALS, 404: FORM}


class Server(NamedTuple):
    """A lakeFS server.

    Attributes:
        url: Its URL, below which are the API and the S3 gateway.
        key_id: The ID of the access key.
        secret: The secret access key.
    """

    url: str
    key_id: str
    secret: str


class Commit(NamedTuple):
    """A commit of a repository.

    Attributes:
        id: Its whole ID.
        created: When it was made, in Unix seconds.
    """

    id: str
    created: int


class _Objects(S3FileSystem):
    """The objects of all repositories; paths are `REPOSITORY/REF/PATH`."""

    protocol = "lakefs"


def server() -> Server:
    """Returns the server that the environment names, in the variables of lakeFS's own clients.

    Raises:
        TaskError: It names none, or no access key.
    """
    found = [os.environ.get(name, "") for name in _VARIABLES]
    if missing := [name for name, value in zip(_VARIABLES, found, strict=True) if not value]:
        raise TaskError(f"lakefs:// needs {', '.join(missing)}; set what lakeFS's own clients read from the environment")
    url, key_id, secret = found
    return Server(url.rstrip("/").removesuffix("/api/v1"), key_id, secret)


def open_files(uri: str) -> tuple[Any, str]:
    """Returns the filesystem that holds a `lakefs://REPOSITORY/REF/PATH` URI, and the path on it.

    Raises:
        TaskError: As `server`.
    """
    asked, options = server(), s3_options()
    options["config_kwargs"] |= {"s3": {"addressing_style": "path"}}  # repositories are no names of hosts
    files = _Objects(key=asked.key_id, secret=asked.secret, endpoint_url=asked.url, **options)
    return files, uri.removeprefix("lakefs://")


def commit_of(repository: str, ref: str) -> Commit:
    """Finds the commit that a branch, a tag, part of a commit's ID or an expression such as `main~2` names now.

    Args:
        repository: The repository.
        ref: The ref.

    Raises:
        TaskError: There is none, or the server cannot be asked.
    """
    import requests  # not s3fs's client, which speaks S3 only

    asked = server()
    place = f"{asked.url}/api/v1/repositories/{quote(repository, safe='')}/refs/{quote(ref, safe='')}/commits"
    with explaining(f"lakeFS at {asked.url} cannot be asked for commits", f"correct {_VARIABLES[0]}, or try again later"):
        answer = requests.get(place, {"amount": 1}, auth=(asked.key_id, asked.secret), timeout=(CONNECT_SECONDS, ANSWER_SECONDS))
        if answer.status_code in _REMEDIES:
            reason = str(answer.json()["message"])[:200]
            raise TaskError(f"lakeFS at {asked.url} does not give the ref {repository}/{ref} ({reason}); {_REMEDIES[answer.status_code]}")
        answer.raise_for_status()
        (commit,) = answer.json()["results"]
        return Commit(commit["id"], commit["creation_date"])
