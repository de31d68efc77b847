"""What Beam is made to remember, and whether that is still needed."""

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions, TypeOptions
from apache_beam.transforms import core

from penstock.components.data import beam_introspection
from penstock.components.data.beam_options import read_options


class AddOne(beam.DoFn):
    def process(self, element, window=beam.DoFn.WindowParam):
        yield element + 1


@pytest.fixture
def inspected(monkeypatch):
    """Gives the functions that Beam has inspected."""
    seen = []
    inspect = core.get_signature
    monkeypatch.setattr(core, "get_signature", lambda function: seen.append(function) or inspect(function))
    return seen


def test_a_method_is_inspected_once_for_a_class(inspected):
    options = read_options([])
    method, function = AddOne().process, AddOne.process
    bound = core.get_function_args_defaults(method)
    assert bound == core.get_function_args_defaults(AddOne().process) == beam_introspection.inspect_function(method)
    assert core.get_function_args_defaults(function) == beam_introspection.inspect_function(function) != bound
    assert inspected == [method, method, function, function]
    with beam.Pipeline(options=options) as pipeline:
        pipeline | beam.Create([1]) | "once" >> beam.ParDo(AddOne()) | "twice" >> beam.ParDo(AddOne())
    assert AddOne.process not in {getattr(each, "__func__", each) for each in inspected[4:]}


def test_what_is_remembered_cannot_be_changed_from_outside():
    read_options([])
    names, defaults = core.get_function_args_defaults(AddOne.process)
    names.clear(), defaults.clear()
    assert core.get_function_args_defaults(AddOne.process)[0] == ["self", "element", "window"]


def test_a_function_that_cannot_be_remembered_is_inspected():
    class Unhashable:
        __hash__ = None

        def __call__(self, element):
            return element

    read_options([])
    assert core.get_function_args_defaults(Unhashable())[0] == ["element"]


def test_options_have_one_view_of_each_class_with_the_values_of_now():
    options = read_options(["--streaming"])
    view = options.view_as(StandardOptions)
    assert view is options.view_as(StandardOptions)
    assert view.streaming
    options.view_as(StandardOptions).streaming = False
    assert not view.streaming
    assert not options.view_as(TypeOptions).view_as(StandardOptions).streaming
    assert read_options([]).view_as(StandardOptions) is not view


def test_beam_itself_still_repeats_both(inspected):
    """When this fails, Beam remembers them, and `beam_introspection` can go."""
    for _ in range(2):
        beam_introspection.inspect_function(AddOne.process)
    assert inspected == [AddOne.process] * 2
    options = PipelineOptions([])
    assert beam_introspection.parse_view(options, TypeOptions) is not beam_introspection.parse_view(options, TypeOptions)
