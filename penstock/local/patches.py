"""Fixes for kfp.local, one module per upstream defect, and its missing features: environments, a cache by content, a view of the tasks.

kfp.local stays the orchestrator. `patched` applies the fixes during a run; each module names the defect, and its test
fails when upstream has fixed it.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from . import bindings, condition_scope, custom_paths, dag_outputs, faults, kinds, loops, placeholders, quiet

# In this order: `faults` stands around what others put in.
_PATCHES = (
    bindings.patch,
    condition_scope.patch,
    custom_paths.patch,
    dag_outputs.patch,
    kinds.patch,
    loops.patch,
    placeholders.patch,
    quiet.patch,
    faults.patch,
)


@contextmanager
def patched() -> Iterator[None]:
    """Patches kfp.local within the `with` block."""
    with ExitStack() as stack:
        for patch in _PATCHES:
            stack.enter_context(patch())
        yield
