mock_provider "helm" {}

mock_provider "kubernetes" {}

# Nothing is applied: what must never be destroyed could not be taken away after a test.
mock_provider "random" {
  override_during = plan

  mock_resource "random_password" {
    defaults = {
      result = "a-password-that-was-made"
    }
  }
}

variables {
  artifacts_url = "gs://demo-project-penstock-artifacts/mlflow"
}

run "defaults" {
  command = plan

  assert {
    condition     = "${helm_release.this.repository}/${helm_release.this.chart}:${helm_release.this.version}" == "oci://ghcr.io/mlflow/charts/mlflow:0.1.0" && yamldecode(helm_release.this.values[0]).image == { repository = "ghcr.io/mlflow/mlflow", tag = "v3.17.2-full" }
    error_message = "chart and image are of one version each"
  }

  assert {
    condition     = yamldecode(helm_release.this.values[0]).server.value_options.app_name == "basic-auth"
    error_message = "nobody gets in without a password"
  }

  assert {
    condition     = !strcontains(helm_release.this.values[0], random_password.this["admin-password"].result) && !strcontains(jsonencode(kubernetes_config_map_v1.auth.data), random_password.this["postgres"].result)
    error_message = "no password is in the chart's values, or outside of a secret"
  }

  assert {
    condition = { for env in yamldecode(helm_release.this.values[0]).env : env.name => "${env.valueFrom.secretKeyRef.name} ${env.valueFrom.secretKeyRef.key}" if lookup(env, "valueFrom", null) != null } == {
      MLFLOW_AUTH_ADMIN_PASSWORD     = "mlflow-server admin-password"
      MLFLOW_FLASK_SERVER_SECRET_KEY = "mlflow-server session-key"
      PGUSER                         = "mlflow-postgres username"
      PGPASSWORD                     = "mlflow-postgres password"
    }
    error_message = "the server has its passwords from secrets, and no others"
  }

  assert {
    condition     = alltrue([for name, value in kubernetes_secret_v1.server.data : value == random_password.this[name].result]) && alltrue([for password in random_password.this : password.length >= 32])
    error_message = "each password is made"
  }

  assert {
    condition     = yamldecode(helm_release.this.values[0]).mlflow == { backendStoreUri = "postgresql+psycopg2://mlflow-postgres:5432/mlflow", artifactsDestination = "gs://demo-project-penstock-artifacts/mlflow" }
    error_message = "runs are in PostgreSQL, artifacts in the bucket"
  }

  assert {
    condition     = strcontains(kubernetes_config_map_v1.auth.data["basic_auth.ini"], "database_uri = postgresql+psycopg2://mlflow-postgres:5432/mlflow\n") && strcontains(kubernetes_config_map_v1.auth.data["basic_auth.ini"], "default_permission = READ\n")
    error_message = "users are kept where the runs are, and read only"
  }

  assert {
    condition     = contains(split(",", one([for env in yamldecode(helm_release.this.values[0]).env : env.value if env.name == "MLFLOW_SERVER_ALLOWED_HOSTS"])), trimprefix(output.tracking_uri, "http://"))
    error_message = "the server takes requests to the name that clients have"
  }

  assert {
    condition     = output.tracking_uri == "http://mlflow-mlflow.mlflow.svc.cluster.local:5000"
    error_message = "the chart calls the service RELEASE-CHART"
  }

  assert {
    condition     = one(one(one(kubernetes_network_policy_v1.postgres["mlflow-postgres"].spec[0].ingress).from).pod_selector).match_labels["app.kubernetes.io/instance"] == helm_release.this.name
    error_message = "nobody but MLflow reaches the database"
  }

  assert {
    condition     = kubernetes_persistent_volume_claim_v1.postgres["mlflow-postgres"].spec[0].resources[0].requests.storage == "20Gi"
    error_message = "the database has a volume of its own, which Terraform does not destroy"
  }

  assert {
    condition     = kubernetes_stateful_set_v1.postgres["mlflow-postgres"].spec[0].template[0].spec[0].security_context[0].run_as_non_root && kubernetes_namespace_v1.this.metadata[0].labels["pod-security.kubernetes.io/enforce"] == "restricted"
    error_message = "nothing here is root"
  }

  assert {
    condition     = length(kubernetes_secret_v1.clients) == 0
    error_message = "no other namespace has the password"
  }
}

