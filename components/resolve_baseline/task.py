"""Finds the Baseline: the registered model that the alias points to."""

from typing import NamedTuple

from penstock.components.evidence.baseline import NO_BASELINE
from penstock.components.protocol import Input, Output, TaskError, figure
from penstock.components.release.registry import BrokenVersion, RegisteredVersion, Registry, fetch_version, open_registry

# The same bytes and metadata for every reason, so that later tasks can be cached.
_NONE = "no registered model to compare with"


class Outputs(NamedTuple):
    """The output parameters of resolve_baseline."""

    version: str


def resolve_baseline(
    baseline: Output,
    model_name: str,
    candidate: Input | None = None,
    alias: str = "champion",
    on_broken_baseline: str = "fail",
    tracking_uri: str = "",
    registry_uri: str = "",
) -> Outputs:
    """Copies the Baseline's SavedModel, or records that there is none; see the interface for the parameters.

    Raises:
        TaskError: The candidate is not there, the Baseline's files are gone or changed and that is not to be ignored, or the registry cannot be asked.
    """
    if on_broken_baseline not in ("fail", "ignore"):
        raise TaskError(f"on_broken_baseline must be 'fail' or 'ignore', not {on_broken_baseline!r}")
    if candidate is not None:
        candidate.require_written()
    try:
        version, reason = _find(open_registry(model_name, tracking_uri, registry_uri), candidate, alias)
        if version is None:
            return _none(baseline, _NONE, reason)
        fetch_version(version, baseline.path)
    except BrokenVersion as error:
        if on_broken_baseline == "fail":
            raise TaskError(
                f"the Baseline of {model_name} is broken: {error}; restore it, move the alias {alias}, or set on_broken_baseline=ignore"
            ) from error
        broken = f"the Baseline is broken: {error}"
        return _none(baseline, broken, broken)
    baseline.metadata |= {"version": version.version, "source": version.source}
    figure(f"Baseline v{version.version}: {reason}")
    return Outputs(version.version)


def _find(registry: Registry, candidate: Input | None, alias: str) -> tuple[RegisteredVersion | None, str]:
    """Returns the version to compare with, or None, and why."""
    number = registry.aliases().get(alias)
    if number is None:
        return None, f"no version has the alias {alias}"
    version = _version(registry, number)
    if candidate is None or version.fingerprint != candidate.fingerprint:
        return version, f"version {number} has the alias {alias}"
    # A model is not compared with itself but with what it was blessed against, so that the same run gives the same answer.
    blessed_against = registry.lineage(number).baseline_version
    if not blessed_against:
        return None, f"version {number} is the candidate itself, and was blessed without a Baseline"
    return _version(registry, blessed_against), f"version {number} is the candidate itself, and was blessed against this one"


def _version(registry: Registry, number: str) -> RegisteredVersion:
    version = registry.version(number)
    if version is None:
        raise BrokenVersion(f"version {number} is no longer in the registry")
    return version


def _none(baseline: Output, reason: str, details: str) -> Outputs:
    baseline.path.mkdir(parents=True, exist_ok=True)
    (baseline.path / NO_BASELINE).write_text(f"There is no Baseline: {_NONE}.\n", encoding="utf-8")
    baseline.metadata |= {"version": "", "reason": reason}
    figure(f"no Baseline: {details}")
    return Outputs("")
