locals {
  ingress_host = local.envoy ? "${local.gateway_name}.${local.envoy_namespace}.svc.cluster.local" : (local.standard ? null : "kourier.knative-serving.svc.cluster.local")
}

output "deployment_mode" {
  description = "How KServe runs models: Standard or Knative."
  value       = var.deployment_mode
}

output "namespace" {
  description = "KServe's own namespace."
  value       = kubernetes_namespace_v1.this["kserve"].metadata[0].name
}

output "models_namespace" {
  description = "The namespace of the models, for push_model's destination and the module kubeflow."
  value       = kubernetes_namespace_v1.this["models"].metadata[0].name
}

output "service_account" {
  description = "The models' service account (NAMESPACE/NAME)."
  value       = "${kubernetes_service_account_v1.serving.metadata[0].namespace}/${kubernetes_service_account_v1.serving.metadata[0].name}"
}

output "ingress_host" {
  description = "The gateway's name in the cluster; models answer there to a Host header NAME-NAMESPACE.DOMAIN (Standard) or NAME-predictor.NAMESPACE.DOMAIN (Knative). Null where the cluster has its own gateway."
  value       = local.ingress_host
}

output "domain" {
  description = "The domain of the models' URLs."
  value       = var.domain
}

output "destination" {
  description = "push_model's destination, with NAME in the place of the model's."
  value       = "kserve://${kubernetes_namespace_v1.this["models"].metadata[0].name}/NAME?mode=${lower(var.deployment_mode)}${local.ingress_host == null ? "" : "&gateway=http://${local.ingress_host}"}"
}
