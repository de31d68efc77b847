"""The rules, one function each: its name, where it matters, why (the docstring), and how it is seen."""

from . import file, placeholders, text, size, images, parameters, artifacts, resources, control, gates, caching, platform  # noqa: F401, I001 - the order of docs/lint.md
