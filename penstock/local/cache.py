"""Task outputs by content: kfp.local's cache keys artifacts by URI, which differs from run to run, and knows nothing of code.

Upstream (kfp 2.17, `LocalCache`): a task that is not cached makes everything behind it run again, even if it gave the same bytes;
changed files behind a path go unnoticed, and so do changed outputs; and an artifact that has metadata only, such as Metrics, is
always a miss.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from penstock.components.protocol import TaskError

from ..errors import UserError
from ..kfp_adapter.orchestrator import LOCAL_CACHE, LocalCache
from ..spec.containers import component_of, components_in, never_cached
from ..spec.contents import content, names_elsewhere
from . import tasks
from .cache_entry import Entry
from .runner import Runner

_NEVER = ""


class ContentCache(LocalCache):
    """A cache whose keys speak of contents: of artifacts, of files that parameters name, of code and environments.

    Args:
        folder: Where the entries lie.
        runner: What runs the tasks.
        fresh: Finds nothing, and writes every entry anew.

    Raises:
        UserError: The folder cannot be made.
    """

    def __init__(self, folder: Path, runner: Runner, fresh: bool) -> None:
        try:
            super().__init__(str(folder))
        except OSError as error:
            raise UserError(f"cannot store outputs in {folder} ({error.strerror}); remove it, or give another --root") from error
        self._runner = runner
        self._fresh = fresh

    def compute_key(
        self,
        component_name: str,
        image: str,
        full_command: list[str],
        arguments: dict[str, Any],
        env_vars: dict[str, str] | None = None,
        custom_cache_key: str | None = None,
    ) -> str:
        """Hashes everything that the outputs depend on. Empty if that is unknown, so that nothing is cached."""
        ours = components_in(full_command)
        parts: list[Any] = [component_name, custom_cache_key]
        try:
            if never_cached(full_command) or (ours and names_elsewhere(arguments)):
                return _NEVER
            if ours or not custom_cache_key:  # a gate's verdict belongs to what it judged, whatever key it is given
                parts += [image, full_command, content(arguments), env_vars]
        except (TaskError, OSError):  # an artifact that cannot be hashed; the task says what is wrong with it
            return _NEVER
        code = self._runner.identity(image, component_of(full_command))
        # The registry and the tracking server are part of the outputs of train_model.
        tracking = os.environ.get("MLFLOW_TRACKING_URI") if ours else None
        return hashlib.sha256(json.dumps([parts, code, tracking], sort_keys=True, default=str).encode()).hexdigest()

    def get(self, key: str) -> dict[str, Any] | None:
        """Returns the outputs, if they are there, byte for byte as they were kept."""
        if key == _NEVER or self._fresh or (entry := Entry.read(self._place(key), key)) is None:
            return None
        outputs = entry.restore()
        if outputs is None:
            return None
        task = tasks.current()
        task.state, task.component = "cached", entry.component
        return outputs

    def put(self, key: str, outputs: dict[str, Any]) -> None:
        """Keeps a finished task's outputs."""
        if key == _NEVER:
            return
        try:
            Entry.of(key, tasks.current().component, outputs).write(self._place(key))
        except TaskError:  # an artifact with links, which cannot be verified
            self._place(key).unlink(missing_ok=True)

    def _place(self, key: str) -> Path:
        return Path(self._entry_path(key))


@contextmanager
def keeping(folder: Path, runner: Runner, fresh: bool) -> Iterator[None]:
    """Makes kfp.local keep task outputs by content."""
    content_cache = ContentCache(folder, runner, fresh)
    with LOCAL_CACHE.replaced(lambda: content_cache):
        yield
