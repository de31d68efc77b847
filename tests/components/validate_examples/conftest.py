"""Examples to validate."""

import pyarrow as pa
import pytest

from penstock.components.data.examples import SplitWriter

from .tables import NAME, frame


@pytest.fixture
def examples(tmp_path):
    """Returns `make(name, **splits)`, which writes Examples of data frames or Arrow tables."""

    def make(name="examples", **splits):
        folder = tmp_path / name
        for split, rows in splits.items():
            table = rows if isinstance(rows, pa.Table) else pa.Table.from_pandas(rows, preserve_index=False)
            with SplitWriter(folder, split, table.schema) as writer:
                writer.write(table)
        return folder

    return make


@pytest.fixture
def validate(run_task):
    """Returns `run(folder, **parameters)`, which runs the task on Examples."""

    def run(folder, *, subprocess=False, **parameters):
        return run_task(NAME, parameters, {"examples": (folder, {"format": "parquet"})}, subprocess=subprocess)

    return run


@pytest.fixture
def schema_text(examples, validate):
    """The Schema of the table, as a person might have reviewed it."""
    result = validate(examples("for-schema", train=frame()))
    assert result.code == 0, result.error
    return (result.outputs["schema"] / "schema.pbtxt").read_text()
