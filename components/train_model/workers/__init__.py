"""Several workers that train one model: each runs the task train_model with a `TF_CONFIG`, and the first of them, the chief, gives the outputs."""
