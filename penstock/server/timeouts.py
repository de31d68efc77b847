"""`asyncio.timeout` and its `Timeout`, which Python 3.10 lacks: aiohttp brings their backport there."""

import sys

if sys.version_info >= (3, 11):
    from asyncio import Timeout, timeout
else:
    from async_timeout import Timeout, timeout

__all__ = ["Timeout", "timeout"]
