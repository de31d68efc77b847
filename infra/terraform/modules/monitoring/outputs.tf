output "notification_channels" {
  description = "The notification channels, for additional alerts."
  value       = [for channel in google_monitoring_notification_channel.email : channel.id]
}

output "datasets" {
  description = "The BigQuery datasets of the logs, by what they hold."
  value       = { for name, dataset in google_bigquery_dataset.logs : name => dataset.dataset_id }
}

output "alerts" {
  description = "The queries of the Prometheus alerts, by name, for use in another Prometheus."
  value       = { for name, alert in local.alerts : name => alert.query }
}
