"""What made a version, as the registry's tags have it."""

from dataclasses import dataclass, field, fields
from typing import Any

from penstock.components.data.stored import SCHEMA, check_schema

_SCHEMA = "penstock_schema"
# What has names of its own, and what its tags have in front.
_PREFIXES = {"source": "source.", "metrics": "metric.", "measured": "check."}


@dataclass(frozen=True)
class Lineage:
    """Why a version may be released, and what it was made from. Nothing known is an empty text.

    Attributes:
        run: The run that trained it, as `runs:/ID`.
        data_fingerprint: The fingerprint of the Examples that it was evaluated on.
        data_uri: Their URI.
        data_span: Their span.
        baseline_version: The version that it was compared with.
        baseline_fingerprint: That version's fingerprint.
        blessing: The Evaluation's verdict.
        serving_check: The serving check's verdict.
        penstock_version: The version of Penstock that registered it.
        reason: Why it was trained, such as `drifted`.
        source: The version of the table or of the files that they were read from, and which of its rows: `uri`, and what the
            format calls a version.
        metrics: The Evaluation's figures by name.
        measured: The serving check's figures by name.
    """

    run: str = ""
    data_fingerprint: str = ""
    data_uri: str = ""
    data_span: str = ""
    baseline_version: str = ""
    baseline_fingerprint: str = ""
    blessing: str = ""
    serving_check: str = ""
    penstock_version: str = ""
    reason: str = ""
    source: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, str] = field(default_factory=dict)
    measured: dict[str, str] = field(default_factory=dict)

    def tags(self) -> dict[str, str]:
        """Returns the tags that say this; a figure's has its kind in front, such as `metric.auc`."""
        plain = {name: str(getattr(self, name)) for name in _plain()}
        named = {f"{prefix}{key}": str(value) for name, prefix in _PREFIXES.items() for key, value in getattr(self, name).items()}
        return plain | {_SCHEMA: str(SCHEMA)} | named

    @classmethod
    def from_tags(cls, tags: dict[str, str]) -> "Lineage":
        """Reads what `tags` returned.

        Raises:
            TaskError: A newer version of Penstock has registered the version in a way that this one does not know.
        """
        schema = tags.get(_SCHEMA, str(SCHEMA))
        check_schema(int(schema) if schema.isdecimal() else schema, f"the registry's tag {_SCHEMA}", "register the model again")
        found: dict[str, Any] = {name: tags.get(name, "") for name in _plain()}
        return cls(**found | {name: _starting(prefix, tags) for name, prefix in _PREFIXES.items()})


def _plain() -> list[str]:
    return [item.name for item in fields(Lineage) if item.name not in _PREFIXES]


def _starting(prefix: str, tags: dict[str, str]) -> dict[str, str]:
    return {name.removeprefix(prefix): value for name, value in tags.items() if name.startswith(prefix)}
