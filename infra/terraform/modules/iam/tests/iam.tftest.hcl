mock_provider "google" {}

variables {
  project_id = "demo-project"
}

run "nobody_has_more_than_it_needs" {
  command = plan

  assert {
    condition     = alltrue([for grant in google_project_iam_member.roles : !can(regex("(admin|owner|editor)$", lower(grant.role)))])
    error_message = "no account administers anything"
  }

  assert {
    condition     = toset([for key, grant in google_project_iam_member.roles : grant.role if startswith(key, "serving ")]) == toset(["roles/logging.logWriter", "roles/monitoring.metricWriter"])
    error_message = "what serves writes logs and metrics, and nothing else in the project"
  }

  assert {
    condition     = toset([for key, grant in google_project_iam_member.roles : grant.role if startswith(key, "pipeline-runner ")]) == toset(["roles/aiplatform.user", "roles/logging.logWriter", "roles/logging.viewer"])
    error_message = "what runs pipelines starts jobs and reads what their workers print"
  }

  assert {
    condition     = toset(keys(google_service_account_iam_member.acts_as)) == toset(["ci as pipeline-runner", "pipeline-runner as serving", "pipeline-runner as trainer", "pusher as serving"])
    error_message = "each account starts only what comes after it"
  }

  assert {
    condition     = length(google_service_account_iam_member.kubernetes) == 0 && length(google_iam_workload_identity_pool.github) == 0
    error_message = "without a cluster and a repository nobody else is any of these accounts"
  }
}

run "addresses_are_known_before_the_accounts_are_made" {
  command = plan

  assert {
    condition     = output.members["serving"] == "serviceAccount:penstock-serving@demo-project.iam.gserviceaccount.com" && google_service_account.this["serving"].account_id == "penstock-serving"
    error_message = "who is granted something is known in the plan"
  }
}

run "pods_are_accounts_by_workload_identity" {
  command = plan

  variables {
    workload_pool = "demo-project.svc.id.goog"
  }

  assert {
    condition     = google_service_account_iam_member.kubernetes["kubeflow/pipeline-runner"].member == "serviceAccount:demo-project.svc.id.goog[kubeflow/pipeline-runner]"
    error_message = "the binding names the Kubernetes service account that the platform document uses"
  }

  assert {
    condition     = toset(keys(google_service_account_iam_member.kubernetes)) == toset(["kubeflow/pipeline-runner", "kubeflow/penstock-trainer", "kubeflow/penstock-pusher", "kubeflow/ml-pipeline-ui", "models/penstock-serving", "mlflow/mlflow"])
    error_message = "each Kubernetes service account is one Google account, and no other is any"
  }

  assert {
    condition     = alltrue([for binding in google_service_account_iam_member.kubernetes : binding.role == "roles/iam.workloadIdentityUser"])
    error_message = "a pod is the account, and does not administer it"
  }
}

run "one_branch_of_one_repository_is_ci" {
  command = plan

  variables {
    github_repository = "penstock/penstock"
  }

  assert {
    condition     = google_iam_workload_identity_pool_provider.github["penstock/penstock"].attribute_condition == "assertion.repository == 'penstock/penstock' && assertion.ref == 'refs/heads/main'"
    error_message = "no other repository, and no other branch, gets a token"
  }
}

run "basic_roles_are_refused" {
  command = plan

  variables {
    accounts = { ci = { description = "Everything.", project_roles = ["roles/editor"] } }
  }

  expect_failures = [var.accounts]
}

run "any_repository_is_refused" {
  command = plan

  variables {
    github_repository = "penstock/*"
  }

  expect_failures = [var.github_repository]
}
