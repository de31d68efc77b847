"""What lies at gs:// URIs: in folders, or in a storage emulator."""

import os
import shutil
import tempfile
from pathlib import Path

from penstock.components.protocol import fingerprint

from .errors import precondition


class Artifacts:
    """The service's own copies of artifacts.

    Attributes:
        folders: Which folder stands for a URI and all below it, such as `{"gs://bucket": Path("/tmp/bucket")}`.
        most_bytes: The most that an artifact may have.
    """

    def __init__(self, folder: Path) -> None:
        self.folders: dict[str, Path] = {}
        self.most_bytes = 10 << 30
        self._folder = folder / "artifacts"
        self._folder.mkdir(parents=True, exist_ok=True)

    def copy(self, uri: str) -> Path | None:
        """Copies what lies below a URI; None if that is nothing. Equal contents have the same copy.

        Raises:
            ApiError: It is too large.
        """
        uri = uri.rstrip("/")
        scratch = Path(tempfile.mkdtemp(dir=self._folder))
        if not (self._from_folder(uri, scratch) or _from_emulator(uri, scratch)):
            scratch.rmdir()
            return None
        if (size := sum(path.stat().st_size for path in scratch.rglob("*") if path.is_file())) > self.most_bytes:
            shutil.rmtree(scratch)
            raise precondition(f"Model directory {uri} has {size} bytes, which exceeds the limit of {self.most_bytes} bytes.")
        copy = self._folder / fingerprint(scratch)
        if copy.exists():
            shutil.rmtree(scratch)
        else:
            scratch.rename(copy)
        return copy

    def _from_folder(self, uri: str, scratch: Path) -> bool:
        for prefix, folder in self.folders.items():
            source = folder / uri.removeprefix(prefix).lstrip("/")
            if f"{uri}/".startswith(f"{prefix}/") and source.is_dir() and any(source.iterdir()):
                shutil.copytree(source, scratch, dirs_exist_ok=True)
                return True
        return False


def _from_emulator(uri: str, scratch: Path) -> bool:
    """Reads from the emulator that `STORAGE_EMULATOR_HOST` names, and from nowhere else."""
    if not os.environ.get("STORAGE_EMULATOR_HOST"):
        return False
    from ..storage import resolve  # its libraries belong to those who have an emulator

    source = resolve(uri)
    if source:
        shutil.copytree(source, scratch, dirs_exist_ok=True)
    return source is not None
