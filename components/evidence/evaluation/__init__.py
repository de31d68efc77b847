"""TFMA's metrics over whole columns: the engine of evaluate_model, and of whoever measures what serves."""
