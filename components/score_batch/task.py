"""score_batch: a blessed model answers a table, part by part."""

import json
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from tensorflow_metadata.proto.v0 import schema_pb2

from penstock.components.data import stored
from penstock.components.data.examples import read_file
from penstock.components.data.runners import advise
from penstock.components.data.tensors import load_schema
from penstock.components.evidence.scores import Scores, read_scores
from penstock.components.protocol import Input, Output, TaskError, figure, redact

from . import engines
from .blessed_model import BlessedModel, found_evaluation, given_model, registered_model
from .columns import Columns
from .distribution import compare
from .files import FORMATS
from .keys import check_types
from .limit import Limit
from .models import Models
from .parts import Part, check_columns, find_parts
from .place import Place
from .report import write_report
from .run import MANIFEST_FILE, MOST_REASONS, RUN_FILE

# Of each row: the hash of its key, twice while they are sorted.
_KEPT_BYTES = 16


class Outputs(NamedTuple):
    """The output parameters of score_batch."""

    rows: int
    errors: int


def score_batch(
    examples: Input,
    predictions: Output,
    report: Output,
    key_columns: list,
    schema: Input | None = None,
    model: Input | None = None,
    evaluation: Input | None = None,
    model_name: str = "",
    alias: str = "champion",
    evaluation_uri: str = "",
    output_uri: str = "",
    output_format: str = "parquet",
    passthrough_columns: list = [],  # noqa: B006 - the interface's default; nothing changes it
    partition_by: str = "",
    splits: list = [],  # noqa: B006
    max_error_share: float = 0.0,
    tracking_uri: str = "",
    registry_uri: str = "",
    beam_pipeline_args: list = [],  # noqa: B006
) -> Outputs:
    """Scores a table; the interface's docstring says what the parameters mean.

    Raises:
        TaskError: The rows, the model or a parameter cannot be used, or more rows than `max_error_share` cannot be scored.
    """
    if output_format not in FORMATS:
        raise TaskError(f"output_format is {output_format!r:.80}; give {', '.join(FORMATS)}")
    parts, found = find_parts(examples, splits)
    check_columns(found, "key_columns", key_columns)
    check_columns(found, "passthrough_columns", passthrough_columns)
    check_columns(found, "partition_by", [partition_by] if partition_by else [])
    check_types(found, key_columns)
    limit = Limit(sum(part.rows for part in parts), max_error_share)
    advise(beam_pipeline_args, limit.rows, _KEPT_BYTES)
    described_schema = _read_schema(schema)
    with (
        tempfile.TemporaryDirectory(prefix="penstock-score-") as folder,
        found_evaluation(evaluation, evaluation_uri, Path(folder)) as judged,
        engines.engine(beam_pipeline_args, examples, predictions) as engine,
    ):
        chosen = (
            registered_model(model_name, alias, judged, tracking_uri, registry_uri, Path(folder))
            if model is None
            else given_model(model, judged, model_name)
        )
        models = Models(chosen.path, described_schema, found)
        columns = Columns.of(found, key_columns, passthrough_columns, partition_by, models.outputs, chosen)
        parameters = {"key_columns": key_columns, "passthrough_columns": passthrough_columns, "partition_by": partition_by}
        described = _describe(chosen, alias if model is None else "", parts, parameters | {"output_format": output_format})
        place = Place(output_uri or engine.destination(predictions))
        begun = _begun(place, described, output_uri)
        engine.check_unique(parts, key_columns)
        evaluated = read_scores(judged) if judged else None
        models.try_faster(next(batch for part in parts for batch in read_file(part.path) if batch.num_rows))
        work = engines.Work(place, models, columns, output_format, key_columns, limit)
        with place.working():
            if not begun:
                _write(place, RUN_FILE, described)
            records = engine.score(work, parts)
            manifest = (
                described
                | {"output_uri": redact(output_uri), "output_format": output_format}
                | {"examples": {"fingerprint": examples.fingerprint, "uri": redact(examples.uri)}}
                | _totals(records, limit.rows)
                | {"scores": compare(Scores.sum(record["scores"] for record in records), evaluated or Scores())}
            )
            _write(place, MANIFEST_FILE, manifest)
        engine.record(predictions, place)
    _describe_output(predictions, manifest)
    reasons = sum((Counter(record["reasons"]) for record in records), Counter())
    write_report(report.path, manifest, _why_not_compared(judged, evaluated), reasons.most_common(MOST_REASONS))
    named = f"{chosen.name or 'the model'}{f' v{chosen.version}' if chosen.version else ''}"
    figure(f"{manifest['rows']:,} rows scored by {named}, {manifest['errors']:,} errors")
    return Outputs(manifest["rows"], manifest["errors"])


