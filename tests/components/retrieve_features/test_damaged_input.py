"""Damaged executor inputs, for the components of one family."""

from pathlib import Path

import pytest

from ..damaged import check_mutations, check_unwritten, input_of


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("component", ["retrieve_features", "materialize_features", "compare_features"])
def test_every_damaged_input_is_one_line(component: str, tmp_path: Path):
    check_mutations(f"penstock.components.{component}", input_of(component, tmp_path), tmp_path, 60)


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("component", ["retrieve_features"])
def test_a_missing_input_is_one_line(component: str, tmp_path: Path):
    check_unwritten(component, tmp_path)
