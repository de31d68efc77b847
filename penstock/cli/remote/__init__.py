"""The commands for runs elsewhere: `penstock submit`, `upload`, `runs` and `schedule`."""

from .runs import runs
from .schedule import schedule
from .submit import submit, upload

__all__ = ["runs", "schedule", "submit", "upload"]
