variables {
  contexts = {
    vertex = {
      settings   = { target = "vertex", project = "demo-project", encryption_key = null }
      parameters = { destination = "vertex://demo-project/europe-west4/1234567890" }
    }
    kubeflow = {
      settings   = { target = "kubeflow", host = "http://ml-pipeline-ui.kubeflow.svc.cluster.local" }
      parameters = { destination = "kserve://models/flights?mode=standard&gateway=http://gateway", tracking_uri = "he said \"yes\"" }
    }
  }

  platform = {
    namespace = "kubeflow"
    service_accounts = {
      pipeline-runner  = "kubeflow/pipeline-runner"
      penstock-trainer = "kubeflow/penstock-trainer"
      penstock-pusher  = "kubeflow/penstock-pusher"
      penstock-serving = "models/penstock-serving"
    }
    accelerators = {
      l4 = { node_selectors = { "cloud.google.com/gke-accelerator" = "nvidia-l4" }, tolerations = [{ key = "nvidia.com/gpu", effect = "NoSchedule" }] }
    }
    environment_secrets = { penstock-mlflow = ["MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"] }
  }
}

run "what_goes_in_comes_out" {
  # Read as TOML's tables and strings are.
  assert {
    condition = {
      for table in split("\n[", trimprefix(output.penstock_toml, "[")) :
      split("]\n", table)[0] => { for line in regexall("(?m)^(\\w+) = (.+)$", split("]\n", table)[1]) : line[0] => jsondecode(line[1]) }
      } == {
      "contexts.kubeflow"            = { target = "kubeflow", host = "http://ml-pipeline-ui.kubeflow.svc.cluster.local" }
      "contexts.kubeflow.parameters" = { destination = "kserve://models/flights?mode=standard&gateway=http://gateway", tracking_uri = "he said \"yes\"" }
      "contexts.vertex"              = { target = "vertex", project = "demo-project" }
      "contexts.vertex.parameters"   = { destination = "vertex://demo-project/europe-west4/1234567890" }
    }
    error_message = "every setting is there once, quoted, and nothing that is null"
  }

  assert {
    condition = yamldecode(output.platform_settings) == {
      namespace           = "kubeflow"
      service_account     = "pipeline-runner"
      serving             = { namespace = "models", service_account = "penstock-serving" }
      environment_secrets = { penstock-mlflow = ["MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"] }
      accelerators = {
        l4 = {
          resource        = "nvidia.com/gpu"
          service_account = "penstock-trainer"
          node_selectors  = { "cloud.google.com/gke-accelerator" = "nvidia-l4" }
          tolerations     = [{ key = "nvidia.com/gpu", operator = "Exists", effect = "NoSchedule" }]
        }
      }
    }
    error_message = "tasks that ask for a GPU are sent to its nodes, as the account that trains"
  }
}

run "no_kubernetes_no_platform" {
  variables {
    platform = null
  }

  assert {
    condition     = output.platform_settings == ""
    error_message = "there is nothing to say"
  }
}

run "an_unknown_target_is_refused" {
  command = plan

  variables {
    contexts = { airflow = { settings = { target = "airflow" } } }
  }

  expect_failures = [var.contexts]
}

run "a_service_account_without_a_namespace_is_refused" {
  command = plan

  variables {
    platform = { namespace = "kubeflow", service_accounts = { pipeline-runner = "pipeline-runner", penstock-trainer = "a/b", penstock-pusher = "a/b", penstock-serving = "a/b" } }
  }

  expect_failures = [var.platform]
}
