output "namespace" {
  description = "MLflow's namespace."
  value       = kubernetes_namespace_v1.this.metadata[0].name
}

output "tracking_uri" {
  description = "The URL of the tracking server and registry inside the cluster. From outside, run: kubectl -n mlflow port-forward service/mlflow-mlflow 5000:5000."
  value       = local.tracking_uri
}

output "service_account" {
  description = "The service account of the server (NAMESPACE/NAME)."
  value       = "${kubernetes_namespace_v1.this.metadata[0].name}/mlflow"
}

output "admin_secret" {
  description = "The secret (NAMESPACE/NAME) with the password of the user admin, under the key admin-password."
  value       = "${kubernetes_namespace_v1.this.metadata[0].name}/${kubernetes_secret_v1.server.metadata[0].name}"
}

output "client_secrets" {
  description = "The secret with MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, by namespace, for the platform settings."
  value       = { for namespace, secret in kubernetes_secret_v1.clients : namespace => secret.metadata[0].name }
}
