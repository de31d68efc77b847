# What tasks are, and what they may do. pipeline-runner is the manifests' account: they let it delete any pod, Deployment, Service, Job or claim of this
# namespace, the database's among them. patches.tf gives it these rules instead.
resource "kubernetes_service_account_v1" "tasks" {
  for_each = toset(["penstock-trainer", "penstock-pusher"])

  metadata {
    name        = each.value
    namespace   = kubernetes_namespace_v1.this.metadata[0].name
    labels      = local.labels
    annotations = lookup(var.service_account_annotations, each.value, {})
  }
}

# As much as Kubeflow's driver and launcher need in any task's pod, and no more.
locals {
  task_rules = [
    { apiGroups = [""], resources = ["configmaps"], resourceNames = ["kfp-launcher"], verbs = ["get"] },
    { apiGroups = [""], resources = ["secrets"], resourceNames = [local.store.secret], verbs = ["get"] },
    { apiGroups = [""], resources = ["pods"], resourceNames = [], verbs = ["get"] },
    # For CreatePVC. A right to delete could not leave out the claims of Kubeflow itself.
    { apiGroups = [""], resources = ["persistentvolumeclaims"], resourceNames = [], verbs = ["get", "create"] },
    { apiGroups = ["argoproj.io"], resources = ["workflowtaskresults"], resourceNames = [], verbs = ["create", "patch"] },
  ]
}

resource "kubernetes_role_v1" "task" {
  metadata {
    name      = "penstock-task"
    namespace = kubernetes_namespace_v1.this.metadata[0].name
    labels    = local.labels
  }

  dynamic "rule" {
    for_each = local.task_rules

    content {
      api_groups     = rule.value.apiGroups
      resources      = rule.value.resources
      resource_names = length(rule.value.resourceNames) > 0 ? rule.value.resourceNames : null
      verbs          = rule.value.verbs
    }
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

# What push_model does to an InferenceService (components/release/destinations/kserve/destination.py). Its tests have these rules, too, on a real API server.
locals {
  # A rule for `create` cannot name objects; the others name the models' objects.
  release_rules = [
    for rule in jsondecode(file("${path.module}/release_rules.json")) : {
      group    = rule.group
      resource = rule.resource
      verbs    = rule.verbs
      names    = can(rule.name) ? formatlist(rule.name, sort(var.models)) : null
    }
  ]
}

resource "kubernetes_role_v1" "release" {
  for_each = toset(var.models_namespace == null ? [] : [var.models_namespace])

  metadata {
    name      = "penstock-release"
    namespace = each.value
    labels    = local.labels
  }

  dynamic "rule" {
    for_each = [for rule in local.release_rules : rule if try(length(rule.names) > 0, true)] # no names would mean all of them

    content {
      api_groups     = [rule.value.group]
      resources      = [rule.value.resource]
      resource_names = rule.value.names
      verbs          = rule.value.verbs
    }
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

# Who releases by hand, from outside of the cluster, asks a version through the API server. The name of its Service is not known beforehand: the right is to
# all Services of the namespace, and what runs in the cluster, where names lead to them, has no need of it.
locals {
  by_hand_rules = jsondecode(file("${path.module}/by_hand_rules.json"))
  by_hand_roles = var.models_namespace == null || length(var.operators) == 0 ? {} : { release = "penstock-release", ask = "penstock-by-hand" }
}

resource "kubernetes_role_v1" "by_hand" {
  for_each = { for key, name in local.by_hand_roles : key => name if key == "ask" }

  metadata {
    name      = each.value
    namespace = var.models_namespace
    labels    = local.labels
  }

  dynamic "rule" {
    for_each = local.by_hand_rules

    content {
      api_groups = [rule.value.group]
      resources  = [rule.value.resource]
      verbs      = rule.value.verbs
    }
  }
}

resource "kubernetes_role_binding_v1" "by_hand" {
  for_each = local.by_hand_roles

  metadata {
    name      = "penstock-by-hand-${each.key}"
    namespace = var.models_namespace
    labels    = local.labels
  }

  role_ref {
    api_group = "rbac.authorization.k8s.io"
    kind      = "Role"
    name      = each.value
  }

  dynamic "subject" {
    for_each = var.operators

    content {
      api_group = "rbac.authorization.k8s.io"
      kind      = subject.value.kind
      name      = subject.value.name
    }
  }

  depends_on = [kubernetes_role_v1.release, kubernetes_role_v1.by_hand]
}
