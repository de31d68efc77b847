"""Whether a task runs on Apache Beam, which takes a second to import."""

from penstock.components.protocol.errors import TaskError


def names_runner(beam_pipeline_args: list) -> bool:
    """Says whether Beam's options name a runner.

    Raises:
        TaskError: They are not texts.
    """
    if wrong := [argument for argument in beam_pipeline_args if not isinstance(argument, str)]:
        raise TaskError(f"beam_pipeline_args has {wrong[0]!r:.80}; give texts, such as --runner=FlinkRunner")
    return any(argument.split("=")[0] == "--runner" for argument in beam_pipeline_args)
