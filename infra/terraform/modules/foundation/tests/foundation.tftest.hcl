mock_provider "google" {
  mock_data "google_project" {
    defaults = {
      number = "123456789012"
    }
  }
}

mock_provider "google-beta" {}

# Nothing is applied: what must never be destroyed could not be taken away after a test.
variables {
  project_id    = "demo-project"
  region        = "europe-west4"
  cluster       = true
  vertex        = true
  workload_pool = "demo-project.svc.id.goog"
}

run "buckets_are_for_those_who_need_them" {
  command = plan

  assert {
    condition     = toset(local.access.artifacts["roles/storage.objectUser"]) == toset([for name in ["pipeline-runner", "trainer", "pusher"] : "serviceAccount:penstock-${name}@demo-project.iam.gserviceaccount.com"])
    error_message = "only tasks write artifacts"
  }

  assert {
    condition     = toset(local.access.artifacts["roles/storage.objectViewer"]) == toset(["serviceAccount:penstock-ui@demo-project.iam.gserviceaccount.com"])
    error_message = "the page that shows artifacts only reads them"
  }

  assert {
    condition = local.access.models == {
      "roles/storage.objectUser"   = [for name in ["pipeline-runner", "pusher"] : "serviceAccount:penstock-${name}@demo-project.iam.gserviceaccount.com"]
      "roles/storage.objectViewer" = ["serviceAccount:penstock-serving@demo-project.iam.gserviceaccount.com"]
    }
    error_message = "what pods load is written by those who release, never by who trains, and what serves only reads"
  }

  assert {
    condition     = one(local.access.tracking["roles/storage.objectUser"]) == "serviceAccount:penstock-mlflow@demo-project.iam.gserviceaccount.com" && length(local.access.tracking) == 1
    error_message = "MLflow's artifacts are written through MLflow, which asks who it is"
  }

  assert {
    condition     = toset(local.access.data["roles/storage.objectViewer"]) == toset([for name in ["pipeline-runner", "trainer"] : "serviceAccount:penstock-${name}@demo-project.iam.gserviceaccount.com"]) && length(local.access.data) == 1
    error_message = "nobody writes the data that models are trained on"
  }

  assert {
    condition     = contains(local.access.logs["roles/storage.objectCreator"], "serviceAccount:penstock-serving@demo-project.iam.gserviceaccount.com") && length(local.access.logs) == 1
    error_message = "what serves adds to its log, and cannot change it"
  }

  assert {
    condition     = !contains(keys(local.access), "state")
    error_message = "no account of a pipeline sees Terraform's state"
  }

  assert {
    condition     = alltrue(flatten([for roles in values(local.access) : [for role, members in roles : [for member in members : startswith(member, "serviceAccount:") || member == "group:cloud-storage-analytics@google.com"]]]))
    error_message = "no bucket is anybody's"
  }
}

run "each_key_is_for_the_service_that_uses_it" {
  command = plan

  assert {
    condition     = local.keys == toset(["artifacts", "gke", "sql", "storage", "vertex"]) && local.keys == toset(keys(local.key_users))
    error_message = "every key has users, and every user a key"
  }

  assert {
    condition     = local.key_users.sql == ["serviceAccount:service-123456789012@gcp-sa-cloud-sql.iam.gserviceaccount.com"] && contains(local.key_users.gke, "serviceAccount:service-123456789012@compute-system.iam.gserviceaccount.com")
    error_message = "databases and disks are encrypted by Google's agents of this project"
  }

  assert {
    condition     = toset(keys(google_project_service_identity.agents)) == toset(["aiplatform.googleapis.com", "artifactregistry.googleapis.com", "container.googleapis.com", "sqladmin.googleapis.com"])
    error_message = "agents are there before they are given keys"
  }

  assert {
    condition     = toset(keys(output.kubernetes_service_accounts)) == toset(["kubeflow/pipeline-runner", "kubeflow/penstock-trainer", "kubeflow/penstock-pusher", "kubeflow/ml-pipeline-ui", "models/penstock-serving", "mlflow/mlflow"])
    error_message = "the cluster's service accounts are Google's"
  }
}

run "without_a_cluster_there_is_nothing_of_one" {
  command = plan

  variables {
    cluster       = false
    workload_pool = null
  }

  assert {
    condition     = local.keys == toset(["artifacts", "storage", "vertex"]) && length(setintersection(local.apis, ["container.googleapis.com", "sqladmin.googleapis.com"])) == 0
    error_message = "no keys and no APIs of a cluster"
  }

  assert {
    condition     = length(output.kubernetes_service_accounts) == 0
    error_message = "no Kubernetes service account is anybody"
  }
}

run "a_budget_where_somebody_pays" {
  command = plan

  variables {
    budget = { billing_account = "012345-6789AB-CDEF01", amount = 800 }
  }

  assert {
    condition     = length(module.budget) == 1 && contains(local.apis, "billingbudgets.googleapis.com")
    error_message = "the month is watched"
  }
}

run "nobody_reads_bigquery_unless_told" {
  command = plan

  assert {
    condition     = length(google_bigquery_dataset_iam_member.tables) == 0 && length(google_project_iam_member.bigquery) == 0
    error_message = "pipelines without tables of BigQuery have no roles there"
  }
}

run "datasets_are_read_by_tasks" {
  command = plan

  variables {
    bigquery_datasets = ["other-project.air"]
  }

  assert {
    condition = {
      for grant in values(google_bigquery_dataset_iam_member.tables) : grant.member => [grant.project, grant.dataset_id, grant.role]
      } == {
      for name in ["pipeline-runner", "trainer"] :
      "serviceAccount:penstock-${name}@demo-project.iam.gserviceaccount.com" => ["other-project", "air", "roles/bigquery.dataViewer"]
    }
    error_message = "tasks read the dataset where it is"
  }

  assert {
    condition     = toset([for grant in values(google_project_iam_member.bigquery) : "${grant.project} ${grant.role}"]) == toset(["demo-project roles/bigquery.jobUser", "demo-project roles/bigquery.readSessionUser"]) && length(google_project_iam_member.bigquery) == 4
    error_message = "queries and sessions are this project's"
  }
}

run "a_dataset_without_a_project_is_refused" {
  command = plan

  variables {
    bigquery_datasets = ["air"]
  }

  expect_failures = [var.bigquery_datasets]
}
