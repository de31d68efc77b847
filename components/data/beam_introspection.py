"""Beam without introspection that it repeats.

Beam inspects the methods of a DoFn and parses all pipeline options again each time it needs to know something of them: 49,000 and 900 times
for the analysis of 19 features, which is a sixth of its CPU time. A pull request that remembers both was closed without being merged
(<https://github.com/apache/beam/pull/9925>), so that this module does. tests/components/data/test_beam_introspection.py fails when Beam
remembers them itself.
"""

from collections.abc import Callable
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.transforms import core

_View = TypeVar("_View", bound=PipelineOptions)
_Parameters = tuple[list[str], list[Any]]

inspect_function: Callable[[Callable[..., Any]], _Parameters] = core.get_function_args_defaults
parse_view: Callable[[PipelineOptions, type[PipelineOptions]], PipelineOptions] = PipelineOptions.view_as
# For a function, and for the method that is bound from it, which has a parameter less.
_functions: WeakKeyDictionary[Callable[..., Any], dict[bool, _Parameters]] = WeakKeyDictionary()
_views: WeakKeyDictionary[PipelineOptions, dict[type[PipelineOptions], PipelineOptions]] = WeakKeyDictionary()


def remember() -> None:
    """Has Beam remember what it has found out, in this process."""
    core.get_function_args_defaults = _parameters
    PipelineOptions.view_as = _view_as


def _parameters(function: Callable[..., Any]) -> _Parameters:
    plain = getattr(function, "__func__", function)
    try:
        known = _functions.setdefault(plain, {})
    except TypeError:  # neither hashable nor weakly referenced
        return inspect_function(function)
    is_bound = plain is not function
    if is_bound not in known:
        known[is_bound] = inspect_function(function)
    names, defaults = known[is_bound]
    return list(names), list(defaults)


def _view_as(options: PipelineOptions, cls: type[_View]) -> _View:
    """Returns the same view each time: a view reads and writes the values of the options that it is of."""
    known = _views.setdefault(options, {})
    if cls not in known:
        known[cls] = parse_view(options, cls)
    view: Any = known[cls]
    return view
