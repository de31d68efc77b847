"""Rows as Feast takes them: keys and times, and each row's number to find it again."""

import numpy as np
import pandas as pd
import pyarrow as pa

TIME = "event_timestamp"  # Feast's name
NUMBER = "penstock_row"


def entity_rows(keys: pa.Table, times: pa.ChunkedArray) -> pd.DataFrame:
    """Returns the entity rows.

    Args:
        keys: The columns that Feast needs.
        times: The rows' times, as timestamps in UTC, without nulls.
    """
    # Without a type of its own a column of integers with a null would become one of floats.
    frame = keys.to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get)
    frame[TIME] = times.cast(pa.timestamp("us", "UTC")).to_pandas()
    frame[NUMBER] = np.arange(len(frame))
    return frame
