# What tasks are, and what they may do. pipeline-runner is of the manifests, and may do whatever those let it.
resource "kubernetes_service_account_v1" "tasks" {
  for_each = toset(["penstock-trainer", "penstock-pusher"])

  metadata {
    name        = each.value
    namespace   = kubernetes_namespace_v1.this.metadata[0].name
    labels      = local.labels
    annotations = lookup(var.service_account_annotations, each.value, {})
  }
}

# As much as Kubeflow's launcher needs in any task's pod, and no more.
resource "kubernetes_role_v1" "task" {
  metadata {
    name      = "penstock-task"
    namespace = kubernetes_namespace_v1.this.metadata[0].name
    labels    = local.labels
  }

  rule {
    api_groups     = [""]
    resources      = ["configmaps"]
    resource_names = ["kfp-launcher"]
    verbs          = ["get"]
  }

  rule {
    api_groups     = [""]
    resources      = ["secrets"]
    resource_names = [local.store.secret]
    verbs          = ["get"]
  }

  rule {
    api_groups = [""]
    resources  = ["pods"]
    verbs      = ["get"]
  }

  rule {
    api_groups = ["argoproj.io"]
    resources  = ["workflowtaskresults"]
    verbs      = ["create", "patch"]
  }
}

resource "kubernetes_role_binding_v1" "task" {
  for_each = kubernetes_service_account_v1.tasks

  metadata {
    name      = each.key
    namespace = kubernetes_namespace_v1.this.metadata[0].name
    labels    = local.labels
  }

  role_ref {
    api_group = "rbac.authorization.k8s.io"
    kind      = "Role"
    name      = kubernetes_role_v1.task.metadata[0].name
  }

  subject {
    kind      = "ServiceAccount"
    name      = each.key
    namespace = kubernetes_namespace_v1.this.metadata[0].name
  }
}

# What push_model does to an InferenceService (components/runtime/destinations/kserve.py).
resource "kubernetes_role_v1" "release" {
  for_each = toset(var.models_namespace == null ? [] : [var.models_namespace])

  metadata {
    name      = "penstock-release"
    namespace = each.value
    labels    = local.labels
  }

  rule {
    api_groups = ["serving.kserve.io"]
    resources  = ["inferenceservices"]
    verbs      = ["get", "create", "update", "delete"]
  }

  rule {
    api_groups = ["coordination.k8s.io"]
    resources  = ["leases"]
    verbs      = ["get", "create", "update"]
  }

  rule {
    api_groups = [""]
    resources  = ["pods"]
    verbs      = ["list"]
  }

  rule {
    api_groups = ["apps"]
    resources  = ["deployments"]
    verbs      = ["get"]
  }
}

resource "kubernetes_role_binding_v1" "release" {
  for_each = kubernetes_role_v1.release

  metadata {
    name      = "penstock-release"
    namespace = each.key
    labels    = local.labels
  }

  role_ref {
    api_group = "rbac.authorization.k8s.io"
    kind      = "Role"
    name      = each.value.metadata[0].name
  }

  dynamic "subject" {
    for_each = ["penstock-pusher", "pipeline-runner"]

    content {
      kind      = "ServiceAccount"
      name      = subject.value
      namespace = kubernetes_namespace_v1.this.metadata[0].name
    }
  }
}
