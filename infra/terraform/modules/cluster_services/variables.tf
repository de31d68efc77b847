variable "artifacts_url" {
  type        = string
  description = "The bucket of the pipelines' artifacts, gs://NAME or s3://NAME."

  validation {
    condition     = can(regex("^(gs|s3)://[a-z0-9][-_.a-z0-9]+$", var.artifacts_url))
    error_message = "artifacts_url is a bucket, gs://NAME or s3://NAME."
  }
}

variable "tracking_url" {
  type        = string
  description = "The bucket of MLflow's artifacts, which MLflow alone writes. Null: artifacts_url."
  default     = null

  validation {
    condition     = var.tracking_url == null || can(regex("^(gs|s3)://[a-z0-9][-_.a-z0-9]+$", var.tracking_url))
    error_message = "tracking_url is a bucket, gs://NAME or s3://NAME."
  }
}

variable "models_url" {
  type        = string
  description = "The bucket from which pods load the models that serve: push_model copies them there. Let nobody write it who trains. Null: artifacts_url, where training writes too."
  default     = null

  validation {
    condition     = var.models_url == null || can(regex("^(gs|s3)://[a-z0-9][-_.a-z0-9]+$", var.models_url))
    error_message = "models_url is a bucket, gs://NAME or s3://NAME."
  }
}

variable "s3" {
  type = object({
    endpoint = optional(string, "s3.amazonaws.com")
    region   = optional(string, "us-east-1")
    tls      = optional(bool, true)
  })
  description = "Where the buckets are, if it is of S3 or something like it: HOST or HOST:PORT, the region, and whether it speaks TLS. Null: gs://."
  default     = null

  validation {
    condition     = (var.s3 != null) == startswith(var.artifacts_url, "s3://")
    error_message = "s3 is given with artifacts_url = \"s3://NAME\", and with no other."
  }
}

variable "s3_credentials" {
  type        = object({ access_key_id = string, secret_access_key = string })
  description = "What opens the bucket of s3. Null: the service accounts have access, by their annotations."
  default     = null
  sensitive   = true
}

variable "databases" {
  type        = map(object({ host = string, port = number, name = string, user = string }))
  description = "The databases outside of the cluster: kubeflow (MySQL) and mlflow (PostgreSQL). The one that is not given is in the cluster."
  default     = {}

  validation {
    condition     = length(setsubtract(keys(var.databases), ["kubeflow", "mlflow"])) == 0
    error_message = "databases are kubeflow and mlflow."
  }
}

variable "database_passwords" {
  type        = map(string)
  description = "The passwords of databases, by the same names."
  default     = {}
  sensitive   = true
}

variable "service_account_annotations" {
  type        = map(map(string))
  description = "Annotations by service account (NAMESPACE/NAME), such as iam.gke.io/gcp-service-account or eks.amazonaws.com/role-arn: what it is outside of the cluster."
  default     = {}

  validation {
    condition = length(setsubtract(keys(var.service_account_annotations), [
      "kubeflow/pipeline-runner", "kubeflow/penstock-trainer", "kubeflow/penstock-pusher", "kubeflow/ml-pipeline-ui", "models/penstock-serving", "mlflow/mlflow",
    ])) == 0
    error_message = "no other service account touches storage: see the module's README."
  }
}

variable "deployment_mode" {
  type        = string
  description = "How KServe runs models: Standard or Knative."
  default     = "Standard"
}

variable "exposure" {
  type        = object({ type = optional(string, "ClusterIP"), annotations = optional(map(string), {}) })
  description = "Who reaches the models: the cluster (ClusterIP), or whoever reaches a load balancer (LoadBalancer)."
  default     = {}
}

variable "domain" {
  type        = string
  description = "The domain of the models' URLs."
  default     = "models.internal"
}

variable "model" {
  type        = string
  description = "The name of the InferenceService that pipelines release to unless they say otherwise."
  default     = "penstock"

  validation {
    condition     = can(regex("^[a-z]([-a-z0-9]{0,35}[a-z0-9])?$", var.model))
    error_message = "model has up to 37 lower-case letters, digits and hyphens, and starts with a letter."
  }
}

variable "models" {
  type        = set(string)
  description = "Further InferenceServices that pipelines may change and delete; of others they can only make new ones."
  default     = []
}

variable "operators" {
  type        = set(object({ kind = string, name = string }))
  description = "Who may release by hand, with a kubeconfig from outside of the cluster (penstock status, promote, rollback): users or groups, such as [{ kind = \"Group\", name = \"on-call@example.org\" }]. They may ask every Service in the models' namespace."
  default     = []
}

variable "experiment" {
  type        = string
  description = "The experiment of runs that name none."
  default     = "penstock"
}

variable "flux_version" {
  type        = string
  description = "The version of the chart flux2. Null: the cluster has Flux already."
  default     = "2.18.3"
}

variable "cert_manager_version" {
  type        = string
  description = "The version of the chart cert-manager. Null: the cluster has cert-manager already."
  default     = "v1.21.1"
}

variable "gateway_class" {
  type        = string
  description = "The cluster's own class of the Gateway API. Null: Envoy Gateway is installed."
  default     = null
}

variable "metrics" {
  type        = string
  description = "What collects the models' metrics: google (managed Prometheus on GKE) or prometheus-operator (its kind PodMonitor is there). Null: nothing."
  default     = null

  validation {
    condition     = var.metrics == null || contains(["google", "prometheus-operator"], coalesce(var.metrics, "none"))
    error_message = "metrics is google or prometheus-operator."
  }
}

variable "ingress_namespaces" {
  type        = map(set(string))
  description = "Further namespaces that may ask the pods of kubeflow, models and mlflow, such as { models = [\"istio-system\"], kubeflow = [\"ingress-nginx\"] }: a gateway of the cluster's own, an ingress, a mesh."
  default     = {}

  validation {
    condition     = length(setsubtract(keys(var.ingress_namespaces), ["kubeflow", "models", "mlflow"])) == 0
    error_message = "ingress_namespaces are for kubeflow, models and mlflow."
  }
}

variable "quota" {
  type        = map(string)
  description = "What all pods of pipelines may have together, such as { \"requests.nvidia.com/gpu\" = \"4\" }."
  default     = {}
}

variable "labels" {
  type        = map(string)
  description = "Labels of every Kubernetes object that can have some."
  default     = {}
}
