"""The rows of Examples as Feast takes them: keys and times, and each row's number to find it again."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from penstock.components.protocol import TaskError

TIME = "event_timestamp"  # Feast's name
NUMBER = "penstock_row"
# The end of the year 9999. Milliseconds are beyond it, and would be after every event.
_LATEST = 253_402_300_799


def entity_rows(rows: pa.Table, timestamp_column: str, keys: list[str], what: str) -> pd.DataFrame:
    """Returns the entity rows.

    Args:
        rows: Rows of Examples with at least these columns.
        timestamp_column: The column with their times, in Unix seconds.
        keys: The columns that Feast needs.
        what: What to call the rows in an error.

    Raises:
        TaskError: A row has no time, or its time is in no calendar.
    """
    times = rows[timestamp_column]
    if times.null_count:
        raise TaskError(
            f"{times.null_count:,} rows of {what} have no {timestamp_column}; leave them out with the row_filter of ingest_examples"
        )
    if rows.num_rows and (latest := pc.max(times).as_py()) > _LATEST:
        raise TaskError(f"{timestamp_column} is {latest} in {what}, which is after the year 9999; give Unix seconds, not milliseconds")
    # Without a type of its own a column of integers with a null would become one of floats.
    frame = rows.select(keys).to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get)
    frame[TIME] = times.cast(pa.timestamp("s")).cast(pa.timestamp("us", "UTC")).to_pandas()
    frame[NUMBER] = np.arange(len(frame))
    return frame
