"""How resolve_baseline says that there is no Baseline, and evaluate_model hears it."""

# The only file of a Baseline artifact that holds no model.
NO_BASELINE = "NO_BASELINE.txt"
