"""The mark by which resolve_baseline tells evaluate_model that there is no Baseline."""

# The only file of a Baseline artifact that holds no model.
NO_BASELINE = "NO_BASELINE.txt"
