# Who collects the model server's metrics (penstock_*), and evaluates the alerts on them and on what monitor_model pushes.
module "alert_rules" {
  source = "../alert_rules"
  limits = var.alert_limits
}

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

locals {
  # The figures in a Pushgateway come from another namespace, which Google's Rules would not see and its ClusterRules do.
  rules = {
    google              = { apiVersion = "monitoring.googleapis.com/v1", kind = "ClusterRules" }
    prometheus-operator = { apiVersion = "monitoring.coreos.com/v1", kind = "PrometheusRule" }
  }
}

resource "helm_release" "metrics" {
  for_each  = toset(var.metrics[*])
  name      = "penstock-metrics"
  namespace = module.kserve.models_namespace
  chart     = "${path.module}/../kserve/charts/objects"

  values = [yamlencode({
    objects = [
      merge(local.monitors[each.key], {
        metadata = { name = "penstock-serving", namespace = module.kserve.models_namespace, labels = merge(var.labels, { component = "cluster-services" }) }
      }),
      merge(local.rules[each.key], {
        metadata = merge({ name = "penstock", labels = merge(var.labels, { component = "cluster-services" }) }, each.key == "google" ? {} : { namespace = module.kserve.models_namespace })
        spec     = { groups = module.alert_rules.groups }
      }),
    ]
  })]
}
