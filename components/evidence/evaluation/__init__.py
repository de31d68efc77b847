"""TFMA's metrics over whole columns: the engine of evaluate_model and monitor_model."""
