output "url" {
  description = "The URL inside the cluster, for monitor_model's parameter pushgateway."
  value       = "http://${local.name}.${kubernetes_namespace_v1.this.metadata[0].name}.svc.cluster.local:${local.port}"
}

output "namespace" {
  description = "The Pushgateway's namespace."
  value       = kubernetes_namespace_v1.this.metadata[0].name
}

output "pods" {
  description = "The labels of its pods."
  value       = local.pods
}

output "port" {
  description = "The port of its pods, for metrics that come and go."
  value       = local.port
}
