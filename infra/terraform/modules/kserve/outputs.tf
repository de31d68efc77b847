locals {
  ingress_host = local.envoy ? "${local.gateway_name}.${local.envoy_namespace}.svc.cluster.local" : (local.standard ? null : "kourier.knative-serving.svc.cluster.local")
}

output "deployment_mode" {
  description = "KServe's deployment mode: Standard or Knative."
  value       = var.deployment_mode
}

output "namespace" {
  description = "KServe's own namespace."
  value       = kubernetes_namespace_v1.this["kserve"].metadata[0].name
}

output "models_namespace" {
  description = "The namespace of the models, for the destination of push_model and for the module kubeflow."
  value       = kubernetes_namespace_v1.this["models"].metadata[0].name
}

output "service_account" {
  description = "The service account of the models (NAMESPACE/NAME)."
  value       = "${kubernetes_service_account_v1.serving.metadata[0].namespace}/${kubernetes_service_account_v1.serving.metadata[0].name}"
}

output "ingress_host" {
  description = "The name of the gateway in the cluster. To reach a model, send the Host header NAME-NAMESPACE.DOMAIN (Standard) or NAME-predictor.NAMESPACE.DOMAIN (Knative). Null if the cluster has its own gateway."
  value       = local.ingress_host
}

output "domain" {
  description = "The domain in the URLs of the models."
  value       = var.domain
}

output "destination" {
  description = "The destination for push_model, with NAME in place of the name of the model."
  value       = "kserve://${kubernetes_namespace_v1.this["models"].metadata[0].name}/NAME?mode=${lower(var.deployment_mode)}${local.ingress_host == null ? "" : "&gateway=http://${local.ingress_host}"}"
}
