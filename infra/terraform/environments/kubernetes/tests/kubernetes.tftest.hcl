mock_provider "helm" {}

mock_provider "kubernetes" {}

mock_provider "random" {}

variables {
  artifacts_url  = "s3://models"
  s3             = { endpoint = "minio.example.org:9000" }
  s3_credentials = { access_key_id = "somebody", secret_access_key = "secret" }
  accelerators   = { a100 = { node_selectors = { "nvidia.com/gpu.product" = "NVIDIA-A100-SXM4-40GB" }, tolerations = [{ key = "nvidia.com/gpu" }] } }
}

run "penstock_toml_is_what_was_made" {
  command = plan

  assert {
    condition = {
      for table in split("\n[", trimprefix(output.penstock_toml, "[")) :
      split("]\n", table)[0] => { for line in regexall("(?m)^(\\w+) = (.+)$", split("]\n", table)[1]) : line[0] => jsondecode(line[1]) }
      } == {
      "contexts.kubeflow" = {
        target          = "kubeflow"
        host            = "http://ml-pipeline-ui.kubeflow.svc.cluster.local"
        namespace       = "kubeflow"
        pipeline_root   = "s3://models/pipelines"
        experiment      = "penstock"
        service_account = "pipeline-runner"
      }
      "contexts.kubeflow.parameters" = {
        destination  = module.services.context.parameters.destination
        tracking_uri = "http://mlflow-mlflow.mlflow.svc.cluster.local:5000"
        registry_uri = "http://mlflow-mlflow.mlflow.svc.cluster.local:5000"
      }
    }
    error_message = "penstock.toml names what the modules made"
  }

  assert {
    condition     = yamldecode(output.platform_settings).accelerators.a100 == { resource = "nvidia.com/gpu", service_account = "penstock-trainer", node_selectors = { "nvidia.com/gpu.product" = "NVIDIA-A100-SXM4-40GB" }, tolerations = [{ key = "nvidia.com/gpu", operator = "Exists" }] }
    error_message = "tasks that ask for a GPU are told how this cluster's nodes are labelled"
  }

  assert {
    condition     = !strcontains("${output.penstock_toml}${output.platform_settings}", "google") && !strcontains("${output.penstock_toml}${output.platform_settings}", "gke")
    error_message = "nothing here is Google's"
  }

  assert {
    condition     = !strcontains("${output.penstock_toml}${output.platform_settings}", "secret_access_key") && !strcontains(output.penstock_toml, var.s3_credentials.secret_access_key)
    error_message = "no credentials are written down"
  }
}

run "roles_instead_of_keys" {
  command = plan

  variables {
    s3                          = { region = "eu-central-1" }
    s3_credentials              = null
    service_account_annotations = { "models/penstock-serving" = { "eks.amazonaws.com/role-arn" = "arn:aws:iam::123456789012:role/serving" } }
  }

  assert {
    condition     = strcontains(output.penstock_toml, "pipeline_root = \"s3://models/pipelines\"")
    error_message = "the bucket is the same, without keys"
  }
}

run "a_bucket_without_its_endpoint_is_refused" {
  command = plan

  variables {
    s3 = null
  }

  expect_failures = [var.s3]
}