run "cloud_sql_and_workload_identity" {
  command = plan

  variables {
    database                    = { host = "10.20.0.4", secret = "mlflow-database" }
    service_account_annotations = { "iam.gke.io/gcp-service-account" = "penstock-mlflow@demo-project.iam.gserviceaccount.com" }
    client_namespaces           = ["kubeflow"]
    allowed_hosts               = ["mlflow.example.org"]
  }

  assert {
    condition     = yamldecode(helm_release.this.values[0]).mlflow.backendStoreUri == "postgresql+psycopg2://10.20.0.4:5432/mlflow" && { for env in yamldecode(helm_release.this.values[0]).env : env.name => env.valueFrom.secretKeyRef.name if startswith(env.name, "PG") && env.name != "PGSSLMODE" } == { PGUSER = "mlflow-database", PGPASSWORD = "mlflow-database" }
    error_message = "MLflow uses the given database with the given credentials"
  }

  assert {
    condition     = one([for env in yamldecode(helm_release.this.values[0]).env : env.value if env.name == "PGSSLMODE"]) == "require"
    error_message = "what leaves the cluster is encrypted"
  }

  assert {
    condition     = length(kubernetes_stateful_set_v1.postgres) == 0 && length(kubernetes_secret_v1.postgres) == 0 && length(kubernetes_persistent_volume_claim_v1.postgres) == 0 && !contains(keys(random_password.this), "postgres")
    error_message = "there is no database in the cluster, neither its pod nor its password nor its volume"
  }

  assert {
    condition     = yamldecode(helm_release.this.values[0]).serviceAccount == { create = true, name = "mlflow", annotations = { "iam.gke.io/gcp-service-account" = "penstock-mlflow@demo-project.iam.gserviceaccount.com" } } && output.service_account == "mlflow/mlflow"
    error_message = "the server is the Google account that Workload Identity binds to mlflow/mlflow"
  }

  assert {
    condition = (
      kubernetes_secret_v1.clients["kubeflow"].data == tomap({ MLFLOW_TRACKING_USERNAME = "penstock", MLFLOW_TRACKING_PASSWORD = random_password.this["client-password"].result }) &&
      local.values.MLFLOW_AUTH_ADMIN_USERNAME != "penstock" && { for env in one(one(one(one(kubernetes_job_v1.client["penstock"].spec).template).spec).container).env : env.name => one(one(env.value_from).secret_key_ref).key if length(env.value_from) > 0 } == { MLFLOW_TRACKING_PASSWORD = "admin-password", CLIENT_PASSWORD = "password" }
    )
    error_message = "pipelines must be a user of their own, whom a job makes; the administrator's password stays in MLflow's namespace"
  }

  assert {
    condition     = output.client_secrets == { kubeflow = "penstock-mlflow" } && toset(keys(kubernetes_secret_v1.clients["kubeflow"].data)) == toset(["MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"])
    error_message = "pipelines find the password in a secret, under MLflow's own names"
  }

  assert {
    condition     = strcontains(one([for env in yamldecode(helm_release.this.values[0]).env : env.value if env.name == "MLFLOW_SERVER_ALLOWED_HOSTS"]), ",mlflow.example.org,")
    error_message = "the server takes requests to the given name"
  }
}

run "artifacts_on_s3" {
  command = plan

  variables {
    artifacts_url = "s3://lake/mlflow"
    s3            = { endpoint = "https://minio.example.org:9000", secret = "lake" }
  }

  assert {
    condition     = { for env in yamldecode(helm_release.this.values[0]).env : env.name => env.valueFrom.secretKeyRef.name if startswith(env.name, "AWS_") && env.name != "AWS_DEFAULT_REGION" } == { AWS_ACCESS_KEY_ID = "lake", AWS_SECRET_ACCESS_KEY = "lake" }
    error_message = "the server has the bucket's key from the given secret"
  }

  assert {
    condition     = one([for env in yamldecode(helm_release.this.values[0]).env : env.value if env.name == "MLFLOW_S3_ENDPOINT_URL"]) == "https://minio.example.org:9000"
    error_message = "and asks the given endpoint"
  }
}

run "a_folder_is_no_bucket" {
  command = plan

  variables {
    artifacts_url = "/mlflow/artifacts"
  }

  expect_failures = [var.artifacts_url]
}

run "s3_for_google_is_refused" {
  command = plan

  variables {
    s3 = { secret = "lake" }
  }

  expect_failures = [var.s3]
}

run "mlflow_2_is_refused" {
  command = plan

  variables {
    mlflow_version = "2.22.0"
  }

  expect_failures = [var.mlflow_version]
}

run "no_encryption_is_refused" {
  command = plan

  variables {
    database = { host = "10.20.0.4", secret = "mlflow-database", sslmode = "disable" }
  }

  expect_failures = [var.database]
}

run "any_host_is_refused" {
  command = plan

  variables {
    allowed_hosts = ["*"]
  }

  expect_failures = [var.allowed_hosts]
}

run "a_moving_image_is_refused" {
  command = plan

  variables {
    postgres_image = "docker.io/library/postgres:latest"
  }

  expect_failures = [var.postgres_image]
}
