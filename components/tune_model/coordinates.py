"""A search as parallel coordinates: a line per trial through its values to its score."""

import io
import re
from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

# Of the colors from dark to light, the lightest cannot be seen on white.
_LIGHTEST = 0.85
_LONGEST_NAME, _LONGEST_LABEL = 30, 12
# Names that have more together do not fit side by side.
_MOST_CHARACTERS = 100
_AXES, _TEXT = "#5c6b7a", "#1d2733"
_LABEL = {
    "textcoords": "offset points",
    "va": "center",
    "fontsize": 8,
    "bbox": {"facecolor": "white", "alpha": 0.8, "linewidth": 0, "pad": 0.5},
}


def draw(names: Sequence[str], labels: Sequence[dict[float, str]], values: np.ndarray, ranks: np.ndarray, best: int) -> Markup:
    """Draws them as inline SVG, the better the darker.

    Args:
        names: The axes.
        labels: What stands at a height of each axis, from 0 to 1.
        values: The height of each trial on each axis, [trials, axes].
        ranks: Each trial's rank, [trials], from 0; equals share one.
        best: The trial that has the thick line.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    shades = mpl.colormaps["viridis"](_LIGHTEST * ranks / max(1, ranks.max()))
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "penstock", "font.family": "sans-serif", "text.color": _TEXT}):
        drawing = Figure(figsize=(11.25, 3.6), layout="constrained")
        axes = drawing.subplots()
        for axis, marks in enumerate(labels):
            axes.axvline(axis, color=_AXES, linewidth=1)
            for height, label in marks.items():
                axes.annotate(_short(label, _LONGEST_LABEL), (axis, height), (5, 0), zorder=5, **_LABEL)
        for trial in np.argsort(-ranks, kind="stable"):
            axes.plot(values[trial], color=shades[trial], linewidth=2.5 if trial == best else 1, zorder=3 if trial == best else 2)
        axes.set_xlim(-0.1, len(names) - 0.5)
        axes.set_ylim(-0.05, 1.05)
        shown = [_short(name, _LONGEST_NAME) for name in names]
        turned = {"rotation": 25, "ha": "right", "rotation_mode": "anchor"} if sum(map(len, shown)) > _MOST_CHARACTERS else {}
        axes.set_xticks(range(len(names)), shown, color=_TEXT, **turned)
        axes.set_yticks([])
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        text = io.StringIO()
        drawing.savefig(text, format="svg", metadata={"Date": None}, transparent=True)
    return Markup(re.sub(r"^.*?(?=<svg)", "", text.getvalue(), flags=re.DOTALL))  # noqa: S704 - matplotlib escapes the names


def _short(text: str, longest: int) -> str:
    """Leaves out the middle of a text: names often differ at their end."""
    half = longest // 2
    return text if len(text) <= longest else f"{text[:half]}…{text[-half:]}"
