"""The kinds of objects that the cluster has."""

from .store import Resource

INFERENCE_SERVICES = Resource("serving.kserve.io", "v1beta1", "inferenceservices", "InferenceService", has_status=True)
NAMESPACES = Resource("", "v1", "namespaces", "Namespace", namespaced=False)
PODS = Resource("", "v1", "pods", "Pod", has_status=True)
EVENTS = Resource("", "v1", "events", "Event")
DEPLOYMENTS = Resource("apps", "v1", "deployments", "Deployment", has_status=True)
AUTOSCALERS = Resource("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", has_status=True)
HTTP_ROUTES = Resource("gateway.networking.k8s.io", "v1", "httproutes", "HTTPRoute", has_status=True)
RESOURCES = (
    INFERENCE_SERVICES,
    NAMESPACES,
    PODS,
    EVENTS,
    DEPLOYMENTS,
    AUTOSCALERS,
    HTTP_ROUTES,
    Resource("serving.kserve.io", "v1alpha1", "servingruntimes", "ServingRuntime"),
    Resource("serving.kserve.io", "v1alpha1", "clusterservingruntimes", "ClusterServingRuntime", namespaced=False),
    Resource("coordination.k8s.io", "v1", "leases", "Lease"),
    Resource("", "v1", "configmaps", "ConfigMap"),
    Resource("", "v1", "secrets", "Secret"),
    Resource("", "v1", "serviceaccounts", "ServiceAccount"),
    Resource("", "v1", "services", "Service"),
)


def find(group: str, version: str, plural: str) -> Resource | None:
    """Returns the resource of a path; None if there is none."""
    return next((one for one in RESOURCES if (one.group, one.version, one.plural) == (group, version, plural)), None)
