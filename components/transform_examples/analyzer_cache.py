"""What analyzers found in a Span's Split, kept for later Spans: tf.Transform's analyzer cache, one dataset per Span and Split."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import apache_beam as beam
import tensorflow_transform.beam as tft_beam
from tensorflow_transform.beam import analysis_graph_builder
from tensorflow_transform.beam import analyzer_cache as tft_cache
from tfx_bsl.tfxio.tensor_adapter import TensorAdapter, TensorAdapterConfig

from penstock.components.data import stored
from penstock.components.data.beam import Engine
from penstock.components.data.filesystems import fetch_folder
from penstock.components.protocol import TaskError

_INDEX, _SHARED = "datasets.json", "analyzer_cache"
_DATASET = re.compile(r"span-\d+-(?P<split>.+)")


class AnalyzerCache:
    """A cache folder that is read, and extended in place.

    Format: `datasets.json` maps each dataset (`span-<span>-<split>`) to the fingerprint of the rows that were analyzed; beside
    it, tf.Transform's own files, one folder per dataset. Spans that the Examples do not hold count from the cache alone.
    """

    def __init__(self, folder: Path, span: int, fingerprints: dict[str, str]) -> None:
        """Opens a folder for some Splits of a Span; what the cache has of them is forgotten if their rows have changed.

        Args:
            folder: A folder from `start`.
            span: The Span.
            fingerprints: The fingerprint of each Split that is analyzed.
        """
        self._folder = folder
        self._keys = {split: tft_cache.DatasetKey(f"span-{span}-{split}") for split in fingerprints}
        present = {self._keys[split].key: fingerprint for split, fingerprint in fingerprints.items()}
        known = _index(folder)
        for name in [name for name in known if present.get(name, known[name]) != known[name]]:
            shutil.rmtree(folder / name)
            del known[name]
        earlier = {name for name in known if name not in present and (found := _DATASET.fullmatch(name)) and found["split"] in fingerprints}
        self._datasets = {*self._keys.values(), *map(tft_cache.DatasetKey, earlier)}
        self._cache: tft_cache.BeamAnalysisCache = {}
        (folder / _INDEX).write_text(stored.dump(known | present, indent=1, sort_keys=True))

    @staticmethod
    def start(folder: Path, earlier: str) -> None:
        """Makes a cache folder: an empty one, or a copy of an earlier one.

        Args:
            folder: The folder to make.
            earlier: Path or URI of an earlier cache, or empty.

        Raises:
            TaskError: There is no analyzer cache at `earlier`.
        """
        folder.mkdir(parents=True, exist_ok=True)
        if not earlier:
            (folder / _INDEX).write_text(stored.dump({}))
            return
        try:
            fetch_folder(earlier, folder)
            _index(folder)
        except (OSError, ValueError, ImportError, stored.Malformed) as error:
            raise TaskError(
                f"analyzer_cache: {earlier} is not an analyzer cache ({error}); give an earlier updated_analyzer_cache, or leave it empty"
            ) from error

    def splits_to_read(self, engine: Engine, pipeline: beam.Pipeline, preprocessing_fn: Callable, config: TensorAdapterConfig) -> set[str]:
        """Returns the Splits whose rows the analysis needs.

        Raises:
            TaskError: It needs rows of an earlier Span.
        """
        self._shared = engine.share(self._folder, _SHARED)
        self._cache = pipeline | "ReadCache" >> tft_cache.ReadAnalysisCacheFromFS(self._shared, self._datasets)
        specs = TensorAdapter(config).TypeSpecs()
        # As TFX's Transform does; tf.Transform has no public name for it (test_dataset_keys_are_not_public).
        needed = analysis_graph_builder.get_analysis_dataset_keys(
            preprocessing_fn, specs, self._datasets, self._cache, force_tf_compat_v1=False
        )
        if missing := sorted(key.key for key in needed if key not in self._keys.values()):
            raise TaskError(
                f"analyzer_cache lacks results of this preprocessing_fn for {', '.join(missing)} (the function has changed, or has an analyzer "
                "that cannot be cached); ingest these Spans together and leave analyzer_cache empty"
            )
        return {split for split, key in self._keys.items() if key in needed}

    def analyze(
        self, pipeline: beam.Pipeline, rows: dict[str, beam.PCollection], preprocessing_fn: Callable, config: TensorAdapterConfig
    ) -> tuple[beam.PCollection, object]:
        """Analyzes the rows of the Splits that need it together with what is cached, and caches what is new."""
        named = dict.fromkeys(self._datasets) | {self._keys[split]: batches for split, batches in rows.items()}
        transform_fn, new = (named, self._cache, config) | tft_beam.AnalyzeDatasetWithCache(preprocessing_fn, pipeline=pipeline)
        _ = new | tft_cache.WriteAnalysisCacheToFS(pipeline, self._shared)
        return transform_fn

    def fetch(self, engine: Engine) -> None:
        """Fetches what workers elsewhere have cached."""
        if self._shared != str(self._folder):
            engine.fetch(_SHARED, self._folder)


def _index(folder: Path) -> dict[str, str]:
    """Reads the fingerprint of each dataset.

    Raises:
        OSError: It does not exist.
        TaskError: It is malformed, or a newer version of Penstock has written it.
    """
    what, remedy = f"its index {_INDEX}", "make it again"
    known = stored.load((folder / _INDEX).read_bytes(), what, remedy)
    if wrong := [name for name, value in known.items() if _DATASET.fullmatch(name) and not isinstance(value, str)]:
        raise stored.Malformed(f"{what} has no valid fingerprint of {wrong[0]}; {remedy}")
    return known
