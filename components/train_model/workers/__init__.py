"""Several workers that train one model: each runs the task train_model with a `TF_CONFIG`, and the first of them, the chief, gives the outputs."""

# What a worker has come to whose exit code is SIGTERM's: where there are checkpoints, one that was asked to end has all of them end.
ENDED = "has ended, because one of the workers was asked to (SIGTERM); run the task again"
