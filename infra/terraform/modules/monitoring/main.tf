# The server's metrics (penstock_*) come by managed Prometheus: gke turns it on, and alerts ask in its language.
locals {
  labels  = merge(var.labels, { component = "monitoring" })
  minutes = "${var.limits.minutes}m"

  alerts = {
    prediction-errors = {
      severity = "CRITICAL"
      minutes  = var.limits.minutes
      query    = "sum by (model_name) (rate(penstock_requests_total{code=~\"5..\"}[${local.minutes}])) / sum by (model_name) (rate(penstock_requests_total[${local.minutes}])) > ${var.limits.error_rate}"
      help     = "More predictions fail than may. Who released last: `penstock status DESTINATION`. Back to the model before: `penstock rollback DESTINATION`."
    }
    prediction-latency = {
      severity = "WARNING"
      minutes  = var.limits.minutes
      query    = "histogram_quantile(0.99, sum by (le, model_name) (rate(penstock_request_seconds_bucket[${local.minutes}]))) > ${var.limits.p99_seconds}"
      help     = "Predictions are slow. Look at replicas and batch sizes on the dashboard; go back with `penstock rollback DESTINATION` if it began with a release."
    }
    two-models-answer = {
      severity = "WARNING"
      minutes  = 120
      query    = "count by (model_name) (count by (model_name, fingerprint) (rate(penstock_requests_total[${local.minutes}]) > 0)) > 1"
      help     = "A rollout has not ended: two models have answered for two hours. `penstock promote DESTINATION` or `penstock rollback DESTINATION`."
    }
    pods-waiting = {
      severity = "WARNING"
      minutes  = var.limits.pods_waiting_minutes
      query    = "sum by (namespace) (kube_pod_status_phase{phase=\"Pending\", namespace=~\"kubeflow|kserve|models|mlflow\"}) > 0"
      help     = "Pods find no node: a GPU that is not to be had, a quota, an image that cannot be pulled. `kubectl describe pod` says which."
    }
  }
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
      duration                  = "${each.value.minutes * 60}s"
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
