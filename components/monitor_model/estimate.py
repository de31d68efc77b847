"""What a classifier's figures would be if its scores were calibrated: from the scores alone, where no labels have come."""

from typing import Any

import numpy as np


def estimate(scores: np.ndarray) -> dict[str, Any] | None:
    """Returns the expected AUC and log loss; None where the scores are not probabilities.

    Of a score p a share p of the rows is positive, if the scores are calibrated. It says nothing of a model that has ceased to be.

    Args:
        scores: The probability of the positive class, of each row.
    """
    if not len(scores) or not np.all((scores >= 0) & (scores <= 1)):
        return None
    values, counts = np.unique(scores.astype(np.float64), return_counts=True)
    positive, negative = values * counts, (1 - values) * counts
    pairs = positive.sum() * negative.sum()
    below = np.cumsum(negative) - negative
    inside = np.clip(values, 1e-15, 1 - 1e-15)
    entropy = -(values * np.log(inside) + (1 - values) * np.log(1 - inside))
    return {
        "auc": float((positive * (below + negative / 2)).sum() / pairs) if pairs > 0 else None,
        "log_loss": float((entropy * counts).sum() / counts.sum()),
        "positive_share": float(positive.sum() / counts.sum()),
        "rows": int(counts.sum()),
    }
