"""The environments of what Penstock is measured against."""

import hashlib
from pathlib import Path

from penstock.local.caches import cache_root
from penstock.local.envs import Environment
from penstock.local.interpreters import find_python


def peer_environment(name: str, *versions: str) -> Environment:
    """Returns a peer's environment, made or not, of the hashed lock in the folder of its name.

    Args:
        name: The peer.
        versions: The versions of Python that it runs on, the best first.

    Raises:
        UserError: This machine has none of them.
    """
    lock = Path(__file__).parent / name / "requirements.txt"
    version, python = find_python(*versions)
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()[:12]
    return Environment(name, lock, version, python, cache_root() / "envs" / f"{name}-{digest}-py{version.replace('.', '')}")
