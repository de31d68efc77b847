"""Pipelines that are started, and a monitoring that asks for it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ..monitorings import write_monitoring

NAME = "trigger_training"
ROOT = Path(__file__).resolve().parents[3]
# A compiled component is a pipeline of one task; this one needs nothing but a folder.
PIPELINE = ROOT / "compiled" / "components" / "find_span.yaml"


@pytest.fixture
def trigger(run_task: Callable[..., Any], tmp_path: Path) -> Callable[..., Any]:
    """Returns `run(*verdicts, **parameters)`, which triggers on a monitoring, and `decision.json` beside the result."""
    (tmp_path / "data").mkdir()

    def run(*verdicts: str, about: dict[str, Any] | None = None, **parameters: Any) -> Any:
        given = {
            "training_pipeline": str(PIPELINE),
            "parameters": {"input_uri": f"{tmp_path}/data/{{window_end}}-{{SPAN}}", "marker": "{reason}"},
            "cooldown_hours": 0.0,
        } | parameters
        inputs = {"monitoring": write_monitoring(tmp_path / "monitoring", *verdicts, **(about or {}))} if verdicts else {}
        result = run_task(NAME, given, inputs)
        result.decision = json.loads((result.outputs["decision"] / "decision.json").read_text()) if result.code == 0 else {}
        return result

    return run
