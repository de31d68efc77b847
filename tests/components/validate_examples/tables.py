"""Tables to validate, and what is read of the evidence."""

import json

import numpy as np
import pandas as pd

NAME = "validate_examples"


def frame(rows=4000, seed=0, **changes):
    """A small table: a number, a count, a category and a 0/1 label."""
    rng = np.random.default_rng(seed)
    columns = {
        "x": rng.normal(size=rows).astype(np.float32),
        "n": rng.integers(0, 50, rows),
        "c": rng.choice(["a", "b", "c"], rows, p=[0.6, 0.3, 0.1]),
        "late": (rng.random(rows) < 0.25).astype(np.int64),
    }
    return pd.DataFrame(columns | changes)


def evidence(result):
    return json.loads((result.outputs["anomalies"] / "verdict.json").read_text())


def findings(result, severity="ERROR"):
    return [(found["split"], found["feature"], found["kind"]) for found in evidence(result)["findings"] if found["severity"] == severity]
