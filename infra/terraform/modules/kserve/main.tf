locals {
  labels   = merge(var.labels, { component = "kserve" })
  standard = var.deployment_mode == "Standard"

  secret = var.s3 == null ? null : var.s3.secret
}

resource "kubernetes_namespace_v1" "this" {
  for_each = toset(["kserve", "models"])

  metadata {
    name   = each.value
    labels = local.labels
  }
}

# What serves models. KServe reads a model with the secrets that its service account names, or as what the service account is.
resource "kubernetes_service_account_v1" "serving" {
  metadata {
    name        = "penstock-serving"
    namespace   = kubernetes_namespace_v1.this["models"].metadata[0].name
    labels      = local.labels
    annotations = var.service_account_annotations
  }

  dynamic "secret" {
    for_each = local.secret == null ? [] : [local.secret]

    content {
      name = secret.value
    }
  }
}

resource "helm_release" "cert_manager" {
  for_each         = toset(var.cert_manager_version == null ? [] : [var.cert_manager_version])
  name             = "cert-manager"
  namespace        = "cert-manager"
  create_namespace = true
  repository       = "oci://quay.io/jetstack/charts"
  chart            = "cert-manager"
  version          = each.value

  values = [yamlencode({
    crds   = { enabled = true, keep = true } # without them every certificate would go
    global = { commonLabels = local.labels }
  })]
}

resource "helm_release" "crds" {
  name       = "kserve-crd"
  namespace  = kubernetes_namespace_v1.this["kserve"].metadata[0].name
  repository = "oci://ghcr.io/kserve/charts"
  chart      = "kserve-crd"
  version    = var.kserve_version
}

resource "helm_release" "kserve" {
  name       = "kserve"
  namespace  = kubernetes_namespace_v1.this["kserve"].metadata[0].name
  repository = "oci://ghcr.io/kserve/charts"
  chart      = "kserve-resources"
  version    = var.kserve_version

  values = [yamlencode({
    kserve = {
      controller = {
        deploymentMode  = var.deployment_mode
        imagePullPolicy = "IfNotPresent"
        labels          = local.labels
        gateway = {
          domain                  = var.domain
          disableIstioVirtualHost = true # there is no Istio
          ingressGateway = merge(
            { enableGatewayApi = local.standard },
            local.standard ? { kserveGateway = "kserve/${local.gateway_name}", className = local.gateway_class } : {},
          )
        }
      }
      storage = {
        s3 = var.s3 == null ? {} : {
          endpoint  = var.s3.endpoint
          region    = var.s3.region
          useHttps  = var.s3.tls ? "1" : "0"
          verifySSL = var.s3.tls ? "1" : "0"
        }
      }
    }
  })]

  depends_on = [helm_release.cert_manager, helm_release.crds, helm_release.gateway, helm_release.knative]
}
