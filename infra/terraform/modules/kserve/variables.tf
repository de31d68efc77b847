variable "deployment_mode" {
  type        = string
  description = "KServe's deployment mode: Standard (Deployments behind the Gateway API) or Knative (revisions, which can scale to zero). It corresponds to mode= in the destination of push_model."
  default     = "Standard"

  validation {
    condition     = contains(["Standard", "Knative"], var.deployment_mode)
    error_message = "deployment_mode must be Standard or Knative."
  }
}

variable "kserve_version" {
  type        = string
  description = "The version of the charts kserve-crd and kserve-resources in oci://ghcr.io/kserve/charts. v0.20.0 is tested. In the mode Standard it does not split traffic, so push_model rejects the strategy canary: use blue_green, the mode Knative, or a later version, which was tested only before its release."
  default     = "v0.20.0"

  validation {
    condition     = can(regex("^v(0\\.[2-9][0-9]|[1-9][0-9]*\\.[0-9]+)\\.[0-9]+$", var.kserve_version))
    error_message = "kserve_version must be v0.20.0 or newer, which exchanges models without a restart."
  }
}

variable "cert_manager_version" {
  type        = string
  description = "The version of the chart cert-manager in oci://quay.io/jetstack/charts. Null if the cluster already has cert-manager."
  default     = "v1.21.1"

  validation {
    condition     = var.cert_manager_version == null || can(regex("^v[0-9]+\\.[0-9]+\\.[0-9]+$", var.cert_manager_version))
    error_message = "cert_manager_version must be one version of the chart, such as v1.21.1."
  }
}

variable "gateway" {
  type = object({
    envoy_version = optional(string, "v1.8.1")
    class         = optional(string)
  })
  description = "For the mode Standard: the version of the chart gateway-helm (Envoy Gateway) in oci://docker.io/envoyproxy, or the name of a GatewayClass that the cluster already has."
  default     = {}

  validation {
    condition     = can(regex("^v[0-9]+\\.[0-9]+\\.[0-9]+$", var.gateway.envoy_version))
    error_message = "envoy_version must be one version of the chart, such as v1.8.1."
  }
}

variable "knative_version" {
  type        = string
  description = "For the mode Knative: the version of github.com/knative/operator, and of the Knative Serving that it installs."
  default     = "1.21.1"

  validation {
    condition     = can(regex("^1\\.[0-9]+\\.[0-9]+$", var.knative_version))
    error_message = "knative_version must be one release, such as 1.21.1."
  }
}

variable "exposure" {
  type = object({
    type        = optional(string, "ClusterIP")
    annotations = optional(map(string), {})
  })
  description = "The type of the gateway's Service: ClusterIP (reachable in the cluster only) or LoadBalancer. Annotations can make a load balancer internal, such as { \"networking.gke.io/load-balancer-type\" = \"Internal\" }."
  default     = {}

  validation {
    condition     = contains(["ClusterIP", "LoadBalancer"], var.exposure.type)
    error_message = "type must be ClusterIP or LoadBalancer."
  }
}

variable "domain" {
  type        = string
  description = "The domain in the URLs of the models. Point *.DOMAIN to the load balancer, or send these names as the Host header to the gateway."
  default     = "models.internal"

  validation {
    condition     = can(regex("^[a-z0-9][-a-z0-9]*([.][a-z0-9][-a-z0-9]*)+$", var.domain)) && var.domain != "example.com"
    error_message = "domain must be a domain of your own, such as models.internal, without a scheme."
  }
}

variable "service_account_annotations" {
  type        = map(string)
  description = "The annotations of the service account models/penstock-serving, which the models use, such as iam.gke.io/gcp-service-account or eks.amazonaws.com/role-arn."
  default     = {}
}

variable "s3" {
  type = object({
    endpoint = optional(string, "s3.amazonaws.com")
    region   = optional(string, "us-east-1")
    tls      = optional(bool, true)
    secret   = optional(string)
  })
  description = "The store of s3:// models: its endpoint (HOST or HOST:PORT), its region, whether it uses TLS, and a secret in the namespace models with the keys AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY. Without a secret, the service account must have access."
  default     = null

  validation {
    condition     = var.s3 == null || can(regex("^[A-Za-z0-9][-.A-Za-z0-9]*(:[0-9]+)?$", var.s3.endpoint))
    error_message = "endpoint must be HOST or HOST:PORT, without a scheme."
  }
}

variable "labels" {
  type        = map(string)
  description = "The labels of every Kubernetes object in this module."
  default     = {}
}