def _write(place: Place, name: str, content: dict[str, Any]) -> None:
    with place.scratch() as scratch:
        place.write(scratch, name, content)


def _totals(records: list[dict[str, Any]], rows: int) -> dict[str, Any]:
    """Returns what the manifest says of the parts, and of all of them.

    Raises:
        TaskError: Other rows came out than went in.
    """
    scored, failed = (sum(record[key] for record in records) for key in ("rows", "errors"))
    if scored + failed != rows:
        raise TaskError(f"of {rows:,} rows {scored:,} were scored and {failed:,} were not; run the task again with an empty output_uri")
    parts = [{key: value for key, value in record.items() if key not in ("scores", "reasons")} for record in records]
    return {"input_rows": rows, "rows": scored, "errors": failed, "parts": parts}


def _why_not_compared(evaluation: Path | None, evaluated: Scores | None) -> str:
    """Says why the scores have nothing beside them; empty if they have."""
    if evaluation is None:
        return "No Evaluation was given to compare with."
    if evaluated is None:
        return "The Evaluation has no distribution of its predictions: an older version made it. Evaluate the model again to compare."
    return ""


def _describe_output(predictions: Output, manifest: dict[str, Any]) -> None:
    """Describes the output, and keeps the manifest of one that lies elsewhere."""
    if manifest["output_uri"]:
        predictions.path.mkdir(parents=True)
        (predictions.path / MANIFEST_FILE).write_text(stored.dump(manifest, indent=1, allow_nan=False), encoding="utf-8")
    predictions.metadata |= {
        "format": manifest["output_format"],
        "rows": manifest["rows"],
        "errors": manifest["errors"],
        "model_fingerprint": manifest["model"]["fingerprint"],
        "model_version": manifest["model"]["version"],
        "output_uri": manifest["output_uri"],
    }


def _read_schema(schema: Input | None) -> schema_pb2.Schema | None:
    if schema is None:
        return None
    schema.require_written()
    return load_schema(schema.path)


def _describe(chosen: BlessedModel, alias: str, parts: list[Part], parameters: dict[str, Any]) -> dict[str, Any]:
    """Says what the run is: two runs for which this is the same give the same output."""
    return {
        "model": {"fingerprint": chosen.fingerprint, "name": chosen.name, "version": chosen.version, "alias": alias, "uri": chosen.uri},
        "input": {part.name: part.sha256 for part in parts},
        "parameters": parameters,
    }


def _begun(place: Place, described: dict[str, Any], output_uri: str) -> dict[str, Any] | None:
    """Returns what `run.json` has of an earlier attempt at the same run; None for a new one.

    Raises:
        TaskError: The place has something else.
    """
    there = place.read(RUN_FILE)
    where = redact(output_uri)
    if there is None:
        if not place.is_empty():
            raise TaskError(f"output_uri {where} is not empty, and has no {RUN_FILE}; give an empty folder")
        return None
    ours, theirs = ({**content, "model": {**content.get("model", {}), "uri": "", "alias": ""}} for content in (described, there))
    for key, what in (("model", "another model"), ("input", "other rows"), ("parameters", "other parameters")):
        if json.dumps(ours[key], sort_keys=True) != json.dumps(theirs.get(key), sort_keys=True):
            detail = f"{str(theirs['model'].get('fingerprint'))[:12]}, not {ours['model']['fingerprint'][:12]}" if key == "model" else ""
            raise TaskError(
                f"output_uri {where} has the output of a run with {what}{f' ({detail})' if detail else ''}; give an empty folder"
            )
    return there
