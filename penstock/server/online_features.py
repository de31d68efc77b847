"""Adds features from an online store to requests: what a model takes, a row lacks, and a feature service has for the row's keys.

The keys are fields of the request. Rows that have all features need none.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf
from kserve.errors import InvalidInput

from penstock.components.evidence.answers import map_leaves
from penstock.components.protocol.errors import TaskError
from penstock.components.release.feature_service import DEFAULTS, FeatureService

from .feature_client import MISFIT, NO_DEFAULT, FeatureClient, FeaturesUnavailable, StoreAway, Values
from .json_rows import to_column
from .row_keys import keys_of_arrays, keys_of_rows
from .saved_model import Arrays, SavedModel, count_rows, some

# How Feast writes a float that is not a number. It is missing, as it is in a client's row.
_NAN = "NaN"


@dataclass(frozen=True)
class Fetched:
    """What came from the feature service for the rows of a request that lack features.

    Attributes:
        service: The feature service.
        rows: The numbers of these rows.
        keys: A value for each of them, by join key.
        values: A value for each of them, by feature; None where the store is away and defaults stand for what the rows lack.
        away: Why it is away.
    """

    service: FeatureService
    rows: Sequence[int]
    keys: Values
    values: Values | None
    away: str = ""

    def fill_rows(self, instances: Any, model: SavedModel) -> Any:
        """Returns the `instances` of a V1 request as a model takes them.

        Raises:
            InvalidInput: A row lacks a feature that the service does not have, or for which it has no value.
            FeaturesUnavailable: A feature has no default, or the values do not fit the model.
        """
        hidden = self._hidden(model)
        rows = [_without(row, hidden) for row in instances] if hidden and isinstance(instances, list) else instances
        lacking = set[str]().union(*(model.inputs.keys() - instances[number].keys() for number in self.rows))
        if not lacking:
            return rows
        rows, (columns, _) = [*rows], self._given(lacking, model)
        for position, number in enumerate(self.rows):
            rows[number] = {name: values[position] for name, values in columns.items()} | rows[number]
        return rows

    def fill_arrays(self, arrays: Arrays, model: SavedModel) -> Arrays:
        """Returns the tensors of a V2 request as a model takes them.

        Raises:
            InvalidInput: They lack a feature that the service does not have, or for which it has no value.
            FeaturesUnavailable: A feature has no default, or the values do not fit the model.
        """
        lacking = model.inputs.keys() - arrays.keys() if self.rows else ()
        return _without(arrays, self._hidden(model)) | self._given(lacking, model)[1]

    def logged(self, instances: list[Any], model: SavedModel) -> list[dict[str, Any]]:
        """Returns the fields of the prediction log that say what the model got, for each row.

        Args:
            instances: The rows as they were asked, with their keys.
            model: The model that answered.
        """
        fields: list[dict[str, Any]] = [{"instance": instance} for instance in instances]
        known = model.defaults if self.values is None else self.values
        columns = {name: self._stored(name, model) for name in model.inputs.keys() & known.keys()}
        about = {"features_defaulted": True} if self.values is None else {}
        for position, number in enumerate(self.rows):
            added = {name: values[position] for name, values in columns.items() if name not in instances[number]}
            fetched = [] if self.values is None else sorted(added)
            keys = {field: values[position] for field, values in self.keys.items()}
            fields[number] = {"instance": instances[number] | keys | added, "fetched": fetched} | about
        return fields

    def _hidden(self, model: SavedModel) -> set[str]:
        """Returns the keys that the model does not take."""
        return set(self.service.keys) - model.inputs.keys()

    def _given(self, lacking: Iterable[str], model: SavedModel) -> tuple[Values, Arrays]:
        """Returns what a model gets for the features that rows lack, as JSON values and as arrays."""
        columns = {name: self._filled(name, model) for name in sorted(lacking)}
        try:
            return columns, {name: to_column(name, values, model.inputs[name]) for name, values in columns.items()}
        except InvalidInput as misfit:
            raise FeaturesUnavailable(MISFIT, f"feature service {self.service.name!r} does not fit the model: {misfit.reason}") from misfit

    def _filled(self, name: str, model: SavedModel) -> list[Any]:
        """Returns a feature's values, with the default, on which the model was trained, where one is missing."""
        service, default = self.service.name, model.defaults.get(name)
        if self.values is None and default is None:
            raise FeaturesUnavailable(NO_DEFAULT, f"{self.away}, and the model has no default for {name!r}")
        if self.values is not None and name not in self.values:
            raise InvalidInput(
                f"missing feature: {name}; feature service {service!r} does not have it either (it has: {some(self.values)})"
            )
        values = self._stored(name, model)
        if default is not None:
            return [default if value is None else value for value in values]
        if None in values and not model.inputs[name].dtype.is_floating:
            number = self.rows[values.index(None)]
            raise InvalidInput(f"feature {name!r} of instance {number} must be sent: feature service {service!r} has no value for its keys")
        return values

    def _stored(self, name: str, model: SavedModel) -> list[Any]:
        """Returns a feature's values in the store, None where one is missing, or the default where the store is away."""
        if self.values is None:
            return [model.defaults[name]] * len(self.rows)
        kind = model.inputs[name].dtype
        try:
            return [map_leaves(value, lambda leaf: _as_json(leaf, kind)) for value in self.values[name]]
        except RecursionError as error:
            raise FeaturesUnavailable(
                MISFIT, f"feature service {self.service.name!r} does not fit the model: {name!r} has lists in too many lists"
            ) from error


