"""kfp.local raises IndexError on placeholders of the pipeline job other than its name and id.

Upstream (kfp 2.17, `resolve_individual_placeholder`): `{{$.pipeline_job_resource_name}}`, `{{$.pipeline_job_create_time_utc}}`,
`{{$.pipeline_job_schedule_time_utc}}` and Vertex AI's `{{$.pipeline_google_cloud_*}}` are taken for paths into the executor input.
"""

import datetime
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from kfp import dsl
from kfp.local import placeholder_utils

from ..errors import UserError
from .replacing import replaced

_VERTEX_ONLY = re.compile(r"\{\{\$\.pipeline_(?:google_cloud_\w+|service_account)\}\}")


def _with_job_placeholders(resolve: Callable[..., Any]) -> Callable[..., Any]:
    started = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")

    def wrapper(element: str, pipeline_resource_name: str, **rest: Any) -> Any:
        if vertex := _VERTEX_ONLY.search(element):
            raise UserError(f"the placeholder {vertex[0]} has a value on Vertex AI only; pass the value as a parameter")
        element = element.replace(dsl.PIPELINE_JOB_RESOURCE_NAME_PLACEHOLDER, pipeline_resource_name)
        for placeholder in (dsl.PIPELINE_JOB_CREATE_TIME_UTC_PLACEHOLDER, dsl.PIPELINE_JOB_SCHEDULE_TIME_UTC_PLACEHOLDER):
            element = element.replace(placeholder, started)
        return resolve(element=element, pipeline_resource_name=pipeline_resource_name, **rest)

    return wrapper


@contextmanager
def mend() -> Iterator[None]:
    """Mends the pipeline job's placeholders."""
    resolve = _with_job_placeholders(placeholder_utils.resolve_individual_placeholder)
    with replaced(placeholder_utils, "resolve_individual_placeholder", resolve):
        yield
