"""Mends of kfp.local, one module per upstream defect, and what it lacks: environments, a cache by content, a view of the tasks.

kfp.local stays the orchestrator. `mended` puts the mends in for the time of a run; each module names the defect, and its test
fails when upstream has mended it.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from . import conditions, loops, none_defaults, oneof, placeholders, quiet

_MENDS = (conditions.mend, loops.mend, none_defaults.mend, oneof.mend, placeholders.mend, quiet.mend)


@contextmanager
def mended() -> Iterator[None]:
    """Mends kfp.local within the `with` block."""
    with ExitStack() as stack:
        for mend in _MENDS:
            stack.enter_context(mend())
        yield
