"""The token that a folder's model server requires of requests to load or unload a model.

It is in a file that only the server's user can read, and is sent in a header: a page in a browser, which can reach the port, knows no
token, and may not set that header for another origin.
"""

import hmac
import secrets
from pathlib import Path

from penstock.components.protocol.atomic import atomically

from .modes import owner_readable

_SCHEME = "Bearer "


def write_token(folder: Path) -> None:
    """Makes a new token for the server that starts in a folder."""
    with atomically(_path(folder)) as scratch, open(scratch, "x", encoding="ascii", opener=owner_readable) as file:
        file.write(secrets.token_urlsafe(32))


def read_token(folder: Path) -> str:
    """Returns the token of a folder's server. Empty if there is none, as with Penstock 0.1, or if it cannot be read."""
    try:
        return _path(folder).read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return ""


def authorization(folder: Path) -> dict[str, str]:
    """Returns the header that a folder's server wants."""
    token = read_token(folder)
    return {"Authorization": _SCHEME + token} if token else {}


def is_authorized(folder: Path, given: str) -> bool:
    """Tells whether a header's value has the folder's token; how long it takes tells nothing about the token."""
    token = read_token(folder)
    return bool(token) and hmac.compare_digest(given.encode(), (_SCHEME + token).encode())


def _path(folder: Path) -> Path:
    return folder / "server.token"
