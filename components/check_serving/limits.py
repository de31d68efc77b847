"""The limits of a serving check, and their comparison with the measured values."""

from typing import Any

from penstock.components.protocol import TaskError

from .measuring import Measured

OF_A_SERVER = ("start_seconds", "memory_mb")
OF_A_PROTOCOL = ("p50_ms", "p95_ms", "p99_ms", "requests_per_second")
AT_LEAST = ("requests_per_second",)


def check_limits(limits: dict[str, Any]) -> None:
    """Refuses limits that nothing is measured for.

    Raises:
        TaskError: A name is unknown, or a value is not a number above 0.
    """
    known = (*OF_A_SERVER, *OF_A_PROTOCOL)
    for name, value in limits.items():
        if name not in known:
            raise TaskError(f"limits has {name!r}, which is unknown; give {', '.join(known)}")
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
            raise TaskError(f"limits has {name} = {value!r}; give a number above 0")


def measured_limits(limits: dict[str, float], servers: list[Measured]) -> list[dict[str, Any]]:
    """Compares every limit with what was measured in each server, and through each protocol.

    Returns:
        `limit`, `server`, `protocol` (empty where it is the server's), `allowed`, `measured` (null if it could not be), `passed`.
    """
    found = []
    for name, allowed in limits.items():
        for server in servers:
            for protocol, measured in _values(name, server):
                passed = measured is not None and (measured >= allowed if name in AT_LEAST else measured <= allowed)
                entry = {"limit": name, "server": server.name, "protocol": protocol}
                found.append(entry | {"allowed": allowed, "measured": measured, "passed": passed})
    return found


def all_measured(servers: list[Measured]) -> dict[str, float]:
    """Names every value that was measured, such as `p99_ms (penstock v1)`."""
    named = {
        f"{name} ({' '.join(filter(None, (server.name, protocol)))})": value
        for server in servers
        for name in (*OF_A_SERVER, *OF_A_PROTOCOL)
        for protocol, value in _values(name, server)
    }
    return {name: value for name, value in named.items() if value is not None}


def broken_limit(entry: dict[str, Any]) -> str:
    """Says which limit is broken, and by how much."""
    where = f"{entry['server']} {entry['protocol']}".strip()
    if entry["measured"] is None:
        return f"{where}: {entry['limit']} could not be measured"
    bound = "below the minimum of" if entry["limit"] in AT_LEAST else "above the maximum of"
    return f"{where}: {entry['limit']} is {entry['measured']:.4g}, {bound} {entry['allowed']:g}"


def _values(name: str, server: Measured) -> list[tuple[str, float | None]]:
    if name in OF_A_SERVER:
        return [("", getattr(server, name))]
    return [(one.protocol, getattr(one.load, name)) for one in server.protocols]
