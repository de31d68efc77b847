"""What compare_features found, as monitor_model reads it."""

from pathlib import Path
from typing import Any

from penstock.components.data import stored
from penstock.components.protocol.errors import TaskError

FILE = "feature_skew.json"
# How a served value can differ from the point-in-time value.
WRONG, MISSING, STALE = "wrong", "missing", "stale"
KINDS = (WRONG, MISSING, STALE)


def read_feature_skew(folder: Path) -> dict[str, Any]:
    """Reads the artifact `feature_skew` of compare_features.

    Raises:
        TaskError: It is no such artifact.
    """
    file = folder / FILE
    content = stored.read(file, "the feature skew", "compare the features again", "give the artifact feature_skew of compare_features")
    if missing := [
        name for name in ("window", "model_name", "fingerprint", "keys", "compared", "features", "unknown") if name not in content
    ]:
        raise TaskError(f"the feature skew at {file} has no {missing[0]}; compare the features again")
    return content
