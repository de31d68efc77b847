variable "artifacts_url" {
  type        = string
  description = "The bucket for the artifacts of the pipelines, gs://NAME or s3://NAME."

  validation {
    condition     = can(regex("^(gs|s3)://[a-z0-9][-_.a-z0-9]+$", var.artifacts_url))
    error_message = "artifacts_url must be a bucket, gs://NAME or s3://NAME."
  }
}

variable "tracking_url" {
  type        = string
  description = "The bucket for the artifacts of MLflow, to which only MLflow writes. Null: artifacts_url."
  default     = null

  validation {
    condition     = var.tracking_url == null || can(regex("^(gs|s3)://[a-z0-9][-_.a-z0-9]+$", var.tracking_url))
    error_message = "tracking_url must be a bucket, gs://NAME or s3://NAME."
  }
}

variable "models_url" {
  type        = string
  description = "The bucket to which push_model copies the models and from which the serving pods load them. Do not give training write access to it. Null: artifacts_url, to which training also writes."
  default     = null

  validation {
    condition     = var.models_url == null || can(regex("^(gs|s3)://[a-z0-9][-_.a-z0-9]+$", var.models_url))
    error_message = "models_url must be a bucket, gs://NAME or s3://NAME."
  }
}

variable "s3" {
  type = object({
    endpoint = optional(string, "s3.amazonaws.com")
    region   = optional(string, "us-east-1")
    tls      = optional(bool, true)
  })
  description = "The store of the buckets, if it is compatible with S3: its endpoint (HOST or HOST:PORT), its region, and whether it uses TLS. Null for gs://."
  default     = null

  validation {
    condition     = (var.s3 != null) == startswith(var.artifacts_url, "s3://")
    error_message = "s3 must be set if artifacts_url is s3://NAME, and only then."
  }
}

variable "s3_credentials" {
  type        = object({ access_key_id = string, secret_access_key = string })
  description = "The credentials for the bucket of s3. Null if the service accounts have access through their annotations."
  default     = null
  sensitive   = true
}

variable "databases" {
  type        = map(object({ host = string, port = number, name = string, user = string }))
  description = "The databases outside the cluster: kubeflow (MySQL) and mlflow (PostgreSQL). A database that is not given is created in the cluster."
  default     = {}

  validation {
    condition     = length(setsubtract(keys(var.databases), ["kubeflow", "mlflow"])) == 0
    error_message = "the keys of databases must be kubeflow or mlflow."
  }
}

variable "database_passwords" {
  type        = map(string)
  description = "The passwords of the databases, by the same names."
  default     = {}
  sensitive   = true
}

variable "service_account_annotations" {
  type        = map(map(string))
  description = "The annotations of each service account (NAMESPACE/NAME) that give it an identity outside the cluster, such as iam.gke.io/gcp-service-account or eks.amazonaws.com/role-arn."
  default     = {}

  validation {
    condition = length(setsubtract(keys(var.service_account_annotations), [
      "kubeflow/pipeline-runner", "kubeflow/penstock-trainer", "kubeflow/penstock-pusher", "kubeflow/ml-pipeline-ui", "models/penstock-serving", "mlflow/mlflow",
    ])) == 0
    error_message = "only the service accounts in the README of this module may have annotations."
  }
}

variable "deployment_mode" {
  type        = string
  description = "KServe's deployment mode: Standard or Knative."
  default     = "Standard"
}

variable "exposure" {
  type        = object({ type = optional(string, "ClusterIP"), annotations = optional(map(string), {}) })
  description = "The type of the gateway's Service: ClusterIP (reachable in the cluster only) or LoadBalancer."
  default     = {}
}

variable "domain" {
  type        = string
  description = "The domain in the URLs of the models."
  default     = "models.internal"
}

variable "model" {
  type        = string
  description = "The name of the InferenceService that is the default destination of pipelines."
  default     = "penstock"

  validation {
    condition     = can(regex("^[a-z]([-a-z0-9]{0,35}[a-z0-9])?$", var.model))
    error_message = "model must have at most 37 lower-case letters, digits and hyphens, and start with a letter."
  }
}

variable "models" {
  type        = set(string)
  description = "Additional InferenceServices that pipelines may change and delete. Pipelines may create others, but not change them."
  default     = []
}

variable "operators" {
  type        = set(object({ kind = string, name = string }))
  description = "The users or groups that may release manually with a kubeconfig from outside the cluster (penstock status, promote, rollback), such as [{ kind = \"Group\", name = \"on-call@example.org\" }]. They may send requests to every Service in the namespace of the models."
  default     = []
}

variable "experiment" {
  type        = string
  description = "The default experiment of runs."
  default     = "penstock"
}

variable "flux_version" {
  type        = string
  description = "The version of the chart flux2. Null if the cluster already has Flux."
  default     = "2.18.3"
}

variable "cert_manager_version" {
  type        = string
  description = "The version of the chart cert-manager. Null if the cluster already has cert-manager."
  default     = "v1.21.1"
}

variable "gateway_class" {
  type        = string
  description = "The GatewayClass of the cluster. Null installs Envoy Gateway."
  default     = null
}

variable "metrics" {
  type        = string
  description = "The collector of the metrics of the models, and of the figures that monitor_model sends to a Pushgateway here: google (managed Prometheus on GKE) or prometheus-operator (the cluster has its kind PodMonitor). Null: neither is installed."
  default     = null

  validation {
    condition     = var.metrics == null || contains(["google", "prometheus-operator"], coalesce(var.metrics, "none"))
    error_message = "metrics must be google or prometheus-operator."
  }
}

variable "alert_limits" {
  type        = map(number)
  description = "Other limits than those of infra/monitoring/rules.yaml, by the alert's name, such as { PenstockErrorRate = 0.05 }."
  default     = {}
}

variable "ingress_namespaces" {
  type        = map(set(string))
  description = "Additional namespaces that may connect to the pods of kubeflow, models and mlflow, for a gateway, an ingress or a service mesh of the cluster, such as { models = [\"istio-system\"], kubeflow = [\"ingress-nginx\"] }."
  default     = {}

  validation {
    condition     = length(setsubtract(keys(var.ingress_namespaces), ["kubeflow", "models", "mlflow"])) == 0
    error_message = "the keys of ingress_namespaces must be kubeflow, models or mlflow."
  }
}

variable "quota" {
  type        = map(string)
  description = "The resource quota of the pods of pipelines, such as { \"requests.nvidia.com/gpu\" = \"4\" }."
  default     = {}
}

variable "training" {
  type = object({
    requests      = optional(map(string), {})
    limits        = optional(map(string), {})
    node_selector = optional(map(string), {})
    tolerations   = optional(list(map(string)), [])
    secrets       = optional(list(string), [])
  })
  description = "The workers of train_model that are pods of a TrainJob: their resources, such as {\"nvidia.com/gpu\" = \"1\"} as limits, their nodes, and the secrets whose keys are their environment variables, such as the object store's credentials. The cluster needs Kubeflow Trainer v2. Null: tasks start no TrainJobs."
  default     = null
}

variable "labels" {
  type        = map(string)
  description = "The labels of every Kubernetes object that supports them."
  default     = {}
}
