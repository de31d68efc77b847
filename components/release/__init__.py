"""Releasing a model: the registry, the rollout, the destinations, and the folder that a local model server serves.

Its modules are imported by name: `rollout`, `registry` and `destinations` by the tasks that release; `serving`, `served`, `server_token`,
`release`, `names` and `modes`, which need only the standard library, by the model server and the SDK too, and `quantity` by the SDK; `metrics`
(needs prometheus-client) by the model server and monitoring; `tracking` (needs MLflow) by training. What a kind of destination is made of is for itself, for the registry of its kind and for the SDK's client of that service. This room
imports `protocol`, `data` and `evidence`.
"""
