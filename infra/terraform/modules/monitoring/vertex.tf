# What serves on Vertex AI has no Prometheus: requests and latency are Cloud Monitoring's own metrics, and a verdict is a line in a task's log.
# Each latency is counted as "total", and those of custom models as "overhead" and "model" too; a code is a class, such as "5xx".
# https://cloud.google.com/monitoring/api/metrics_gcp_a_b#gcp-aiplatform
locals {
  endpoint = "monitored_resource=\"aiplatform.googleapis.com/Endpoint\""
  answers  = "aiplatform_googleapis_com:prediction_online_response_count"
  times    = "aiplatform_googleapis_com:prediction_online_prediction_latencies_bucket"
  limits   = { for name in ["PenstockErrorRate", "PenstockLatency"] : name => tonumber(regex("[0-9.]+$", module.alert_rules.alerts[name].expr)) }

  vertex_queries = {
    errors  = "sum by (endpoint_id) (rate(${local.answers}{${local.endpoint}, response_code=\"5xx\"}[5m])) / sum by (endpoint_id) (rate(${local.answers}{${local.endpoint}}[5m]))"
    latency = "histogram_quantile(0.99, sum by (le, endpoint_id) (rate(${local.times}{${local.endpoint}, latency_type=\"total\"}[5m])))"
  }

  vertex_alerts = {
    vertex-errors = {
      severity = "CRITICAL"
      seconds  = 300
      query    = "${local.vertex_queries.errors} > ${local.limits.PenstockErrorRate}"
      help     = "What it means, what to look at and what to type: ${local.runbook}#penstockerrorrate"
    }
    vertex-latency = {
      severity = "WARNING"
      seconds  = 300
      query    = "${local.vertex_queries.latency} > ${local.limits.PenstockLatency * 1000}" # milliseconds
      help     = "What it means, what to look at and what to type: ${local.runbook}#penstocklatency"
    }
  }

  verdicts = {
    degraded = { severity = "CRITICAL", runbook = "penstockmodeldegraded" }
    skewed   = { severity = "WARNING", runbook = "penstockfeaturesskewed" }
    drifted  = { severity = "WARNING", runbook = "penstockmodeldrifted" }
    no_data  = { severity = "WARNING", runbook = "penstocknodata" }
  }
}

# The last line of each task's log is `[penstock-outputs] {...}`.
resource "google_monitoring_alert_policy" "verdict" {
  for_each              = { for verdict, about in local.verdicts : verdict => about if var.vertex }
  project               = var.project_id
  display_name          = "${var.name}: monitor_model says ${each.key}"
  combiner              = "OR"
  severity              = each.value.severity
  notification_channels = [for channel in google_monitoring_notification_channel.email : channel.id]
  user_labels           = local.labels

  conditions {
    display_name = "monitor_model says ${each.key}"

    condition_matched_log {
      filter = "resource.type=\"ml_job\" AND \"[penstock-outputs]\" AND (jsonPayload.message=~\"\\\"monitoring\\\":.*\\\"parameterValues\\\":.*\\\"verdict\\\": \\\"${each.key}\\\"\" OR textPayload=~\"\\\"monitoring\\\":.*\\\"parameterValues\\\":.*\\\"verdict\\\": \\\"${each.key}\\\"\")"
    }
  }

  alert_strategy {
    auto_close = "86400s"

    notification_rate_limit {
      period = "3600s"
    }
  }

  documentation {
    content   = "What it means, what to look at and what to type: ${local.runbook}#${each.value.runbook}"
    mime_type = "text/markdown"
  }
}
