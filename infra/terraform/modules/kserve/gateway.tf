# Mode Standard: one gateway for all models.
locals {
  gateway_name  = "kserve-ingress-gateway"
  gateway_class = coalesce(var.gateway.class, "envoy")
  envoy         = local.standard && var.gateway.class == null

  # Envoy Gateway makes a service for the gateway; it gets a name here, so that it can be asked in the cluster.
  envoy_namespace = "envoy-gateway-system"
  envoy_objects = [
    {
      apiVersion = "gateway.envoyproxy.io/v1alpha1"
      kind       = "EnvoyProxy"
      metadata   = { name = "kserve", namespace = local.envoy_namespace, labels = local.labels }
      spec = {
        provider = {
          type = "Kubernetes"
          kubernetes = {
            envoyService = {
              name        = local.gateway_name
              type        = var.exposure.type
              annotations = var.exposure.annotations
            }
          }
        }
      }
    },
    {
      apiVersion = "gateway.networking.k8s.io/v1"
      kind       = "GatewayClass"
      metadata   = { name = local.gateway_class, labels = local.labels }
      spec = {
        controllerName = "gateway.envoyproxy.io/gatewayclass-controller"
        parametersRef  = { group = "gateway.envoyproxy.io", kind = "EnvoyProxy", name = "kserve", namespace = local.envoy_namespace }
      }
    },
  ]

  gateway_objects = [{
    apiVersion = "gateway.networking.k8s.io/v1"
    kind       = "Gateway"
    metadata   = { name = local.gateway_name, namespace = "kserve", labels = local.labels }
    spec = {
      gatewayClassName = local.gateway_class
      infrastructure   = { labels = { "serving.kserve.io/gateway" = local.gateway_name }, annotations = local.envoy ? {} : var.exposure.annotations }
      listeners = [{
        name     = "http"
        protocol = "HTTP"
        port     = 80
        allowedRoutes = {
          namespaces = { from = "Selector", selector = { matchLabels = { "kubernetes.io/metadata.name" = "models" } } }
        }
      }]
    }
  }]
}

# It brings the Gateway API's own kinds where the cluster has none.
resource "helm_release" "envoy_gateway" {
  for_each         = toset(local.envoy ? [var.gateway.envoy_version] : [])
  name             = "eg"
  namespace        = local.envoy_namespace
  create_namespace = true
  repository       = "oci://docker.io/envoyproxy"
  chart            = "gateway-helm"
  version          = each.value

  values = [yamlencode({ commonLabels = local.labels })]
}

resource "helm_release" "gateway" {
  for_each  = toset(local.standard ? [local.gateway_class] : [])
  name      = "kserve-gateway"
  namespace = kubernetes_namespace_v1.this["kserve"].metadata[0].name
  chart     = "${path.module}/charts/objects"

  values = [yamlencode({ objects = concat([for object in local.envoy_objects : object if local.envoy], local.gateway_objects) })]

  depends_on = [helm_release.envoy_gateway]
}
