"""The HTML pages of gates: one self-contained file each, which loads nothing from a network."""

from pathlib import Path
from typing import Any

import jinja2

import penstock
from penstock.components.protocol.redacting import redact


def write_page(template: Path, destination: Path, **context: Any) -> None:
    """Renders a component's page.

    Args:
        template: A Jinja template that extends `page.html.j2` and fills its block `content`.
        destination: The HTML file to write.
        **context: What the template shows; `title` is needed. Values are escaped, and URIs among them redacted.
    """
    loader = jinja2.FileSystemLoader([template.parent, Path(__file__).parent])
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=_shown
    )
    page = environment.get_template(template.name).render(penstock_version=penstock.__version__, **context)
    destination.write_text(page, encoding="utf-8")


def number(value: float | None) -> str:
    """Returns a number as pages show it: four significant digits, whole from 10,000 on, a dash where it is unknown."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"


def _shown(value: Any) -> Any:
    return redact(value) if type(value) is str else value
