"""The model server of the `serve` family: KServe's protocols over SavedModels, for local://, KServe and Vertex AI.

A request's way through the modules: `rest` (or KServe's own endpoints, V2 and gRPC) -> `models` (which version answers) ->
`version` (counted, timed) -> `batching` (together with those that came at the same time) -> `saved_model` (validated, computed).
"""
