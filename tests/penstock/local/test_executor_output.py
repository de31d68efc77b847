"""The executor output is what kfp reads."""

from pathlib import Path
from typing import NamedTuple

from google.protobuf import json_format

from penstock.components.protocol import Output, execute
from penstock.components.protocol.values import decode, decode_metadata
from penstock.kfp_adapter.pipeline_spec import pipeline_spec_pb2


class Outputs(NamedTuple):
    """Output parameters of every type."""

    count: int
    share: float
    word: str
    flag: bool
    options: dict
    names: list


def work(made: Output) -> Outputs:
    """Makes an artifact with metadata of every type."""
    made.path.write_text("made")
    made.metadata |= {"rows": 3, "splits": {"train": 2, "eval": 1}, "sources": [{"uri": "a", "bytes": 1}]}
    return Outputs(3, 0.5, "{{$}}", True, {"a": [1, None]}, ["x"])


def test_kfps_own_parser_takes_it(tmp_path: Path) -> None:
    spec = pipeline_spec_pb2.ExecutorInput()
    spec.outputs.output_file = str(tmp_path / "output.json")
    made = spec.outputs.artifacts["made"].artifacts.add(name="made", uri=str(tmp_path / "made"))
    made.type.schema_title = "system.Artifact"
    for name in Outputs._fields:
        spec.outputs.parameters[name].output_file = str(tmp_path / "parameters" / name)
    execute(work, json_format.MessageToDict(spec))
    output = json_format.Parse((tmp_path / "output.json").read_text(), pipeline_spec_pb2.ExecutorOutput())
    values = {name: decode(json_format.MessageToDict(value)) for name, value in output.parameter_values.items()}
    assert values == {"count": 3, "share": 0.5, "word": "{{$}}", "flag": True, "options": {"a": [1, None]}, "names": ["x"]}
    (artifact,) = output.artifacts["made"].artifacts
    assert (artifact.name, artifact.uri, artifact.type.schema_title) == ("made", str(tmp_path / "made"), "system.Artifact")
    assert decode_metadata(json_format.MessageToDict(artifact.metadata))["splits"]["train"] == 2
    assert len(artifact.metadata["fingerprint"]) == 64
    assert [decode((tmp_path / "parameters" / name).read_text()) for name in ("count", "word", "flag")] == ["3", "{{$}}", "true"]
