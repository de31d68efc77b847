locals {
  labels = merge(var.labels, { component = "kubeflow" })

  charts = "https://fluxcd-community.github.io/helm-charts"

  # Kubeflow Pipelines publishes kustomize manifests and no chart: Flux applies them from the tag, what belongs to the whole cluster first.
  stages = {
    kubeflow-cluster-resources = {
      path       = "./manifests/kustomize/cluster-scoped-resources"
      depends_on = []
      patches    = local.cluster_patches
    }
    kubeflow-pipelines = {
      path       = "./manifests/kustomize/env/platform-agnostic"
      depends_on = ["kubeflow-cluster-resources"]
      patches    = local.patches
    }
  }
}

resource "kubernetes_namespace_v1" "this" {
  metadata {
    name = "kubeflow" # the manifests have this name in places that no overlay changes
    labels = merge(local.labels, {
      "pod-security.kubernetes.io/enforce" = "baseline"
      "pod-security.kubernetes.io/warn"    = "restricted"
    })
  }
}

resource "kubernetes_resource_quota_v1" "this" {
  for_each = length(var.quota) > 0 ? { penstock = var.quota } : {}

  metadata {
    name      = each.key
    namespace = kubernetes_namespace_v1.this.metadata[0].name
    labels    = local.labels
  }

  spec {
    hard = each.value
  }
}

# The manifests' own passwords are known to everybody.
resource "random_password" "this" {
  for_each = local.made_secrets
  length   = 32
  special  = false
}

resource "kubernetes_secret_v1" "this" {
  for_each = local.made_secrets

  metadata {
    name      = each.key
    namespace = kubernetes_namespace_v1.this.metadata[0].name
    labels    = local.labels
  }

  data = {
    (each.value.name_key)     = each.value.name
    (each.value.password_key) = random_password.this[each.key].result
  }
}

# What the database and the object store in the cluster keep. Who really wants to lose it takes it out of Terraform's state first.
resource "kubernetes_persistent_volume_claim_v1" "this" {
  for_each         = local.volumes
  wait_until_bound = false # many a storage class waits for the pod

  metadata {
    name      = each.value
    namespace = kubernetes_namespace_v1.this.metadata[0].name
    labels    = local.labels
  }

  spec {
    access_modes = ["ReadWriteOnce"]

    resources {
      requests = { storage = var.volume_size }
    }
  }

  lifecycle {
    prevent_destroy = true
  }
}

resource "helm_release" "flux" {
  for_each         = toset(var.flux_version == null ? [] : [var.flux_version])
  name             = "flux2"
  namespace        = "flux-system"
  create_namespace = true
  repository       = local.charts
  chart            = "flux2"
  version          = each.value

  # Two of Flux's controllers are all it takes: one fetches, one applies.
  values = [yamlencode({
    helmController            = { create = false }
    imageAutomationController = { create = false }
    imageReflectionController = { create = false }
    notificationController    = { create = false }
  })]
}

resource "helm_release" "manifests" {
  for_each         = local.stages
  name             = each.key
  namespace        = "flux-system"
  create_namespace = true
  repository       = local.charts
  chart            = "flux2-sync"
  version          = var.flux_sync_version

  values = [yamlencode({
    gitRepository = {
      labels = local.labels
      spec = {
        url      = "https://github.com/kubeflow/pipelines"
        ref      = { commit = var.pipelines_commit } # a tag can be moved
        interval = "24h"
        timeout  = "5m"
        ignore   = "/*\n!/manifests\n"
      }
    }
    kustomization = {
      labels = local.labels
      spec = {
        path          = each.value.path
        dependsOn     = [for name in each.value.depends_on : { name = name }]
        interval      = "1h"
        retryInterval = "2m"
        timeout       = "15m"
        prune         = true
        wait          = true
        patches       = each.value.patches
      }
    }
  })]

  depends_on = [kubernetes_namespace_v1.this, kubernetes_secret_v1.this, kubernetes_persistent_volume_claim_v1.this, helm_release.flux]
}
