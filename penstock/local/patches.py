"""Fixes for kfp.local, one module per upstream defect, and its missing features: environments, a cache by content, a view of the tasks.

kfp.local stays the orchestrator. `mended` applies the fixes during a run; each module names the defect, and its test
fails when upstream has fixed it.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from . import bindings, condition_scope, custom_paths, dag_outputs, faults, kinds, loops, placeholders, quiet

# In this order: `faults` stands around what others put in.
_MENDS = (
    bindings.mend,
    condition_scope.mend,
    custom_paths.mend,
    dag_outputs.mend,
    kinds.mend,
    loops.mend,
    placeholders.mend,
    quiet.mend,
    faults.mend,
)


@contextmanager
def mended() -> Iterator[None]:
    """Mends kfp.local within the `with` block."""
    with ExitStack() as stack:
        for mend in _MENDS:
            stack.enter_context(mend())
        yield
