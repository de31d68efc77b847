terraform {
  required_version = ">= 1.9"

  # Bucket, endpoint and region come with `terraform init -backend-config=backend.hcl`.
  backend "s3" {
    key = "penstock/kubernetes.tfstate"
  }

  required_providers {
    helm = {
      source  = "hashicorp/helm"
      version = "~> 3.1"
    }
    kubernetes = {
      source  = "hashicorp/kubernetes"
      version = "~> 2.38"
    }
    random = {
      source  = "hashicorp/random"
      version = "~> 3.7"
    }
  }
}
