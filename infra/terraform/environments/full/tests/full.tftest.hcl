# What is made is known in the plan here, so that the outputs can be read.
mock_provider "google" {
  override_during = plan

  mock_data "google_project" {
    defaults = {
      number = "123456789012"
    }
  }

  mock_resource "google_kms_crypto_key" {
    defaults = {
      id = "projects/demo-project/locations/europe-west4/keyRings/penstock-keys/cryptoKeys/penstock-key"
    }
  }

  mock_resource "google_sql_database_instance" {
    defaults = {
      private_ip_address = "10.100.0.2"
    }
  }
}

mock_provider "google-beta" {}

mock_provider "helm" {}

mock_provider "kubernetes" {}

mock_provider "random" {
  override_during = plan

  mock_resource "random_integer" {
    defaults = {
      result = 1234567890
    }
  }
}

# Nothing is applied: what must never be destroyed could not be taken away after a test.
variables {
  project_id = "demo-project"
  region     = "europe-west4"
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
        pipeline_root   = "${module.foundation.bucket_urls["artifacts"]}/pipelines"
        experiment      = "penstock"
        service_account = "pipeline-runner"
      }
      "contexts.kubeflow.parameters" = {
        destination  = module.services.context.parameters.destination
        tracking_uri = "http://mlflow-mlflow.mlflow.svc.cluster.local:5000"
        registry_uri = "http://mlflow-mlflow.mlflow.svc.cluster.local:5000"
        pushgateway  = "http://pushgateway.pushgateway.svc.cluster.local:9091"
      }
      "contexts.vertex" = {
        target          = "vertex"
        project         = "demo-project"
        location        = "europe-west4"
        pipeline_root   = module.vertex.pipeline_root
        service_account = module.foundation.emails["pipeline-runner"]
        network         = "projects/123456789012/global/networks/penstock-network"
        encryption_key  = module.foundation.key_ids["vertex"]
        experiment      = "penstock"
      }
      "contexts.vertex.parameters" = {
        destination  = "vertex://demo-project/europe-west4/1234567890?storage=${module.foundation.bucket_urls["models"]}"
        registry_uri = "vertex://demo-project/europe-west4"
      }
    }
    error_message = "penstock.toml names what the modules made"
  }

  # components/release/destinations/uri.py
  assert {
    condition     = startswith(module.services.context.parameters.destination, "kserve://models/penstock?mode=standard")
    error_message = "the destination is one that push_model takes"
  }
}

run "platform_settings_are_what_was_made" {
  command = plan

  # Named here once more: it is what people write into their own platform documents.
  assert {
    condition = yamldecode(output.platform_settings).accelerators.l4 == {
      resource        = "nvidia.com/gpu"
      service_account = "penstock-trainer"
      node_selectors  = { "cloud.google.com/gke-accelerator" = "nvidia-l4" }
      tolerations = [
        { key = "nvidia.com/gpu", operator = "Exists", effect = "NoSchedule" },
        { key = "cloud.google.com/gke-spot", operator = "Equal", value = "true", effect = "NoSchedule" },
      ]
    }
    error_message = "a task that asks for an L4 bears the taints of its spot nodes"
  }

  assert {
    condition     = [for toleration in yamldecode(output.platform_settings).accelerators.l4.tolerations : toleration.key] == [for toleration in module.gke.gpu_tolerations["l4"] : toleration.key]
    error_message = "tolerations must be the cluster's"
  }

  assert {
    condition = alltrue([for subject in [
      "kubeflow/${yamldecode(output.platform_settings).service_account}",
      "kubeflow/${yamldecode(output.platform_settings).accelerators.l4.service_account}",
      join("/", [yamldecode(output.platform_settings).serving.namespace, yamldecode(output.platform_settings).serving.service_account]),
    ] : contains(keys(module.foundation.kubernetes_service_accounts), subject)])
    error_message = "every account of the platform document is bound to one of Google's by Workload Identity"
  }

  assert {
    condition     = toset(concat(module.services.service_accounts, ["kubeflow/ml-pipeline-ui"])) == toset(keys(module.foundation.kubernetes_service_accounts))
    error_message = "the cluster's service accounts and the Workload Identity bindings have the same names"
  }

  assert {
    condition     = yamldecode(output.platform_settings).environment_secrets == { penstock-mlflow = ["MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"] }
    error_message = "tasks can sign in to MLflow"
  }
}

run "databases_can_be_in_the_cluster" {
  command = plan

  variables {
    cloud_sql = false
  }

  assert {
    condition     = length(module.sql.hosts) == 0
    error_message = "there is no Cloud SQL to pay for"
  }
}

run "databases_are_cloud_sqls" {
  command = plan

  assert {
    condition     = module.sql.hosts == { kubeflow = "10.100.0.2", mlflow = "10.100.0.2" } && module.sql.ports == { kubeflow = 3306, mlflow = 5432 }
    error_message = "Kubeflow has MySQL, MLflow PostgreSQL"
  }
}

run "workers_of_a_training_are_pods_where_there_is_a_runtime" {
  command = plan

  variables {
    training = { limits = { "nvidia.com/gpu" = "1" } }
  }

  assert {
    condition     = output.workers_at == "kubeflow://kubeflow?runtime=penstock"
    error_message = "pipelines are told where workers train"
  }
}

run "nothing_trains_elsewhere_unless_it_is_set" {
  command = plan

  assert {
    condition     = output.workers_at == null
    error_message = "without training there is no runtime"
  }
}
