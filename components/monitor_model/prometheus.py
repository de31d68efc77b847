"""The figures for Prometheus, in its text format: a file for node_exporter's textfile collector, or for a Pushgateway."""

from collections.abc import Iterator
from typing import Any

from penstock.components.evidence.feature_skew import KINDS
from penstock.components.evidence.monitoring import VERDICTS

from .skew import SKEWED

_Sample = tuple[dict[str, str], float | None]


def metrics_text(monitoring: dict[str, Any]) -> str:
    """Returns the text: https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format."""
    model = {"model_name": monitoring["model_name"], "fingerprint": monitoring["fingerprint"]}
    lines = []
    for name, described, samples in _families(monitoring, model):
        lines += [f"# HELP {name} {described}", f"# TYPE {name} gauge"]
        lines += [f"{name}{_labels(labels)} {float(value)!r}" for labels, value in samples if value is not None]
    return "\n".join(lines) + "\n"


def _families(monitoring: dict[str, Any], model: dict[str, str]) -> Iterator[tuple[str, str, list[_Sample]]]:
    features = monitoring["features"].items()
    samples: list[_Sample] = [(model | {"verdict": word}, float(word == monitoring["verdict"])) for word in VERDICTS]
    yield "penstock_monitoring_verdict", "1 for the latest verdict, 0 for the others.", samples
    yield "penstock_monitoring_time_seconds", "The time of the latest monitoring.", [(model, monitoring["timestamp"])]
    yield "penstock_monitoring_rows", "Rows of the window.", [(model, monitoring["rows"])]
    yield "penstock_monitoring_newest_row_seconds", "The time of the newest logged row.", [(model, monitoring["newest_timestamp"])]
    yield (
        "penstock_monitoring_drift",
        "The distance of a feature from the reference, by its configured measure.",
        [(model | {"feature": name, "measure": found["measure"]}, found["value"]) for name, found in features],
    )
    yield (
        "penstock_monitoring_drifted",
        "1 if a feature is above its threshold and above what chance explains.",
        [(model | {"feature": name}, float(found["status"] == "drifted")) for name, found in features],
    )
    yield (
        "penstock_monitoring_missing_share",
        "The share of rows without a value.",
        [(model | {"feature": name}, found["missing"]) for name, found in features],
    )
    skew = (monitoring["feature_skew"] or {}).get("features", {})
    yield (
        "penstock_monitoring_feature_skew",
        "The share of a feature's served values that differ from those that were known, by kind.",
        [
            (model | {"feature": name, "kind": kind}, found[kind] / found["rows"])
            for name, found in skew.items()
            if found["rows"]
            for kind in KINDS
        ],
    )
    yield (
        "penstock_monitoring_feature_skewed",
        "1 if more of a feature's served values differ than max_feature_skew.",
        [(model | {"feature": name}, float(found["status"] == SKEWED)) for name, found in skew.items()],
    )
    quality = (monitoring["quality"] or {}).get("metrics", {})
    yield (
        "penstock_monitoring_quality",
        "A metric of the EvalConfig on the rows with labels.",
        [(model | {"metric": name}, found["value"]) for name, found in quality.items()],
    )
    yield (
        "penstock_monitoring_labeled_share",
        "The share of rows with labels.",
        [(model, (monitoring["quality"] or {}).get("share"))],
    )
    if champion := monitoring["champion"]:
        labels = {name: champion[name] for name in ("fingerprint", "version")} | {"model_name": monitoring["model_name"]}
        yield (
            "penstock_champion_time_seconds",
            "When the registry last confirmed this version as the champion.",
            [(labels, champion["asked"])],
        )
        yield "penstock_champion_registered_time_seconds", "When the champion was registered.", [(labels, champion["registered"])]


def _labels(labels: dict[str, str]) -> str:
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
