"""What monitor_model says of a model: its verdicts, and its evidence as later tasks read it."""

from pathlib import Path
from typing import Any

from penstock.components.data import stored
from penstock.components.protocol.errors import TaskError

FILE = "monitoring.json"
OK, DRIFT, SKEW, DEGRADED, TOO_FEW, NO_DATA = "ok", "drifted", "skewed", "degraded", "not_enough_data", "no_data"
VERDICTS = (OK, DRIFT, SKEW, DEGRADED, TOO_FEW, NO_DATA)


def read_monitoring(folder: Path) -> dict[str, Any]:
    """Reads the artifact `monitoring` of monitor_model.

    Raises:
        TaskError: It has no verdict, or an unknown one.
    """
    file = folder / FILE
    content = stored.read(file, "the monitoring", "monitor the model again", "give the artifact monitoring of monitor_model")
    if content.get("verdict") not in VERDICTS:
        raise TaskError(f"the monitoring at {file} has the verdict {content.get('verdict')!r:.40}, none of {', '.join(VERDICTS)}")
    return content
