"""evaluate_model: evaluates both models in one pass over the Examples, and writes the blessing."""

import os
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, NamedTuple

# TFMA evaluates with Keras 2; saying so early keeps TensorFlow from importing Keras 3 as well.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")

from tensorflow_metadata.proto.v0 import schema_pb2
from tensorflow_model_analysis.proto import config_pb2

from penstock.components.data import stored
from penstock.components.data.examples import count_rows, split_files
from penstock.components.data.runners import advise, names_runner
from penstock.components.data.tensors import Tensors, load_schema
from penstock.components.evidence.baseline import NO_BASELINE
from penstock.components.evidence.eval_config import check_labels, has_thresholds, parse_eval_config, with_defaults
from penstock.components.evidence.evaluation import engine
from penstock.components.evidence.evaluation.predict import ModelError, Predictor
from penstock.components.evidence.evaluation.results import Results, write_eval_config, write_results
from penstock.components.evidence.evaluation.unsupported import NotVectorized
from penstock.components.evidence.scores import Scores, write_scores
from penstock.components.evidence.tfma import constants
from penstock.components.images import own_image
from penstock.components.protocol import Input, Output, TaskError, figure, redact

from .blessing import bless
from .curves import Curves, classification_metadata, draw
from .headlines import headline, overall_metrics
from .probe import write_probe
from .report import write_report
from .rows import check_columns, check_inputs, load, model_title, read_rows

# Of each row and model, measured on rows with a label, a weight and one column that makes slices.
_KEPT_BYTES = 180
IN_PROCESS, BEAM = "in_process", "beam"


class Outputs(NamedTuple):
    """The output parameters."""

    verdict: str


@dataclass
class _Evaluated:
    """An evaluation, and how it was come by."""

    eval_config: config_pb2.EvalConfig
    results: Results
    engine: str
    scores: Scores = field(default_factory=Scores)
    curves: dict[str, Curves] = field(default_factory=dict)


def evaluate_model(
    examples: Input,
    model: Input,
    schema: Input,
    evaluation: Output,
    metrics: Output,
    classification_metrics: Output,
    report: Output,
    eval_config: str,
    baseline: Input | None = None,
    eval_split: str = "eval",
    on_broken_baseline: str = "fail",
    rubber_stamp: bool = False,
    beam_pipeline_args: list = [],  # noqa: B006 - the interface's default; nothing changes it
) -> Outputs:
    """Evaluates a candidate against a Baseline and blesses it or not; see the interface for the parameters.

    Raises:
        TaskError: The configuration, the Examples or a model cannot be evaluated; a model that is not good enough is a result.
    """
    if on_broken_baseline not in ("fail", "ignore"):
        raise TaskError(f"on_broken_baseline is {on_broken_baseline!r}; choose 'fail' or 'ignore'")
    user_config = parse_eval_config(eval_config)
    described = load_schema(schema.path)
    identities = {constants.CANDIDATE_KEY: _require(model, constants.CANDIDATE_KEY)}
    tensors = Tensors(described)
    spec = next(spec for spec in user_config.model_specs if not spec.is_baseline)
    candidate = load(spec, model.path)
    check_columns(user_config, {spec.name: candidate}, examples.path, eval_split)
    check_labels(user_config, examples.path, eval_split)

    def evaluate(other: Input | None) -> _Evaluated:
        if other is not None:
            identities[constants.BASELINE_KEY] = _require(other, constants.BASELINE_KEY)
        return _evaluate(user_config, examples, eval_split, described, tensors, candidate, model, other, beam_pipeline_args, evaluation)

    evaluation.path.mkdir(parents=True)
    reason = _no_baseline(baseline)
    try:
        done = evaluate(None if reason else baseline)
    except ModelError as error:
        if error.model != constants.BASELINE_KEY or on_broken_baseline == "fail":
            raise
        reason, done = f"ignored: {error}", evaluate(None)

    asked = with_defaults(user_config, has_baseline=True)
    blessing = bless(asked, done.eval_config, done.results, baseline_note=reason, rubber_stamp=rubber_stamp)
    blessing |= {
        "model": {"fingerprint": identities[constants.CANDIDATE_KEY], "uri": redact(model.uri)},
        "baseline": None if reason or baseline is None else _describe(baseline, identities[constants.BASELINE_KEY]),
        "baseline_note": reason,
        "examples": _describe_examples(examples, eval_split),
        "engine": done.engine,
        "time": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }
    (evaluation.path / "blessing.json").write_text(stored.dump(blessing, indent=1, allow_nan=False), encoding="utf-8")
    write_probe(evaluation.path / "probe.json", candidate, examples.path, eval_split, tensors)
    write_scores(done.scores, evaluation.path)
    overall = overall_metrics(done.eval_config, done.results)
    metrics.metadata |= overall.candidate
    if constants.CANDIDATE_KEY in done.curves:
        classification_metrics.metadata |= classification_metadata(done.curves[constants.CANDIDATE_KEY])
    evaluation.metadata |= {"verdict": blessing["verdict"], "model_fingerprint": blessing["model"]["fingerprint"], **overall.candidate}
    write_report(report.path, done.eval_config, done.results, blessing, done.curves)
    figure(headline(overall, blessing))
    return Outputs(blessing["verdict"])


