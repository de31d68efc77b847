# What train_model does with workers_at=kubeflow://kubeflow (components/train_model/workers/kubeflow.py). Its tests have these rules, too, on a real API server.
locals {
  train_rules = jsondecode(file("${path.module}/train_rules.json"))
}

# Kubeflow Trainer itself is installed with its own chart (https://www.kubeflow.org/docs/components/trainer/operator-guides/installation/).
resource "helm_release" "training_runtime" {
  for_each  = { for training in var.training[*] : "penstock" => training }
  name      = "penstock-training-runtime"
  namespace = kubernetes_namespace_v1.this.metadata[0].name
  chart     = "${path.module}/../kserve/charts/objects"

  # Trainer sets the number of pods, the image and the command. A pod that fails is not started again: the others cannot go on without it, and the task says why.
  values = [yamlencode({ objects = [{
    apiVersion = "trainer.kubeflow.org/v1alpha1"
    kind       = "TrainingRuntime"
    metadata   = { name = each.key, namespace = kubernetes_namespace_v1.this.metadata[0].name, labels = local.labels }
    spec = {
      mlPolicy = { numNodes = 1 }
      template = { spec = {
        failurePolicy = { maxRestarts = 0 }
        replicatedJobs = [{
          name = "node"
          template = {
            metadata = { labels = { "trainer.kubeflow.org/trainjob-ancestor-step" = "trainer" } }
            spec = {
              backoffLimit = 0
              template = { metadata = { labels = { "penstock.dev/component" = "train_model" } }, spec = {
                serviceAccountName = "penstock-trainer"
                restartPolicy      = "Never"
                nodeSelector       = each.value.node_selector
                tolerations        = each.value.tolerations
                containers = [{
                  name      = "node"
                  image     = "penstock" # the TrainJob's
                  resources = { requests = each.value.requests, limits = each.value.limits }
                  envFrom   = [for name in each.value.secrets : { secretRef = { name = name } }]
                  ports     = [{ containerPort = 2222 }]
                }]
              } }
            }
          }
        }]
      } }
    }
  }] })]
}

resource "kubernetes_role_v1" "train" {
  for_each = toset(var.training == null ? [] : ["penstock-train"])

  metadata {
    name      = each.value
    namespace = kubernetes_namespace_v1.this.metadata[0].name
    labels    = local.labels
  }

  dynamic "rule" {
    for_each = local.train_rules

    content {
      api_groups = [rule.value.group]
      resources  = [rule.value.resource]
      verbs      = rule.value.verbs
    }
  }
}

resource "kubernetes_role_binding_v1" "train" {
  for_each = kubernetes_role_v1.train

  metadata {
    name      = each.key
    namespace = kubernetes_namespace_v1.this.metadata[0].name
    labels    = local.labels
  }

  role_ref {
    api_group = "rbac.authorization.k8s.io"
    kind      = "Role"
    name      = each.value.metadata[0].name
  }

  dynamic "subject" {
    for_each = ["penstock-trainer", "pipeline-runner"]

    content {
      kind      = "ServiceAccount"
      name      = subject.value
      namespace = kubernetes_namespace_v1.this.metadata[0].name
    }
  }
}
