output "namespace" {
  description = "MLflow's namespace."
  value       = kubernetes_namespace_v1.this.metadata[0].name
}

output "tracking_uri" {
  description = "The tracking server, and registry, as clients in the cluster name it. From outside: kubectl -n mlflow port-forward service/mlflow-mlflow 5000:5000."
  value       = local.tracking_uri
}

output "service_account" {
  description = "The server's service account (NAMESPACE/NAME)."
  value       = "${kubernetes_namespace_v1.this.metadata[0].name}/mlflow"
}

output "admin_secret" {
  description = "The secret (NAMESPACE/NAME) with the password of the user admin, under the key admin-password."
  value       = "${kubernetes_namespace_v1.this.metadata[0].name}/${kubernetes_secret_v1.server.metadata[0].name}"
}

output "client_secrets" {
  description = "The secret by namespace that holds MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, for a platform document."
  value       = { for namespace, secret in kubernetes_secret_v1.clients : namespace => secret.metadata[0].name }
}