def _evaluate(
    user_config: config_pb2.EvalConfig,
    examples: Input,
    split: str,
    schema: schema_pb2.Schema,
    tensors: Tensors,
    candidate: Predictor,
    model: Input,
    baseline: Input | None,
    beam_pipeline_args: list,
    evaluation: Output,
) -> _Evaluated:
    """Evaluates in-process, or on Beam where a runner is named or something is asked for that only TFMA's engine computes."""
    eval_config = with_defaults(user_config, has_baseline=baseline is not None)
    specs = {spec.is_baseline: spec for spec in eval_config.model_specs}
    models = {specs[False].name: model} | ({specs[True].name: baseline} if baseline else {})
    without_changes = baseline is None and has_thresholds(user_config)
    write_eval_config(eval_config, evaluation.path, redact(examples.uri), {name: redact(artifact.uri) for name, artifact in models.items()})
    done = _Evaluated(eval_config, Results(), BEAM)
    predictors = {specs[False].name: candidate}
    if baseline:
        predictors[specs[True].name] = load(specs[True], baseline.path)
    check_columns(eval_config, predictors, examples.path, split)
    check_inputs(predictors, tensors, examples.path, split)
    advise(beam_pipeline_args, count_rows(examples.path, split), _KEPT_BYTES * len(models))
    if not names_runner(beam_pipeline_args):
        rows, done.scores = read_rows(eval_config, examples.path, split, tensors, predictors)
        drawn = {model_title(spec): draw(rows, spec.name) for spec in eval_config.model_specs}
        done.curves = {name: curves for name, curves in drawn.items() if curves}
        try:
            done.results, done.engine = engine.evaluate(eval_config, rows, schema, rubber_stamp=without_changes), IN_PROCESS
            write_results(done.results, evaluation.path)
        except NotVectorized as reason:
            figure(f"TFMA evaluates on Beam, for {reason}")
    if done.engine == BEAM:
        done.results, done.scores = _evaluate_on_beam(
            eval_config, examples, split, models, predictors, schema, evaluation, beam_pipeline_args, rubber_stamp=without_changes
        )
    return done


def _evaluate_on_beam(
    eval_config: config_pb2.EvalConfig,
    examples: Input,
    split: str,
    models: dict[str, Input],
    predictors: dict[str, Predictor],
    schema: schema_pb2.Schema,
    evaluation: Output,
    beam_pipeline_args: list,
    *,
    rubber_stamp: bool,
) -> tuple[Results, Scores]:
    from penstock.components.data.beam import Engine

    from . import beam_engine

    with Engine(beam_pipeline_args, own_image("tf"), evaluation) as beam:
        files = [beam.place(examples, str(file.relative_to(examples.path))) for file in split_files(examples.path, split)]
        places = {name: beam.place(artifact) for name, artifact in models.items()}
        transformed = {name: predictor.transformed for name, predictor in predictors.items()}
        return beam_engine.evaluate(beam, eval_config, files, places, transformed, schema, evaluation.path, rubber_stamp=rubber_stamp)


def _no_baseline(baseline: Input | None) -> str:
    """Says why there is no Baseline; empty if there is one."""
    if baseline is None:
        return "none given"
    marker = baseline.path / NO_BASELINE
    if not marker.exists():
        return ""
    return baseline.metadata.get("reason") or " ".join(marker.read_text(encoding="utf-8").split()) or "no reason given"


def _require(model: Input, name: str) -> str:
    """Returns a model's fingerprint.

    Raises:
        ModelError: The model is gone.
    """
    if not model.path.exists():
        raise ModelError(name, f"the {name} is missing at {model.path}; train or register it again")
    return model.fingerprint


def _describe(baseline: Input, identity: str) -> dict[str, Any]:
    return {"fingerprint": identity, "version": str(baseline.metadata.get("version", "")), "uri": redact(baseline.uri)}


def _describe_examples(examples: Input, split: str) -> dict[str, Any]:
    known = {key: examples.metadata[key] for key in ("span", "version", "source") if key in examples.metadata}
    return {
        "fingerprint": examples.fingerprint,
        "uri": redact(examples.uri),
        "split": split,
        "rows": count_rows(examples.path, split),
    } | known
