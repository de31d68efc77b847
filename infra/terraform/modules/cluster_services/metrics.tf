# Who collects the model server's metrics (penstock_*), which alerts and dashboards ask for.
locals {
  models   = { matchExpressions = [{ key = "penstock.dev/fingerprint", operator = "Exists" }] } # push_model labels its predictors so
  endpoint = { path = "/metrics", interval = "30s" }

  monitors = {
    google = {
      apiVersion = "monitoring.googleapis.com/v1"
      kind       = "PodMonitoring"
      spec       = { selector = local.models, endpoints = [merge(local.endpoint, { port = 8080 })] }
    }
    prometheus-operator = {
      apiVersion = "monitoring.coreos.com/v1"
      kind       = "PodMonitor"
      spec       = { selector = local.models, podMetricsEndpoints = [merge(local.endpoint, { targetPort = 8080 })] }
    }
  }
}

resource "helm_release" "metrics" {
  for_each  = toset(var.metrics[*])
  name      = "penstock-metrics"
  namespace = module.kserve.models_namespace
  chart     = "${path.module}/../kserve/charts/objects"

  values = [yamlencode({
    objects = [merge(local.monitors[each.key], {
      metadata = { name = "penstock-serving", namespace = module.kserve.models_namespace, labels = merge(var.labels, { component = "cluster-services" }) }
    })]
  })]
}
