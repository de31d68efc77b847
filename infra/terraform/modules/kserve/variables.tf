variable "deployment_mode" {
  type        = string
  description = "How KServe runs models: Standard (Deployments behind the Gateway API) or Knative (revisions, which scale to zero). It is the mode= of push_model's destination."
  default     = "Standard"

  validation {
    condition     = contains(["Standard", "Knative"], var.deployment_mode)
    error_message = "deployment_mode is Standard or Knative."
  }
}

variable "kserve_version" {
  type        = string
  description = "The version of the charts kserve-crd and kserve-resources of oci://ghcr.io/kserve/charts. v0.20.0 was tried. In mode Standard it splits no traffic, so that push_model refuses strategy canary there: use blue_green, mode Knative, or a later version, of which only the state before its release was tried."
  default     = "v0.20.0"

  validation {
    condition     = can(regex("^v(0\\.[2-9][0-9]|[1-9][0-9]*\\.[0-9]+)\\.[0-9]+$", var.kserve_version))
    error_message = "kserve_version is v0.20.0 or newer: models are exchanged without a restart from it on."
  }
}

variable "cert_manager_version" {
  type        = string
  description = "The version of the chart cert-manager of oci://quay.io/jetstack/charts. Null: the cluster has cert-manager already."
  default     = "v1.21.1"

  validation {
    condition     = var.cert_manager_version == null || can(regex("^v[0-9]+\\.[0-9]+\\.[0-9]+$", var.cert_manager_version))
    error_message = "cert_manager_version is one version of the chart, such as v1.21.1."
  }
}

variable "gateway" {
  type = object({
    envoy_version = optional(string, "v1.8.1")
    class         = optional(string)
  })
  description = "Mode Standard: the version of the chart gateway-helm (Envoy Gateway) of oci://docker.io/envoyproxy; or the name of a class of the Gateway API that the cluster has, instead."
  default     = {}

  validation {
    condition     = can(regex("^v[0-9]+\\.[0-9]+\\.[0-9]+$", var.gateway.envoy_version))
    error_message = "envoy_version is one version of the chart, such as v1.8.1."
  }
}

variable "knative_version" {
  type        = string
  description = "Mode Knative: the release of github.com/knative/operator, and of the Knative Serving that it installs."
  default     = "1.21.1"

  validation {
    condition     = can(regex("^1\\.[0-9]+\\.[0-9]+$", var.knative_version))
    error_message = "knative_version is one release, such as 1.21.1."
  }
}

variable "exposure" {
  type = object({
    type        = optional(string, "ClusterIP")
    annotations = optional(map(string), {})
  })
  description = "Who reaches the models: the cluster (ClusterIP), or whoever reaches a load balancer (LoadBalancer), whose annotations make it internal where the cloud has such, e.g. { \"networking.gke.io/load-balancer-type\" = \"Internal\" }."
  default     = {}

  validation {
    condition     = contains(["ClusterIP", "LoadBalancer"], var.exposure.type)
    error_message = "type is ClusterIP or LoadBalancer."
  }
}

variable "domain" {
  type        = string
  description = "The domain of the models' URLs. Point *.DOMAIN to the load balancer, or ask the gateway with these names as Host header."
  default     = "models.internal"

  validation {
    condition     = can(regex("^[a-z0-9][-a-z0-9]*([.][a-z0-9][-a-z0-9]*)+$", var.domain)) && var.domain != "example.com"
    error_message = "domain is a domain of your own, such as models.internal, without a scheme."
  }
}

variable "service_account_annotations" {
  type        = map(string)
  description = "Annotations of the models' service account models/penstock-serving, such as iam.gke.io/gcp-service-account or eks.amazonaws.com/role-arn."
  default     = {}
}

variable "s3" {
  type = object({
    endpoint = optional(string, "s3.amazonaws.com")
    region   = optional(string, "us-east-1")
    tls      = optional(bool, true)
    secret   = optional(string)
  })
  description = "Where s3:// models are read from: endpoint (HOST or HOST:PORT), region, whether it speaks TLS, and a secret in the namespace models with the keys AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY. Without a secret the service account has access."
  default     = null

  validation {
    condition     = var.s3 == null || can(regex("^[A-Za-z0-9][-.A-Za-z0-9]*(:[0-9]+)?$", var.s3.endpoint))
    error_message = "endpoint is HOST or HOST:PORT, without a scheme."
  }
}

variable "labels" {
  type        = map(string)
  description = "Labels of every Kubernetes object of this module."
  default     = {}
}
