"""The peer: the flights' pipeline as a TFX user would write it, on LocalDagRunner. Runs in the benchmark's TFX environment.

Every step of Penstock's pipeline that TFX has, up to the blessing; no Pusher. The first run finds no blessed model; a second
one with the same root compares with the first one's.
"""

import time

_STARTED = time.time()

import argparse  # noqa: E402 - the clock starts before the imports
import json  # noqa: E402
from pathlib import Path  # noqa: E402

import keras  # noqa: E402
import tensorflow_model_analysis as tfma  # noqa: E402
from google.protobuf import text_format  # noqa: E402
from ml_metadata.metadata_store import MetadataStore  # noqa: E402
from tfx import v1 as tfx  # noqa: E402

_IMPORTED = time.time()

# DirectRunner would first try to download another runner; this is the one that it falls back to.
RUNNER = "--runner=apache_beam.runners.portability.fn_api_runner.FnApiRunner"


def main() -> None:
    """Runs the pipeline and writes what each step took to `<root>/record.json`, in seconds."""
    parser = argparse.ArgumentParser(description="Runs the flights' pipeline on TFX's LocalDagRunner.")
    for name in ("data", "root", "preprocessing", "trainer", "schema", "eval-config"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--seed", type=int, required=True, help="of Keras: the first model must be one that is blessed")
    parser.add_argument("--workers", type=int, default=1, help="Beam's worker processes; 1: in this process, which is TFX's default")
    arguments = parser.parse_args()
    keras.utils.set_random_seed(arguments.seed)
    mode = "multi_processing" if arguments.workers > 1 else "in_memory"
    metadata = tfx.orchestration.metadata.sqlite_metadata_connection_config(str(arguments.root / "metadata.db"))
    pipeline = tfx.dsl.Pipeline(
        pipeline_name="flight-delay",
        pipeline_root=str(arguments.root / "artifacts"),
        components=components(arguments),
        metadata_connection_config=metadata,
        beam_pipeline_args=[RUNNER, f"--direct_running_mode={mode}", f"--direct_num_workers={arguments.workers}"],
        enable_cache=False,
    )
    tfx.orchestration.LocalDagRunner().run(pipeline)
    record = {"imports": _IMPORTED - _STARTED} | read_metadata(MetadataStore(metadata))
    (arguments.root / "record.json").write_text(json.dumps(record, indent=1))


def components(arguments: argparse.Namespace) -> list:
    """Returns the pipeline's nodes in order."""
    splits = [tfx.proto.Input.Split(name=name, pattern=f"{name}/*.csv") for name in ("train", "eval")]
    examples = tfx.components.CsvExampleGen(input_base=str(arguments.data), input_config=tfx.proto.Input(splits=splits))
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


def read_metadata(store: MetadataStore) -> dict:
    """Returns what this run left in ML Metadata: seconds per step, the Evaluation, the verdict, whether there was a Baseline."""
    names = {kind.id: kind.name.split(".")[-1] for kind in store.get_execution_types()}
    steps = [execution for execution in store.get_executions() if execution.create_time_since_epoch > _STARTED * 1000]
    blessing = max(store.get_artifacts_by_type("ModelBlessing"), key=lambda artifact: artifact.id).custom_properties
    return {
        "steps": {names[step.type_id]: (step.last_update_time_since_epoch - step.create_time_since_epoch) / 1000 for step in steps},
        "evaluation": max(store.get_artifacts_by_type("ModelEvaluation"), key=lambda artifact: artifact.id).uri,
        "blessed": blessing["blessed"].int_value == 1,
        "baseline": "baseline_model_id" in blessing,
    }


if __name__ == "__main__":
    main()
