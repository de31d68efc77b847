mock_provider "google" {}

variables {
  project_id = "demo-project"
  region     = "europe-west4"
  emails     = ["on-call@example.com"]
}

run "alerts_ask_what_the_server_counts" {
  command = plan

  assert {
    condition     = alltrue([for name in ["prediction-errors", "prediction-latency", "two-models-answer"] : strcontains(output.alerts[name], "penstock_request")])
    error_message = "alerts ask for the model server's own metrics"
  }

  assert {
    condition     = endswith(output.alerts["prediction-errors"], "> 0.01") && endswith(output.alerts["prediction-latency"], "> 0.5")
    error_message = "alerts fire at the limits"
  }

  assert {
    condition     = alltrue([for policy in google_monitoring_alert_policy.prometheus : length(policy.documentation[0].content) > 40])
    error_message = "who is woken up is told what to type"
  }

  assert {
    condition     = length(jsondecode(google_monitoring_dashboard.serving.dashboard_json).mosaicLayout.tiles) == 6
    error_message = "the dashboard shows every panel"
  }
}

run "limits_move_the_alerts" {
  command = plan

  variables {
    limits = { error_rate = 0.05, minutes = 10 }
  }

  assert {
    condition     = endswith(output.alerts["prediction-errors"], "> 0.05") && strcontains(output.alerts["prediction-errors"], "[10m]") && google_monitoring_alert_policy.prometheus["prediction-errors"].conditions[0].condition_prometheus_query_language[0].duration == "600s"
    error_message = "the limit is the variable's"
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

run "an_error_rate_above_one_is_refused" {
  command = plan

  variables {
    limits = { error_rate = 5 }
  }

  expect_failures = [var.limits]
}
