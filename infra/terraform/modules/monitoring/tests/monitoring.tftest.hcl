mock_provider "google" {}

variables {
  project_id = "demo-project"
  region     = "europe-west4"
  emails     = ["on-call@example.com"]
}

run "alerts_are_those_of_the_rules" {
  command = plan

  assert {
    condition     = alltrue([for name in ["PenstockModelDegraded", "PenstockModelDrifted", "PenstockErrorRate", "PenstockNotChampion", "pods-waiting", "vertex-errors"] : contains(keys(output.alerts), name)]) && !contains(keys(output.alerts), "PenstockModelOld")
    error_message = "critical alerts and warnings have a policy, and what is only good to know has none"
  }

  assert {
    condition     = google_monitoring_alert_policy.prometheus["PenstockErrorRate"].severity == "CRITICAL" && google_monitoring_alert_policy.prometheus["PenstockErrorRate"].conditions[0].condition_prometheus_query_language[0].duration == "300s" && google_monitoring_alert_policy.prometheus["PenstockReleaseUnfinished"].conditions[0].condition_prometheus_query_language[0].duration == "7200s" && google_monitoring_alert_policy.prometheus["PenstockModelDrifted"].conditions[0].condition_prometheus_query_language[0].duration == "0s"
    error_message = "a policy waits as long as the rule"
  }

  assert {
    condition     = alltrue([for name, policy in google_monitoring_alert_policy.prometheus : strcontains(policy.documentation[0].content, "docs/runbook.md#${lower(name)}") || strcontains(name, "-")])
    error_message = "who is woken up is led to what to type"
  }

  assert {
    condition     = google_monitoring_alert_policy.verdict["drifted"].conditions[0].condition_matched_log[0].filter == file("tests/drifted_filter.txt")
    error_message = "a verdict on Vertex AI is found in the task's log"
  }

  assert {
    condition     = length(jsondecode(google_monitoring_dashboard.serving.dashboard_json).mosaicLayout.tiles) == 14 && !strcontains(google_monitoring_dashboard.serving.dashboard_json, "$__")
    error_message = "the dashboard shows every panel, without Grafana's variables"
  }
}

run "limits_move_the_alerts" {
  command = plan

  variables {
    alert_limits = { PenstockErrorRate = 0.05, PenstockLatency = 2 }
  }

  assert {
    condition     = endswith(output.alerts["PenstockErrorRate"], "> 0.05") && endswith(output.alerts["vertex-errors"], "> 0.05") && endswith(output.alerts["vertex-latency"], "> 2000")
    error_message = "the limit is the variable's, on Vertex AI in milliseconds"
  }
}

run "a_latency_counts_once" {
  command = plan

  assert {
    condition     = strcontains(output.alerts["vertex-latency"], "latency_type=\"total\"") && strcontains(output.alerts["vertex-errors"], "response_code=\"5xx\"")
    error_message = "Vertex AI counts a latency as a whole and in its parts, and answers by the class of their code"
  }
}

run "without_vertex_nobody_asks_for_it" {
  command = plan

  variables {
    vertex = false
  }

  assert {
    condition     = !contains(keys(output.alerts), "vertex-errors") && length(google_monitoring_alert_policy.verdict) == 0 && length(jsondecode(google_monitoring_dashboard.serving.dashboard_json).mosaicLayout.tiles) == 12
    error_message = "no alert and no panel is about Vertex AI"
  }
}

run "audit_logs_are_kept" {
  command = plan

  assert {
    condition     = alltrue([for dataset in google_bigquery_dataset.logs : dataset.default_partition_expiration_ms == 34560000000 && dataset.delete_contents_on_destroy == false])
    error_message = "logs are kept for 400 days, and do not go with Terraform"
  }

  assert {
    condition     = alltrue([for config in google_project_iam_audit_config.data : toset([for log in config.audit_log_config : log.log_type]) == toset(["ADMIN_READ", "DATA_READ", "DATA_WRITE"]) && alltrue([for log in config.audit_log_config : length(coalesce(log.exempted_members, [])) == 0])])
    error_message = "reads and writes are logged, and nobody is exempt"
  }

  assert {
    condition     = alltrue([for sink in google_logging_project_sink.logs : sink.unique_writer_identity]) && toset(keys(google_bigquery_dataset_iam_member.sinks)) == toset(["audit", "pipelines"])
    error_message = "each sink writes as itself into its own dataset"
  }
}

run "a_host_that_does_not_answer_wakes_somebody" {
  command = plan

  variables {
    uptime_hosts = { flights = { host = "flights.models.example.com" } }
  }

  assert {
    condition     = google_monitoring_uptime_check_config.https["flights"].http_check[0].validate_ssl && length(google_monitoring_alert_policy.uptime) == 1
    error_message = "the host is asked over a checked certificate, and has an alert"
  }
}

run "a_pod_may_wait_a_minute_at_least" {
  command = plan

  variables {
    pods_waiting_minutes = 0
  }

  expect_failures = [var.pods_waiting_minutes]
}
