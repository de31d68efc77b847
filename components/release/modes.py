"""Who may read what a server writes."""

import os


def group_readable(path: str, flags: int) -> int:
    """Opens a file for `open(..., opener=group_readable)`: a new file is readable only by its user and group (0640)."""
    return os.open(path, flags, 0o640)


def owner_readable(path: str, flags: int) -> int:
    """Opens a file for `open(..., opener=owner_readable)`: a new one is for its owner alone (0600)."""
    return os.open(path, flags, 0o600)
