"""Where Penstock keeps what it can make again."""

import os
from pathlib import Path

import platformdirs


def cache_root() -> Path:
    """Returns `$PENSTOCK_CACHE`, or the place for caches on this system."""
    return Path(os.environ.get("PENSTOCK_CACHE") or platformdirs.user_cache_path("penstock")).absolute()
