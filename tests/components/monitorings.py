"""What monitor_model writes, as tasks that read it are given it in tests."""

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

CHAMPION = "9d1d" * 16
END = datetime(2026, 11, 22, tzinfo=timezone.utc)


def write_monitoring(folder: Path, *verdicts: str, end: datetime = END, **more: Any) -> Path:
    """Writes a monitoring of windows of a day.

    Args:
        folder: Where to.
        verdicts: The windows' verdicts, the newest first.
        end: The end of the newest window.
        more: Other keys.
    """
    row = [{"verdict": verdict, "window": _window(end - timedelta(days=number))} for number, verdict in enumerate(verdicts)]
    folder.mkdir(parents=True, exist_ok=True)
    content = {"schema": 1, "fingerprint": CHAMPION, "rows": 1000, "reasons": [], "trend": row[1:]} | row[0] | more
    (folder / "monitoring.json").write_text(json.dumps(content))
    return folder


def _window(end: datetime) -> dict[str, str]:
    return {"start": (end - timedelta(days=1)).isoformat(), "end": end.isoformat()}
