"""Features at the times of rows, through the component's command and Feast itself."""

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from penstock.components.data import pack_module, read_module
from penstock.components.data.examples import SplitWriter
from penstock.components.data.user_module import REPOSITORY_SUFFIXES

from ..feature_repositories import DEFINITIONS, SETTINGS, at, make_repository

NAME = "retrieve_features"
SCHEMA = pa.schema([("tail", pa.string()), ("origin", pa.string()), ("departure", pa.int64()), ("flight", pa.int64())])
# the tail, the origin and the time of each flight, and what was known then
FLIGHTS = [
    ("N1", "JFK", at(2, 9), 5, 1.5),
    ("N1", "JFK", at(3, 0), 7, 2.5),
    ("N1", "JFK", at(4, 12), None, 2.5),  # the correction was not known, and the rest is older than the TTL of two days
    ("N2", "LGA", at(1, 12), -3, None),
    ("N3", None, at(3, 0), None, None),
    ("N1", "JFK", at(3, 0), 7, 2.5),  # the same keys and time again
]


@pytest.fixture
def repository(tmp_path):
    return make_repository(tmp_path / "features")


@pytest.fixture
def examples(tmp_path):
    """The flights in two Splits."""
    rows = [
        {"tail": tail, "origin": origin, "departure": int(time.timestamp()), "flight": number}
        for number, (tail, origin, time, *_) in enumerate(FLIGHTS)
    ]
    for split, chosen in (("train", rows[:4]), ("eval", rows[4:])):
        with SplitWriter(tmp_path / "examples", split, SCHEMA) as writer:
            writer.write(pa.Table.from_pylist(chosen, SCHEMA))
    return tmp_path / "examples", {"format": "parquet", "span": 7, "version": 0, "source": {"uri": "delta://flights?version=3"}}


@pytest.fixture
def retrieve(run_task, repository, examples):
    def run(given=examples, **parameters):
        defaults = {"feature_repository": str(repository), "feature_service": "flights", "timestamp_column": "departure"}
        return run_task(NAME, defaults | parameters, {"examples": given})

    return run


@pytest.fixture
def fail(retrieve):
    """Runs the task and expects one line and nothing left behind; returns the line."""

    def run(**parameters):
        result = retrieve(**parameters)
        assert result.code == 1
        assert result.error.startswith("error: ")
        assert "\n" not in result.error
        assert not any(path.exists() for path in result.outputs.values())
        return result.error

    return run


def read(result, split):
    return pq.read_table(result.outputs["examples_with_features"] / f"Split-{split}")


def test_rows_get_what_was_known_at_their_time(retrieve, repository, examples):
    result = retrieve()
    assert result.code == 0, result.error
    assert result.parameters == {"rows": len(FLIGHTS)}
    for split, flights in (("train", FLIGHTS[:4]), ("eval", FLIGHTS[4:])):
        rows = read(result, split)
        assert rows.schema == pa.schema([*SCHEMA, ("delay", pa.int64()), ("wind", pa.float32())])
        assert rows.select(SCHEMA.names) == pq.read_table(examples[0] / f"Split-{split}"), "the rows themselves, in their order"
        assert rows["delay"].to_pylist() == [flight[3] for flight in flights]
        assert rows["wind"].to_pylist() == [flight[4] for flight in flights]
    metadata = result.metadata["examples_with_features"]
    assert metadata["splits"] == {"train": 4, "eval": 2}
    assert (metadata["rows"], metadata["span"], metadata["format"]) == (6, 7, "parquet")
    packed = retrieve(feature_repository=pack_module(str(repository), "feature_repository", REPOSITORY_SUFFIXES))
    assert packed.metadata["examples_with_features"] == metadata, "the same bytes, from the same definitions"


def test_a_late_correction_counts_only_if_asked_for(retrieve):
    """The flight of the 3rd: what was reported on the 5th of the 2nd is not known, as FLIGHTS says, unless the filter is off."""
    result = retrieve(filter_by_created_timestamp=False)
    assert result.code == 0, result.error
    assert read(result, "eval")["delay"].to_pylist() == [None, 70]


def test_lineage_names_the_definitions_and_the_tables(retrieve, repository, tmp_path):
    (repository / "registry.db").write_bytes(b"what changes without the definitions")
    source = retrieve().metadata["examples_with_features"]["source"]
    assert source["feature_repository"] == read_module(str(repository), suffixes=REPOSITORY_SUFFIXES).sha256
    assert source["uri"] == "delta://flights?version=3", "what the rows themselves are"
    assert source["feature_service"] == "flights"
    tables = source["feature_tables"]
    assert set(tables) == {str(tmp_path / "tables" / name) for name in ("delays.parquet", "weather.parquet")}
    assert all(version.startswith("sha256:") for version in tables.values())
    features = repository / "features.py"
    features.write_text(features.read_text().replace("days=2", "days=1"))
    changed = retrieve().metadata["examples_with_features"]["source"]
    assert changed["feature_repository"] != source["feature_repository"]
    assert changed["feature_tables"] == tables


def test_a_table_that_changes_while_it_is_read_is_an_error(fail, tmp_path, monkeypatch):
    table, write = tmp_path / "tables" / "delays.parquet", SplitWriter.write

    def change_and_write(self, batch):
        table.write_bytes(table.read_bytes())
        write(self, batch)

    monkeypatch.setattr(SplitWriter, "write", change_and_write)
    assert f"the table {table} changed while it was read; run the task again" in fail()