class OnlineFeatures:
    """Asks a feature service for what requests lack. Use it as an asynchronous context manager.

    Args:
        service: The feature service.
    """

    def __init__(self, service: FeatureService) -> None:
        self._service, self._client = service, FeatureClient(service)

    async def __aenter__(self) -> "OnlineFeatures":
        """Begins."""
        await self._client.__aenter__()
        return self

    async def __aexit__(self, *problem: Any) -> None:
        """Closes the connections to the feature server."""
        await self._client.__aexit__(*problem)

    def takes(self, field: str) -> bool:
        """Tells whether a field is one of the keys."""
        return field in self._service.keys

    def require_defaults(self, model: SavedModel) -> None:
        """Makes sure that a model has defaults if they are to stand for features.

        Raises:
            TaskError: It has none.
        """
        if self._service.when_away == DEFAULTS and not model.defaults:
            raise TaskError(
                "feature_service has when_away=defaults, but the model has no defaults; give the features a default_value in the Schema's "
                "tensor_representation_group and train the model again, or use when_away=fail"
            )

    async def fetch_for_rows(self, instances: Any, models: Sequence[SavedModel]) -> Fetched:
        """Asks for what the `instances` of a V1 request lack of what any of some models takes.

        Raises:
            InvalidInput: A row lacks features and a key, or a key is neither text nor a whole number.
            FeaturesUnavailable: There are no features, and no defaults are to stand for them.
        """
        taken = _taken(models)
        listed = instances if isinstance(instances, list) else []
        rows = [number for number, row in enumerate(listed) if _is_named(row) and not taken <= row.keys()]
        asking = [instances[number] for number in rows]
        keys = {field: keys_of_rows(asking, field, is_input=True) for field in self._service.keys}
        for field, values in keys.items():
            if None in values:
                number = rows[values.index(None)]
                raise _missing_key(f"{field} in instance {number}", taken - instances[number].keys())
        return await self._fetch(rows, keys)

    async def fetch_for_arrays(self, arrays: Arrays, models: Sequence[SavedModel]) -> Fetched:
        """Asks for what the tensors of a V2 request lack of what any of some models takes.

        Raises:
            InvalidInput: They lack features and a key, or a key is neither text nor a whole number.
            FeaturesUnavailable: There are no features, and no defaults are to stand for them.
        """
        lacking = _taken(models) - arrays.keys()
        rows = range(count_rows(arrays) if lacking else 0)
        if missing := [field for field in self._service.keys if rows and field not in arrays]:
            raise _missing_key(missing[0], lacking)
        keys = {field: keys_of_arrays(arrays, field, is_input=True) for field in self._service.keys if rows}
        return await self._fetch(rows, keys)

    async def _fetch(self, rows: Sequence[int], keys: Values) -> Fetched:
        try:
            values = await self._client.fetch(keys, len(rows)) if rows else {}
        except StoreAway as away:
            if self._service.when_away != DEFAULTS:
                raise
            return Fetched(self._service, rows, keys, None, away.reason)
        return Fetched(self._service, rows, keys, values)


def _is_named(row: Any) -> bool:
    """Tells whether a row has fields; the value of a model's only input may stand alone."""
    return isinstance(row, dict) and row.keys() != {"b64"}


def _taken(models: Sequence[SavedModel]) -> set[str]:
    """Returns the features that any of the models takes."""
    return set[str]().union(*(model.inputs for model in models))


def _missing_key(key: str, lacking: set[str]) -> InvalidInput:
    return InvalidInput(f"missing key: {key}; send it, or the features themselves: {some(lacking)}")


def _without(row: Any, fields: set[str]) -> Any:
    return {name: value for name, value in row.items() if name not in fields} if isinstance(row, dict) else row


def _as_json(value: Any, kind: tf.DType) -> Any:
    """Returns a value of Feast's answer as JSON of an input's type; booleans are 0 and 1 where they were trained on as such."""
    if kind.is_floating and value == _NAN:
        return None
    return int(value) if type(value) is bool and kind.is_integer else value
