"""The merge of a canary's predictor over the stable one."""

import copy
from typing import Any


def merge(target: Any, patch: Any) -> Any:
    """Applies a JSON merge patch (RFC 7386): null deletes, a list replaces."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge(merged.get(key), value)
    return merged
