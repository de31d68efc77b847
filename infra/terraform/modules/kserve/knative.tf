# Mode Knative: Knative Serving by its operator, with Kourier as its only way in.
resource "kubernetes_namespace_v1" "knative" {
  for_each = toset(local.standard ? [] : ["knative-serving"])

  metadata {
    name   = each.value
    labels = local.labels
  }
}

resource "helm_release" "knative_operator" {
  for_each         = toset(local.standard ? [] : [var.knative_version])
  name             = "knative-operator"
  namespace        = "knative-operator"
  create_namespace = true
  chart            = "https://github.com/knative/operator/releases/download/knative-v${each.value}/knative-operator-v${each.value}.tgz"
}

resource "helm_release" "knative" {
  for_each  = kubernetes_namespace_v1.knative
  name      = "knative-serving"
  namespace = each.value.metadata[0].name
  chart     = "${path.module}/charts/objects"

  values = [yamlencode({
    objects = [{
      apiVersion = "operator.knative.dev/v1beta1"
      kind       = "KnativeServing"
      metadata   = { name = "knative-serving", namespace = each.key, labels = local.labels }
      spec = {
        version  = var.knative_version
        ingress  = { kourier = { enabled = true, "service-type" = var.exposure.type } }
        services = [{ name = "kourier", annotations = var.exposure.annotations }]
        config = {
          network = { "ingress-class" = "kourier.ingress.networking.knative.dev" }
          domain  = { (var.domain) = "" }
          # A model's pods may ask for a GPU node, and must bear its taint.
          features = {
            "kubernetes.podspec-nodeselector" = "enabled"
            "kubernetes.podspec-tolerations"  = "enabled"
          }
        }
      }
    }]
  })]

  depends_on = [helm_release.knative_operator]
}
