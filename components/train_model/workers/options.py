"""What the options of `workers_at` have in common, wherever the workers run."""

from penstock.components.protocol import TaskError

# How long all workers may take until they run: nodes with GPUs are first added to a cluster.
START_SECONDS = 1800


def read_number(name: str, text: str, unit: str) -> int:
    """Reads an option that is a whole number of something.

    Raises:
        TaskError: It is none.
    """
    if not text.isascii() or not text.isdigit():
        raise TaskError(f"workers_at has {name}={text:.40}; give a whole number of {unit}")
    return int(text)
