"""check_eval_config through its command: what evaluate_model would refuse is refused before there is a model."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from penstock.components.data.examples import SplitWriter

GOOD = 'model_specs { label_key: "late" } slicing_specs { feature_keys: "carrier" } metrics_specs { metrics { class_name: "AUC" } }'
TFX = GOOD.replace('label_key: "late"', 'label_key: "late_xf" preprocessing_function_names: "transform_features"')


@pytest.fixture
def check(run_task: Callable[..., Any], tmp_path: Path) -> Callable[..., Any]:
    def run(text: str, late: tuple[int, ...] = (0, 1), *, subprocess: bool = False) -> Any:
        table = pa.table({"late": pa.array(late, pa.int64()), "carrier": ["AA"] * len(late)})
        with SplitWriter(tmp_path / "examples", "eval", table.schema) as writer:
            writer.write(table)
        return run_task("check_eval_config", {"eval_config": text}, {"examples": tmp_path / "examples"}, subprocess=subprocess)

    return run


def test_what_evaluate_model_can_do_passes_in_its_own_process(check: Callable[..., Any]) -> None:
    result = check(GOOD, subprocess=True)
    assert result.code == 0, result.error


def test_what_a_preprocessing_function_makes_is_left_to_the_model(check: Callable[..., Any]) -> None:
    assert check(TFX).code == 0


@pytest.mark.parametrize(
    ("text", "late", "message"),
    [
        (
            GOOD.replace('"late"', '"lat"'),
            (0, 1),
            "names the column(s) lat, which Split 'eval' of the Examples lacks (it has: late, carrier)",
        ),
        (GOOD.replace('"carrier"', '"carier"'), (0, 1), "names the column(s) carier"),
        (GOOD.replace('"AUC"', '"AOC"'), (0, 1), "there is no metric 'AOC'; did you mean AUC"),
        (GOOD + "options { include_default_metrics { value: true } }", (0, 1), "include_default_metrics is not supported"),
        (GOOD, (1, 1), "the label late is 1 in all 2 rows"),
        (GOOD, (), "Split 'eval' of the Examples at"),
        (TFX, (), "is empty; provide rows to evaluate"),
    ],
)
def test_unsupported_settings_are_named(check: Callable[..., Any], text: str, late: tuple[int, ...], message: str) -> None:
    result = check(text, late)
    assert result.code == 1
    assert message in result.error
    assert "\n" not in result.error.strip()
