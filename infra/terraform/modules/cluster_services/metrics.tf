# Who collects the model server's metrics (penstock_*), and evaluates the alerts on them and on what monitor_model pushes.
module "alert_rules" {
  source = "../alert_rules"
  limits = var.alert_limits
}

module "pushgateway" {
  source   = "../pushgateway"
  for_each = toset(var.metrics[*])

  labels = var.labels
}

locals {
  # What has metrics. The labels of a Pushgateway's figures are the models', not its own.
  sources = merge(
    {
      penstock-serving = {
        namespace = module.kserve.models_namespace
        selector  = { matchExpressions = [{ key = "penstock.dev/fingerprint", operator = "Exists" }] } # push_model labels its predictors so
        port      = 8080
        endpoint  = {}
      }
    },
    {
      for gateway in values(module.pushgateway) : "penstock-monitoring" => {
        namespace = gateway.namespace
        selector  = { matchLabels = gateway.pods }
        port      = gateway.port
        endpoint  = { honorLabels = true }
      }
    },
  )

  # Google's kind knows no honorLabels: labels that a target has already are called exported_*, and no alert asks for these.
  monitors = {
    google = { for name, source in local.sources : name => {
      apiVersion = "monitoring.googleapis.com/v1"
      kind       = "PodMonitoring"
      spec       = { selector = source.selector, endpoints = [{ path = "/metrics", interval = "30s", port = source.port }] }
    } }
    prometheus-operator = { for name, source in local.sources : name => {
      apiVersion = "monitoring.coreos.com/v1"
      kind       = "PodMonitor"
      spec       = { selector = source.selector, podMetricsEndpoints = [merge({ path = "/metrics", interval = "30s", targetPort = source.port }, source.endpoint)] }
    } }
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
    objects = concat(
      [for name, monitor in local.monitors[each.key] : merge(monitor, {
        metadata = { name = name, namespace = local.sources[name].namespace, labels = merge(var.labels, { component = "cluster-services" }) }
      })],
      [merge(local.rules[each.key], {
        metadata = merge({ name = "penstock", labels = merge(var.labels, { component = "cluster-services" }) }, each.key == "google" ? {} : { namespace = module.kserve.models_namespace })
        spec     = { groups = module.alert_rules.groups }
      })],
    )
  })]
}
