"""The limits of a server: for a request, for all requests together, and for the machine."""

import argparse
import resource
from dataclasses import dataclass

_KIB, _MIB = 2**10, 2**20
# File descriptors beside the connections: the model's files, the log, and what has been accepted and not been looked at yet.
_OTHER_FILES, BACKLOG = 96, 512


@dataclass(frozen=True)
class Limits:
    """The limits; whatever is beyond them is refused before it costs much.

    Attributes:
        max_body: The bytes of a request's body, or of a gRPC message.
        max_pending: The bytes of all larger bodies that are being read or answered at the same time.
        max_rows: The rows of a request.
        max_nesting: How deep the values of a request are nested.
        max_header: The bytes of a request's URL and headers.
        request_timeout: In how many seconds a request must have come, and its answer must have been taken.
        max_connections: How many connections each port has.
    """

    max_body: int
    max_pending: int
    max_rows: int
    max_nesting: int
    max_header: int
    request_timeout: float
    max_connections: int

    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        """Adds the options."""
        options: list[tuple[str, type, float, str]] = [
            ("--max_body_mib", float, 8, "reject a larger body or gRPC message"),
            ("--max_pending_mib", float, 64, "reject large bodies while this much is in progress"),
            ("--max_rows", int, 10_000, "reject a request with more rows"),
            ("--max_nesting", int, 32, "reject a request with deeper nesting"),
            ("--max_header_kib", float, 32, "reject a larger URL with headers"),
            ("--request_timeout_seconds", float, 30, "reject a request that takes longer to arrive"),
            ("--max_connections", int, 512, "close who has waited longest when more connect, on each port"),
        ]
        for name, kind, default, text in options:
            parser.add_argument(name, type=kind, default=default, help=f"{text} (default: {default})")

    @classmethod
    def from_arguments(cls, given: argparse.Namespace, parser: argparse.ArgumentParser) -> "Limits":
        """Reads the options.

        Raises:
            SystemExit: One is not above 0.
        """
        limits = cls(
            max_body=int(given.max_body_mib * _MIB),
            max_pending=int(given.max_pending_mib * _MIB),
            max_rows=given.max_rows,
            max_nesting=given.max_nesting,
            max_header=int(given.max_header_kib * _KIB),
            request_timeout=given.request_timeout_seconds,
            max_connections=given.max_connections,
        )
        if not all(value > 0 for value in vars(limits).values()):
            parser.error("every limit must be above 0")
        if limits.max_pending < limits.max_body:
            parser.error("--max_pending_mib must be at least --max_body_mib")
        return limits


def allowed_connections(wanted: int, ports: int) -> int:
    """Returns how many connections each port may have, so that file descriptors never run out; raises this process's limit first.

    Args:
        wanted: How many it should have.
        ports: How many ports there are.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = ports * (wanted + BACKLOG) + _OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return wanted
    return max((soft - _OTHER_FILES) // ports - BACKLOG, (soft - _OTHER_FILES) // (2 * ports), 1)
