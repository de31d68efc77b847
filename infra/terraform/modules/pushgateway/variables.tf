variable "image" {
  type        = string
  description = "The image of Prometheus' Pushgateway."
  default     = "quay.io/prometheus/pushgateway:v1.11.1"
}

variable "labels" {
  type        = map(string)
  description = "The labels of every Kubernetes object that supports them."
  default     = {}
}
