"""What a model server and monitor_model have shown, as series for promtool. Tests of both compare the recordings with what they show now.

`server.prom` is the answer of `/metrics` after good, wrong and failing requests, `monitoring.prom` a file of monitor_model's.
"""

import re
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent / "recorded"
FINGERPRINT, CANARY = "9d1d" * 16, "ca7a" * 16
_SAMPLE = re.compile(r"^(penstock_\w+)(?:\{(.*)\})? (\S+)$", re.MULTILINE)
_GROWS = re.compile(r"_(total|bucket|count|sum)$")


def shape(text: str) -> set[tuple[str, ...]]:
    """Returns the name of each metric with the names of its labels."""
    return {(name, *sorted(re.findall(r'(\w+)="', labels))) for name, labels, _ in _SAMPLE.findall(text)}


def recorded(name: str) -> set[tuple[str, ...]]:
    """Returns the shape of a recording."""
    return shape((HERE / name).read_text())


def names() -> set[str]:
    """Returns the names of the recorded metrics."""
    return {name for file in HERE.iterdir() for name, *_ in recorded(file.name)}


def series() -> list[dict[str, str]]:
    """Returns the series: of a version, of its canary, and of a candidate on a local:// destination."""
    return [{"series": each, "values": values} for each, values in dict(_series()).items()]


def _series() -> Iterator[tuple[str, str]]:
    for file, instance in (("server.prom", "server-0"), ("monitoring.prom", f"flights/{FINGERPRINT}")):
        for name, labels, value in _SAMPLE.findall((HERE / file).read_text()):
            values = f"0+{value}x30" if _GROWS.search(name) else f"{value}x30"
            for others in ((), ((FINGERPRINT, CANARY), ('version="3"', 'version="4"')), (('"flights"', '"flights@candidate"'),)):
                changed = labels
                for old, new in others:
                    changed = changed.replace(old, new)
                yield f'{name}{{{changed}{"," if changed else ""}instance="{instance}"}}', values
