variable "chart_version" {
  type        = string
  description = "The version of the MLflow chart, oci://ghcr.io/mlflow/charts/mlflow."
  default     = "0.1.0"

  validation {
    condition     = can(regex("^[0-9]+\\.[0-9]+\\.[0-9]+$", var.chart_version))
    error_message = "chart_version must be one version of the chart, such as 0.1.0."
  }
}

variable "mlflow_version" {
  type        = string
  description = "The version of MLflow, for the image ghcr.io/mlflow/mlflow:vVERSION-full. It must not be older than the client in Penstock's images."
  default     = "3.17.2"

  validation {
    condition     = can(regex("^3\\.[0-9]+\\.[0-9]+$", var.mlflow_version))
    error_message = "mlflow_version must be a release of MLflow 3, such as 3.17.2."
  }
}

variable "replicas" {
  type        = number
  description = "The number of replicas of the tracking server."
  default     = 1

  validation {
    condition     = var.replicas >= 1 && floor(var.replicas) == var.replicas
    error_message = "the number of replicas must be at least 1."
  }
}

variable "artifacts_url" {
  type        = string
  description = "The location of the artifacts of the server: gs://BUCKET/PREFIX or s3://BUCKET/PREFIX. Clients send them through the server and need no access to the bucket."

  validation {
    condition     = can(regex("^(gs|s3)://[a-z0-9][-_.a-z0-9]+(/[^?#]+)?$", var.artifacts_url))
    error_message = "artifacts_url must be gs://BUCKET/PREFIX or s3://BUCKET/PREFIX."
  }
}

variable "s3" {
  type = object({
    endpoint = optional(string)
    region   = optional(string, "us-east-1")
    secret   = optional(string)
  })
  description = "For s3://: the URL of the endpoint if it is not AWS, the region, and a secret in the namespace mlflow with the keys AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY. Without a secret, the service account must have access."
  default     = null

  validation {
    condition     = can(regex("^https?://[^/]+$", try(var.s3.endpoint, null) == null ? "https://s3.amazonaws.com" : var.s3.endpoint))
    error_message = "endpoint must be a URL without a path, such as https://minio.example.org:9000."
  }

  validation {
    condition     = var.s3 == null || startswith(var.artifacts_url, "s3://")
    error_message = "s3 is valid only with artifacts on s3://."
  }
}

variable "database" {
  type = object({
    host    = string
    port    = optional(number, 5432)
    name    = optional(string, "mlflow")
    sslmode = optional(string, "require")
    secret  = string
  })
  description = "An external PostgreSQL server, such as a private Cloud SQL instance: its host, its port, the database, the sslmode, and the secret in the namespace mlflow with the keys username and password. Null creates one in the cluster."
  default     = null

  validation {
    condition     = var.database == null || can(regex("^[A-Za-z0-9][-.A-Za-z0-9]*$", var.database.host))
    error_message = "host must be a name or an address, without a scheme and a port."
  }

  validation {
    condition     = var.database == null || try(contains(["prefer", "require", "verify-ca", "verify-full"], var.database.sslmode), false)
    error_message = "sslmode must be prefer, require, verify-ca or verify-full."
  }
}

variable "postgres_image" {
  type        = string
  description = "The image of the database in the cluster."
  default     = "docker.io/library/postgres:17.6"

  validation {
    condition     = can(regex(":[0-9]+[.][0-9]+|@sha256:", var.postgres_image))
    error_message = "postgres_image must name one minor version or a digest."
  }
}

variable "volume_size" {
  type        = string
  description = "The size of the volume of the database in the cluster."
  default     = "20Gi"

  validation {
    condition     = can(regex("^[1-9][0-9]*(Gi|Ti)$", var.volume_size))
    error_message = "volume_size must be a number of Gi or Ti."
  }
}

variable "service_account_annotations" {
  type        = map(string)
  description = "The annotations of the service account mlflow/mlflow, which the server uses, such as iam.gke.io/gcp-service-account or eks.amazonaws.com/role-arn."
  default     = {}
}

variable "allowed_hosts" {
  type        = set(string)
  description = "Additional names in the Host header of requests, such as that of an ingress. The server rejects any other name that is not its own in the cluster."
  default     = []

  validation {
    condition     = !contains(var.allowed_hosts, "*")
    error_message = "a wildcard for all names is not allowed, because it disables MLflow's protection against DNS rebinding."
  }
}

variable "client_namespaces" {
  type        = set(string)
  description = "The namespaces of clients, such as kubeflow. Each gets the secret penstock-mlflow with MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD of a user without administrator rights."
  default     = []
}

variable "labels" {
  type        = map(string)
  description = "The labels of every Kubernetes object in this module."
  default     = {}
}