@pytest.mark.slow
def test_on_demand_features_are_computed_from_rows_and_features(retrieve, repository):
    text = """
from feast import RequestSource
from feast.on_demand_feature_view import on_demand_feature_view
from features import delays

row = RequestSource(name="row", schema=[Field(name="flight", dtype=Int32)])


@on_demand_feature_view(sources=[row, delays], schema=[Field(name="sum", dtype=Float64)], mode="pandas")
def added(inputs):
    return (inputs["flight"] + inputs["delay"]).astype("float64").to_frame("sum")


computed = FeatureService(name="computed", features=[added])
"""
    imports = "from feast import FeatureService, Field\nfrom feast.types import Float64, Int32\n"
    (repository / "on_demand.py").write_text(imports + text)
    result = retrieve(feature_service="computed")
    assert result.code == 0, result.error
    assert read(result, "train").column_names == [*SCHEMA.names, "sum"]
    assert read(result, "train")["sum"].to_pylist() == [5.0, 8.0, None, 0.0]


@pytest.mark.slow
def test_tables_in_a_bucket_give_the_same(retrieve, repository, tmp_path, bucket_elsewhere):
    files = fsspec.filesystem("s3")
    for name in ("delays.parquet", "weather.parquet"):
        files.put_file(str(tmp_path / "tables" / name), f"{bucket_elsewhere}/{name}")
    plain = retrieve().metadata["examples_with_features"]
    features = repository / "features.py"
    features.write_text(features.read_text().replace(str(tmp_path / "tables"), f"s3://{bucket_elsewhere}"))
    result = retrieve()
    assert result.code == 0, result.error
    metadata = result.metadata["examples_with_features"]
    assert metadata["fingerprint"] == plain["fingerprint"]
    assert metadata["source"]["feature_tables"][f"s3://{bucket_elsewhere}/delays.parquet"].startswith("etag:")


def test_a_lost_row_is_an_error(fail, repository):
    """A store that loses a row, as Feast's default one does."""
    losing = """
from feast.infra.offline_stores.duckdb import DuckDBOfflineStore
from feast.infra.offline_stores.ibis import IbisRetrievalJob

whole = IbisRetrievalJob._to_arrow_internal


class Losing(IbisRetrievalJob):
    def _to_arrow_internal(self, timeout=None):
        return whole(self, timeout).slice(1)


given = DuckDBOfflineStore.get_historical_features


def get_historical_features(*args, **kwargs):
    job = given(*args, **kwargs)
    job.__class__ = Losing
    return job


DuckDBOfflineStore.get_historical_features = staticmethod(get_historical_features)
"""
    from feast.infra.offline_stores.duckdb import DuckDBOfflineStore

    whole = DuckDBOfflineStore.get_historical_features
    (repository / "losing.py").write_text(losing)
    try:
        error = fail()
    finally:
        DuckDBOfflineStore.get_historical_features = staticmethod(whole)
    assert "Feast returned 1 rows for the 2 rows of Split 'eval'" in error


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"feature_service": "nothing"}, "no feature service 'nothing' (it has flights)"),
        ({"timestamp_column": "left"}, "no timestamp_column 'left' (it has: tail, origin, departure, flight)"),
        ({"timestamp_column": "tail"}, "timestamp_column 'tail' of Split 'eval' of the Examples is string, not int64 with Unix seconds"),
        ({"exclude_columns": ["x"]}, "exclude_columns names 'x', which is neither a column"),
        ({"feature_repository": "/nowhere"}, "feature_repository: cannot read '/nowhere'"),
    ],
    ids=["service", "time", "type", "exclude", "repository"],
)
def test_invalid_parameters_are_one_line(fail, parameters, expected):
    assert expected in fail(**parameters)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("{type: duckdb}", "{type: file}", "offline_store 'file'"),
        ("project: flights", "provider: local", "invalid feature_store.yaml"),
        ("offline_store", "[", "feature_store.yaml is no valid YAML"),
        ("delays.parquet", "none.parquet", "none.parquet"),
        ('weather.parquet"', 'weather", file_format=__import__("feast").data_format.DeltaFormat()', "view 'weather' reads a Delta table"),
        ('name="delay"', 'name="flight"', "already has a column 'flight'"),
        ("dtype=Int32", "dtype=Int31", "NameError: name 'Int31' is not defined (features.py, line 13)"),
    ],
    ids=["store", "settings", "yaml", "table", "delta", "column", "python"],
)
def test_an_invalid_repository_is_one_line(fail, repository, old, new, expected):
    for name, text in (("feature_store.yaml", SETTINGS), ("features.py", DEFINITIONS)):
        if old in text:
            file = repository / name
            file.write_text(file.read_text().replace(old, new))
    assert expected in fail()


def test_keys_can_be_left_out_and_names_can_be_full(retrieve):
    result = retrieve(full_feature_names=True, exclude_columns=["tail", "weather__wind"])
    assert read(result, "train").column_names == ["origin", "departure", "flight", "delays__delay"]


@pytest.mark.parametrize(
    ("names", "time", "expected"),
    [
        (["tail", "departure"], 1, "has no column 'origin', which the features need"),
        (SCHEMA.names, 1_793_700_000_000, "give Unix seconds, not milliseconds"),
        (SCHEMA.names, None, "1 rows of Split 'train' have no departure"),
    ],
    ids=["key", "milliseconds", "null"],
)
def test_invalid_examples_are_one_line(fail, tmp_path, names, time, expected):
    schema = pa.schema([SCHEMA.field(name) for name in names])
    with SplitWriter(tmp_path / "other", "train", schema) as writer:
        writer.write(pa.Table.from_pylist([{"tail": "N1", "departure": time}], schema))
    assert expected in fail(given=(tmp_path / "other", {}))
