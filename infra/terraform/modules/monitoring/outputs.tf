output "notification_channels" {
  description = "The channels through which people are told, for alerts of one's own."
  value       = [for channel in google_monitoring_notification_channel.email : channel.id]
}

output "datasets" {
  description = "The BigQuery datasets of the logs, by what they hold."
  value       = { for name, dataset in google_bigquery_dataset.logs : name => dataset.dataset_id }
}

output "alerts" {
  description = "The Prometheus alerts' queries, by name: the same rules for a Prometheus of one's own."
  value       = { for name, alert in local.alerts : name => alert.query }
}
