"""The peer: the flights' pipeline as a TFX user would write it, on LocalDagRunner. Runs in the benchmark's TFX environment.

Every step of Penstock's pipeline that TFX has, up to the blessing; no Pusher. The first run finds no blessed model; a second
one with the same root compares with the first one's.

With `--scored-with` a model, the rows go to BulkInferrer instead.
"""

import time

_STARTED = time.time()

import argparse  # noqa: E402 - the clock starts before the imports
import json  # noqa: E402
from pathlib import Path  # noqa: E402

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402
import tensorflow_model_analysis as tfma  # noqa: E402
from google.protobuf import text_format  # noqa: E402
from ml_metadata.metadata_store import MetadataStore  # noqa: E402
from tensorflow_serving.apis import prediction_log_pb2  # noqa: E402
from tfx import v1 as tfx  # noqa: E402

_IMPORTED = time.time()

# DirectRunner would first try to download another runner; this is the one that it falls back to.
RUNNER = "--runner=apache_beam.runners.portability.fn_api_runner.FnApiRunner"


def main() -> None:
    """Runs the pipeline and writes what each step took to `<root>/record.json`, in seconds."""
    parser = argparse.ArgumentParser(description="Runs the flights' pipeline on TFX's LocalDagRunner.")
    for name in ("data", "root"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    for name in ("preprocessing", "trainer", "schema", "eval-config"):
        parser.add_argument(f"--{name}", type=Path)
    parser.add_argument("--seed", type=int, default=0, help="of Keras: the first model must be one that is blessed")
    parser.add_argument("--scored-with", type=Path, help="the folder of a model, in which it lies as Format-Serving")
    parser.add_argument("--workers", type=int, default=1, help="Beam's worker processes; 1: in this process, which is TFX's default")
    arguments = parser.parse_args()
    keras.utils.set_random_seed(arguments.seed)
    mode = "multi_processing" if arguments.workers > 1 else "in_memory"
    metadata = tfx.orchestration.metadata.sqlite_metadata_connection_config(str(arguments.root / "metadata.db"))
    pipeline = tfx.dsl.Pipeline(
        pipeline_name="flight-delay",
        pipeline_root=str(arguments.root / "artifacts"),
        components=scoring(arguments) if arguments.scored_with else training(arguments),
        metadata_connection_config=metadata,
        beam_pipeline_args=[RUNNER, f"--direct_running_mode={mode}", f"--direct_num_workers={arguments.workers}"],
        enable_cache=False,
    )
    tfx.orchestration.LocalDagRunner().run(pipeline)
    read = read_scoring if arguments.scored_with else read_training
    record = {"imports": _IMPORTED - _STARTED} | read(MetadataStore(metadata))
    (arguments.root / "record.json").write_text(json.dumps(record, indent=1))


def example_gen(arguments: argparse.Namespace) -> tfx.components.CsvExampleGen:
    """Returns the node that reads the rows."""
    splits = [tfx.proto.Input.Split(name=name, pattern=f"{name}/*.csv") for name in ("train", "eval")]
    return tfx.components.CsvExampleGen(input_base=str(arguments.data), input_config=tfx.proto.Input(splits=splits))


def scoring(arguments: argparse.Namespace) -> list:
    """Returns the nodes that score a table."""
    examples = example_gen(arguments)
    model = tfx.dsl.Importer(source_uri=str(arguments.scored_with), artifact_type=tfx.types.standard_artifacts.Model)
    inferrer = tfx.components.BulkInferrer(
        examples=examples.outputs["examples"],
        model=model.outputs["result"],
        model_spec=tfx.proto.ModelSpec(model_signature_name=["serving_examples"]),
    )
    return [examples, model.with_id("model"), inferrer]


def training(arguments: argparse.Namespace) -> list:
    """Returns the nodes of the whole pipeline, in order."""
    examples = example_gen(arguments)
    statistics = tfx.components.StatisticsGen(examples=examples.outputs["examples"])
    schema = tfx.components.ImportSchemaGen(schema_file=str(arguments.schema))
    validator = tfx.components.ExampleValidator(statistics=statistics.outputs["statistics"], schema=schema.outputs["schema"])
    transform = tfx.components.Transform(
        examples=examples.outputs["examples"], schema=schema.outputs["schema"], module_file=str(arguments.preprocessing)
    )
    trainer = tfx.components.Trainer(
        examples=transform.outputs["transformed_examples"],
        transform_graph=transform.outputs["transform_graph"],
        schema=schema.outputs["schema"],
        module_file=str(arguments.trainer),
    )
    resolver = tfx.dsl.Resolver(
        strategy_class=tfx.dsl.experimental.LatestBlessedModelStrategy,
        model=tfx.dsl.Channel(type=tfx.types.standard_artifacts.Model),
        model_blessing=tfx.dsl.Channel(type=tfx.types.standard_artifacts.ModelBlessing),
    ).with_id("latest_blessed_model")
    evaluator = tfx.components.Evaluator(
        examples=examples.outputs["examples"],
        model=trainer.outputs["model"],
        baseline_model=resolver.outputs["model"],
        schema=schema.outputs["schema"],
        eval_config=text_format.Parse(arguments.eval_config.read_text(encoding="utf-8"), tfma.EvalConfig()),
    )
    return [examples, statistics, schema, validator, transform, trainer, resolver, evaluator]


def read_training(store: MetadataStore) -> dict:
    """Returns what this run left in ML Metadata: seconds per step, the Evaluation, the verdict, whether there was a Baseline."""
    blessing = max(store.get_artifacts_by_type("ModelBlessing"), key=lambda artifact: artifact.id).custom_properties
    return {
        "steps": read_steps(store),
        "evaluation": max(store.get_artifacts_by_type("ModelEvaluation"), key=lambda artifact: artifact.id).uri,
        "blessed": blessing["blessed"].int_value == 1,
        "baseline": "baseline_model_id" in blessing,
    }


def read_scoring(store: MetadataStore) -> dict:
    """Returns what a run with BulkInferrer left: seconds per step, the number of scored rows, and the mean of the scores."""
    (result,) = store.get_artifacts_by_type("InferenceResult")
    files = tf.data.TFRecordDataset(tf.io.gfile.glob(f"{result.uri}/*.gz"), compression_type="GZIP")
    logs = map(prediction_log_pb2.PredictionLog.FromString, files.as_numpy_iterator())
    scores = [log.predict_log.response.outputs["probabilities"].float_val[0] for log in logs]
    return {"steps": read_steps(store), "rows": len(scores), "mean": sum(scores) / len(scores)}


def read_steps(store: MetadataStore) -> dict[str, float]:
    """Returns the seconds that each step of this run took."""
    names = {kind.id: kind.name.split(".")[-1] for kind in store.get_execution_types()}
    steps = [execution for execution in store.get_executions() if execution.create_time_since_epoch > _STARTED * 1000]
    return {names[step.type_id]: (step.last_update_time_since_epoch - step.create_time_since_epoch) / 1000 for step in steps}


if __name__ == "__main__":
    main()
