"""Where Penstock changes what kfp's compiler writes."""

from kfp.compiler import pipeline_spec_builder

from .patch_point import PatchPoint

# The comment at the head of a compiled file has defaults in protobuf's map order, which differs from process to process.
# No issue is known. It can go when test_private.py::test_the_header_keeps_the_order_of_a_map fails.
HEADER = PatchPoint(pipeline_spec_builder, "extract_comments_from_pipeline_spec")

# The last step before a pipeline is written; what Kubeflow, Vertex AI or kfp.local would take for something else is encoded after it
# (kubeflow/pipelines#13424 and `spec.portable`). The compiler has no hook, and no issue asks for one.
# It can go when test_private.py::test_the_compiler_has_no_hook fails.
OVERRIDE = PatchPoint(pipeline_spec_builder, "modify_pipeline_spec_with_override")
