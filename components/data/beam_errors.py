"""What is wrong, found in what Beam raises when a job fails: workers' errors reach a task as text."""

import errno
import os
import re
import traceback

from penstock.components.protocol.errors import TaskError
from penstock.components.protocol.redacting import redact

# What Beam's runners in Java say, and what a person can do about it.
_EXPLAINED = {
    r"Received exit code \d+ for command 'docker run .* (?P<image>\S+) --id=[^']*'\. stderr: (?P<reason>.*?)(Run 'docker|$)": (
        "the workers' image {image} does not start ({reason:.200}); correct --sdk_container_image in beam_pipeline_args, or give the runner's "
        "machines access to the image"
    ),
    r"ModuleNotFoundError: No module named '(?P<module>[^']+)'": (
        "the workers lack the module {module}; name an image that has it with --sdk_container_image in beam_pipeline_args, or install it where the "
        "workers are"
    ),
    r"Only one SparkContext should be running": (
        "Spark's job server runs the job of another task, and takes one at a time; run this task again when it is done, or give it a job server "
        "of its own by --job_endpoint in beam_pipeline_args"
    ),
}
_FAILED = re.compile(r"^RuntimeError: Pipeline \S+ failed in state FAILED: ")
_RAISED = re.compile(r"Traceback \(most recent call last\):\n(?:[ \t].*\n)+(\S.*)")


def of_worker(error: Exception) -> Exception | None:
    """Finds the error that a person can do something about in what Beam raises: a worker's exception reaches it as text."""
    text = "".join(traceback.format_exception(error))
    if os.strerror(errno.ENOSPC) in text:
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if found := re.search(rf"\b{TaskError.__name__}: (.*)", text):
        return TaskError(without_step(found[1]))
    return None


def of_runner(error: Exception) -> TaskError | None:
    """Finds what a person can do about what a runner says."""
    for pattern, message in _EXPLAINED.items():
        if found := re.search(pattern, str(error), re.MULTILINE):
            return TaskError(redact(message.format(**found.groupdict())))
    return None


def without_step(line: str) -> str:
    """Returns a line of a worker's exception without the name of the step, which Beam adds."""
    return re.sub(r" \[while running .*", "", line)


def reason(error: Exception) -> str:
    """Returns the line that says why a job failed: of a worker's traceback its error."""
    text = _FAILED.sub("", f"{type(error).__name__}: {error}")
    if raised := _RAISED.search(text):
        text = raised[1]
    lines = redact(text).splitlines()  # before anything is cut short
    return next(line for line in lines if line.strip())[:300]
