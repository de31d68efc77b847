# The server's metrics (penstock_*) and what monitor_model pushes come by managed Prometheus: gke turns it on, and alerts ask in its language.
module "alert_rules" {
  source = "../alert_rules"
  limits = var.alert_limits
}

locals {
  labels     = merge(var.labels, { component = "monitoring" })
  severities = { critical = "CRITICAL", warning = "WARNING" }
  seconds    = { m = 60, h = 3600 }
  runbook    = "https://github.com/penstock/penstock/blob/main/docs/runbook.md"

  # Alerts of severity info send no mail.
  rules = { for name, rule in module.alert_rules.alerts : name => rule if contains(keys(local.severities), rule.labels.severity) }

  written = { for name, rule in local.rules : name => {
    severity = local.severities[rule.labels.severity]
    seconds  = can(rule.for) ? tonumber(regex("^[0-9]+", rule.for)) * local.seconds[substr(rule.for, -1, 1)] : 0
    query    = rule.expr
    help     = "What it means, what to look at and what to type: ${rule.annotations.runbook_url}"
  } }

  alerts = merge(local.written, var.vertex ? local.vertex_alerts : {}, {
    pods-waiting = {
      severity = "WARNING"
      seconds  = var.pods_waiting_minutes * 60
      query    = "sum by (namespace) (kube_pod_status_phase{phase=\"Pending\", namespace=~\"kubeflow|kserve|models|mlflow|pushgateway\"}) > 0"
      help     = "Pods find no node: a GPU that is not to be had, a quota, an image that cannot be pulled. `kubectl describe pod` says which."
    }
  })
}

resource "google_monitoring_notification_channel" "email" {
  for_each     = var.emails
  project      = var.project_id
  display_name = "${var.name}: ${each.value}"
  type         = "email"
  labels       = { email_address = each.value }
  user_labels  = local.labels
}

resource "google_monitoring_alert_policy" "prometheus" {
  for_each              = local.alerts
  project               = var.project_id
  display_name          = "${var.name}: ${each.key}"
  combiner              = "OR"
  severity              = each.value.severity
  notification_channels = [for channel in google_monitoring_notification_channel.email : channel.id]
  user_labels           = local.labels

  conditions {
    display_name = each.key

    condition_prometheus_query_language {
      query                     = each.value.query
      duration                  = "${each.value.seconds}s"
      evaluation_interval       = "60s"
      disable_metric_validation = true # the metrics come with the first served model
    }
  }

  documentation {
    content   = each.value.help
    mime_type = "text/markdown"
  }
}

resource "google_monitoring_uptime_check_config" "https" {
  for_each     = var.uptime_hosts
  project      = var.project_id
  display_name = "${var.name}: ${each.key}"
  period       = "60s"
  timeout      = "10s"
  user_labels  = local.labels

  http_check {
    path         = each.value.path
    port         = 443
    use_ssl      = true
    validate_ssl = true
  }

  monitored_resource {
    type   = "uptime_url"
    labels = { project_id = var.project_id, host = each.value.host }
  }
}

resource "google_monitoring_alert_policy" "uptime" {
  for_each              = google_monitoring_uptime_check_config.https
  project               = var.project_id
  display_name          = "${var.name}: ${each.key} does not answer"
  combiner              = "OR"
  severity              = "CRITICAL"
  notification_channels = [for channel in google_monitoring_notification_channel.email : channel.id]
  user_labels           = local.labels

  conditions {
    display_name = "${each.key} does not answer"

    condition_threshold {
      filter          = "metric.type=\"monitoring.googleapis.com/uptime_check/check_passed\" AND resource.type=\"uptime_url\" AND metric.labels.check_id=\"${each.value.uptime_check_id}\""
      comparison      = "COMPARISON_GT"
      threshold_value = 1
      duration        = "120s"

      aggregations {
        alignment_period     = "60s"
        per_series_aligner   = "ALIGN_NEXT_OLDER"
        cross_series_reducer = "REDUCE_COUNT_FALSE"
        group_by_fields      = ["resource.label.host"]
      }
    }
  }
}

resource "google_monitoring_dashboard" "serving" {
  project        = var.project_id
  dashboard_json = jsonencode(local.dashboard)
}
