mock_provider "helm" {}

mock_provider "kubernetes" {}

# Nothing is applied: what must never be destroyed could not be taken away after a test.
mock_provider "random" {}

run "defaults" {
  command = plan

  assert {
    condition     = alltrue([for release in helm_release.manifests : yamldecode(release.values[0]).gitRepository.spec.ref == { commit = "4a3592cb2dd0a91a4652ab93893ec8beda1f3158" }])
    error_message = "the manifests are those of one commit, whatever happens to a tag or a branch"
  }

  assert {
    condition     = helm_release.flux["2.18.3"].chart == "flux2" && alltrue([for release in helm_release.manifests : release.chart == "flux2-sync" && release.version == "1.14.5"])
    error_message = "every chart is of one version"
  }

  assert {
    condition = (
      yamldecode(helm_release.manifests["kubeflow-cluster-resources"].values[0]).kustomization.spec.path == "./manifests/kustomize/cluster-scoped-resources" &&
      yamldecode(helm_release.manifests["kubeflow-pipelines"].values[0]).kustomization.spec.dependsOn == [{ name = "kubeflow-cluster-resources" }]
    )
    error_message = "what belongs to the whole cluster is there before what needs it"
  }

  assert {
    condition = toset([
      for patch in yamldecode(helm_release.manifests["kubeflow-pipelines"].values[0]).kustomization.spec.patches :
      yamldecode(patch.patch).metadata.name if lookup(yamldecode(patch.patch), "$patch", "") == "delete"
    ]) == toset(["mysql-secret", "mlpipeline-minio-artifact", "mysql-pv-claim", "seaweedfs-pvc"])
    error_message = "database and object store are the manifests', their passwords and volumes Terraform's"
  }

  assert {
    condition     = toset(keys(random_password.this)) == toset(["mysql-secret", "mlpipeline-minio-artifact"]) && alltrue([for password in random_password.this : password.length >= 32])
    error_message = "no password is the one that everybody knows"
  }

  assert {
    condition = one([
      for patch in yamldecode(helm_release.manifests["kubeflow-pipelines"].values[0]).kustomization.spec.patches :
      [for env in yamldecode(patch.patch).spec.template.spec.containers[0].env : env.valueFrom.secretKeyRef if env.name == "MYSQL_ROOT_PASSWORD"]
      if yamldecode(patch.patch).kind == "Deployment" && yamldecode(patch.patch).metadata.name == "mysql" && lookup(yamldecode(patch.patch), "$patch", "") == ""
    ]) == [{ name = "mysql-secret", key = "password" }]
    error_message = "the database in the cluster has the made password"
  }

  assert {
    condition = one([
      for patch in yamldecode(helm_release.manifests["kubeflow-pipelines"].values[0]).kustomization.spec.patches :
      yamldecode(yamldecode(patch.patch).data.workflowDefaults)
      if yamldecode(patch.patch).kind == "ConfigMap" && yamldecode(patch.patch).metadata.name == "workflow-controller-configmap"
    ]) == { spec = { ttlStrategy = { secondsAfterCompletion = 3600, secondsAfterSuccess = 3600, secondsAfterFailure = 3600 } } }
    error_message = "a task's retries are its own"
  }

  assert {
    condition     = toset(keys(kubernetes_persistent_volume_claim_v1.this)) == toset(["mysql-pv-claim", "seaweedfs-pvc"])
    error_message = "what the database and the object store keep is Terraform's, which does not destroy it"
  }

  assert {
    condition     = output.pipeline_root == "minio://mlpipeline/v2/artifacts" && output.host == "http://ml-pipeline-ui.kubeflow.svc.cluster.local"
    error_message = "artifacts go to the store in the cluster, and kfp finds its host"
  }

  assert {
    condition     = output.service_accounts == { pipeline-runner = "kubeflow/pipeline-runner", penstock-trainer = "kubeflow/penstock-trainer", penstock-pusher = "kubeflow/penstock-pusher" }
    error_message = "the service accounts are those that Workload Identity binds and the platform document names"
  }

  assert {
    condition     = length(kubernetes_role_v1.release) == 0 && length(kubernetes_role_v1.by_hand) == 0 && length(kubernetes_resource_quota_v1.this) == 0
    error_message = "nothing may be released and nothing is limited unless it is said"
  }
}

run "tasks_may_do_what_the_launcher_needs" {
  command = plan

  assert {
    condition     = toset(flatten([for rule in kubernetes_role_v1.task.rule : [for verb in rule.verbs : "${verb} ${one(rule.resources)}"]])) == toset(["get configmaps", "get secrets", "get pods", "get persistentvolumeclaims", "create persistentvolumeclaims", "create workflowtaskresults", "patch workflowtaskresults"])
    error_message = "a task's service account reads its settings and reports its result"
  }

  assert {
    condition     = one([for rule in kubernetes_role_v1.task.rule : rule.resource_names if contains(rule.resources, "secrets")]) == toset(["mlpipeline-minio-artifact"])
    error_message = "the only secret that a task may read is the object store's"
  }

  assert {
    condition     = toset(keys(kubernetes_role_binding_v1.task)) == toset(["penstock-trainer", "penstock-pusher"])
    error_message = "both of the tasks' own service accounts have it"
  }

  assert {
    condition = toset([
      for rule in one([
        for patch in yamldecode(helm_release.manifests["kubeflow-pipelines"].values[0]).kustomization.spec.patches :
        yamldecode(patch.patch).rules if yamldecode(patch.patch).kind == "Role" && yamldecode(patch.patch).metadata.name == "pipeline-runner"
      ]) : "${join(" ", sort(rule.verbs))} ${one(rule.resources)} ${join(" ", lookup(rule, "resourceNames", []))}"
    ]) == toset([for rule in kubernetes_role_v1.task.rule : "${join(" ", sort(rule.verbs))} ${one(rule.resources)} ${join(" ", coalesce(rule.resource_names, []))}"])
    error_message = "pipeline-runner has the same, and no more: what the manifests let it delete is taken from it"
  }
}

run "cloud_sql_and_a_bucket_of_google" {
  command = plan

  variables {
    database     = { host = "10.20.0.3", secret = "kubeflow-database" }
    object_store = { url = "gs://demo-project-penstock-artifacts/pipelines" }
    service_account_annotations = {
      pipeline-runner  = { "iam.gke.io/gcp-service-account" = "penstock-pipeline-runner@demo-project.iam.gserviceaccount.com" }
      penstock-trainer = { "iam.gke.io/gcp-service-account" = "penstock-trainer@demo-project.iam.gserviceaccount.com" }
    }
  }

  assert {
    condition = one([
      for patch in yamldecode(helm_release.manifests["kubeflow-pipelines"].values[0]).kustomization.spec.patches :
      yamldecode(patch.patch).data if yamldecode(patch.patch).metadata.name == "pipeline-install-config"
    ]).mysqlHost == "10.20.0.3"
    error_message = "Kubeflow uses the given database"
  }

  assert {
    condition = toset(flatten([
      for patch in yamldecode(helm_release.manifests["kubeflow-pipelines"].values[0]).kustomization.spec.patches : [
        for env in yamldecode(patch.patch).spec.template.spec.containers[0].env : "${yamldecode(patch.patch).metadata.name} ${env.valueFrom.secretKeyRef.name}" if strcontains(env.name, "DBCONFIG")
      ] if yamldecode(patch.patch).kind == "Deployment" && lookup(yamldecode(patch.patch), "$patch", "") == ""
    ])) == toset(["ml-pipeline kubeflow-database", "metadata-grpc-deployment kubeflow-database", "cache-server kubeflow-database"])
    error_message = "all three clients of the database have the given credentials"
  }

  assert {
    condition = contains([
      for patch in yamldecode(helm_release.manifests["kubeflow-pipelines"].values[0]).kustomization.spec.patches :
      yamldecode(patch.patch).kind if yamldecode(patch.patch).metadata.name == "mysql" && lookup(yamldecode(patch.patch), "$patch", "") == "delete"
    ], "Deployment") && toset(keys(kubernetes_persistent_volume_claim_v1.this)) == toset(["seaweedfs-pvc"]) && toset(keys(kubernetes_secret_v1.this)) == toset(["mlpipeline-minio-artifact"])
    error_message = "there is no database in the cluster, neither its pod nor its password nor its volume"
  }

  assert {
    condition = one([
      for patch in yamldecode(helm_release.manifests["kubeflow-pipelines"].values[0]).kustomization.spec.patches :
      yamldecode(patch.patch).data if yamldecode(patch.patch).metadata.name == "kfp-launcher"
    ]) == { defaultPipelineRoot = "gs://demo-project-penstock-artifacts/pipelines" }
    error_message = "tasks write to the bucket as who they are: there is no key"
  }

  assert {
    condition = one([
      for patch in yamldecode(helm_release.manifests["kubeflow-pipelines"].values[0]).kustomization.spec.patches :
      yamldecode(patch.patch).metadata.annotations if yamldecode(patch.patch).kind == "ServiceAccount" && yamldecode(patch.patch).metadata.name == "pipeline-runner"
    ]) == { "iam.gke.io/gcp-service-account" = "penstock-pipeline-runner@demo-project.iam.gserviceaccount.com" }
    error_message = "the manifests' service account is the Google one"
  }

  assert {
    condition     = kubernetes_service_account_v1.tasks["penstock-trainer"].metadata[0].annotations["iam.gke.io/gcp-service-account"] == "penstock-trainer@demo-project.iam.gserviceaccount.com"
    error_message = "the trainer's service account is the Google one"
  }
}

run "s3_with_a_key" {
  command = plan

  variables {
    object_store = { url = "s3://lake/penstock", endpoint = "minio.storage.svc:9000", tls = false, secret = "lake" }
  }

  assert {
    condition = yamldecode(one([
      for patch in yamldecode(helm_release.manifests["kubeflow-pipelines"].values[0]).kustomization.spec.patches :
      yamldecode(patch.patch).data.providers if yamldecode(patch.patch).metadata.name == "kfp-launcher"
      ])).s3.default == {
      endpoint    = "minio.storage.svc:9000"
      region      = "us-east-1"
      disableSSL  = true
      credentials = { fromEnv = false, secretRef = { secretName = "lake", accessKeyKey = "AWS_ACCESS_KEY_ID", secretKeyKey = "AWS_SECRET_ACCESS_KEY" } }
    }
    error_message = "the launcher has endpoint and credentials"
  }

  assert {
    condition = yamldecode(one([
      for patch in yamldecode(helm_release.manifests["kubeflow-pipelines"].values[0]).kustomization.spec.patches :
      yamldecode(patch.patch).data.artifactRepository if yamldecode(patch.patch).metadata.name == "workflow-controller-configmap"
    ])).s3.endpoint == "minio.storage.svc:9000"
    error_message = "logs go where the artifacts go"
  }

  # What the manifests write into this text must not hit the settings: their namespace after the first dot, their bucket after the third quote.
  assert {
    condition = startswith(one([
      for patch in yamldecode(helm_release.manifests["kubeflow-pipelines"].values[0]).kustomization.spec.patches :
      yamldecode(patch.patch).data.artifactRepository if yamldecode(patch.patch).metadata.name == "workflow-controller-configmap"
    ]), "# .kubeflow. \"\" \"lake\"\n")
    error_message = "a comment comes first"
  }

  assert {
    condition = contains([
      for patch in yamldecode(helm_release.manifests["kubeflow-pipelines"].values[0]).kustomization.spec.patches :
      yamldecode(patch.patch).kind if yamldecode(patch.patch).metadata.name == "seaweedfs" && lookup(yamldecode(patch.patch), "$patch", "") == "delete"
    ], "Deployment") && toset(keys(kubernetes_persistent_volume_claim_v1.this)) == toset(["mysql-pv-claim"])
    error_message = "there is no object store in the cluster"
  }

  assert {
    condition     = one([for rule in kubernetes_role_v1.task.rule : rule.resource_names if contains(rule.resources, "secrets")]) == toset(["lake"])
    error_message = "a task may read the given secret"
  }
}

run "pipelines_release_models" {
  command = plan

  variables {
    models_namespace = "models"
    models           = ["flights", "churn"]
  }

  assert {
    condition = toset([for rule in kubernetes_role_v1.release["models"].rule : "${join(" ", sort(rule.verbs))} ${one(rule.resources)} ${join(",", sort(coalesce(rule.resource_names, [])))}"]) == toset([
      "create inferenceservices ",
      "create leases ",
      "delete get update inferenceservices churn,flights",
      "get update leases penstock-churn,penstock-flights",
      "list pods ",
      "list events ",
      "get deployments ",
      "get httproutes churn,flights",
      "get httproutes churn-predictor,flights-predictor",
      "delete list httproutes ",
      "delete list horizontalpodautoscalers ",
    ])
    error_message = "whoever releases may do what the destination kserve:// says to its own models, and nothing else"
  }

  assert {
    condition     = kubernetes_role_v1.release["models"].metadata[0].namespace == "models" && toset([for subject in kubernetes_role_binding_v1.release["models"].subject : "${subject.namespace}/${subject.name}"]) == toset(["kubeflow/penstock-pusher", "kubeflow/pipeline-runner"])
    error_message = "only those who push may release, and only in the models' namespace"
  }
}

run "operators_release_by_hand" {
  command = plan

  variables {
    models_namespace = "models"
    models           = ["flights"]
    operators        = [{ kind = "Group", name = "on-call@example.org" }]
  }

  assert {
    condition     = toset([for rule in kubernetes_role_v1.by_hand["ask"].rule : "${join(" ", sort(rule.verbs))} ${one(rule.resources)}"]) == toset(["create get services/proxy"])
    error_message = "from outside a version is asked through the API server"
  }

  assert {
    condition     = toset([for binding in kubernetes_role_binding_v1.by_hand : "${binding.role_ref[0].name} ${one(binding.subject).kind}/${one(binding.subject).name}"]) == toset(["penstock-release Group/on-call@example.org", "penstock-by-hand Group/on-call@example.org"])
    error_message = "operators may release and ask, and nobody else is let in by that"
  }
}

run "a_quota_of_accelerators" {
  command = plan

  variables {
    quota = { "requests.nvidia.com/gpu" = "4" }
  }

  assert {
    condition     = one(kubernetes_resource_quota_v1.this["penstock"].spec).hard["requests.nvidia.com/gpu"] == "4"
    error_message = "all tasks together have no more accelerators than that"
  }
}

run "flux_may_be_there_already" {
  command = plan

  variables {
    flux_version = null
  }

  assert {
    condition     = length(helm_release.flux) == 0 && length(helm_release.manifests) == 2
    error_message = "a cluster's own Flux is used"
  }
}

run "a_quota_of_memory_is_refused" {
  command = plan

  variables {
    quota = { "requests.memory" = "100Gi" }
  }

  expect_failures = [var.quota]
}

run "a_branch_is_refused" {
  command = plan

  variables {
    pipelines_commit = "2.17.0"
  }

  expect_failures = [var.pipelines_commit]
}

run "a_key_for_google_is_refused" {
  command = plan

  variables {
    object_store = { url = "gs://bucket", secret = "key" }
  }

  expect_failures = [var.object_store]
}

run "a_url_as_endpoint_is_refused" {
  command = plan

  variables {
    object_store = { url = "s3://bucket", endpoint = "https://minio:9000" }
  }

  expect_failures = [var.object_store]
}

run "a_database_url_is_refused" {
  command = plan

  variables {
    database = { host = "mysql://10.0.0.3", secret = "kubeflow-database" }
  }

  expect_failures = [var.database]
}

run "an_unknown_service_account_is_refused" {
  command = plan

  variables {
    service_account_annotations = { default = { "iam.gke.io/gcp-service-account" = "penstock-trainer@demo-project.iam.gserviceaccount.com" } }
  }

  expect_failures = [var.service_account_annotations]
}

run "training" {
  command = plan

  variables {
    training = { limits = { "nvidia.com/gpu" = "1" }, secrets = ["artifacts"] }
  }

  assert {
    condition = one([
      for object in yamldecode(helm_release.training_runtime["penstock"].values[0]).objects :
      object.spec.template.spec.replicatedJobs[0].template.spec.template.spec.containers[0]
      ]) == {
      name      = "node"
      image     = "penstock"
      resources = { requests = {}, limits = { "nvidia.com/gpu" = "1" } }
      envFrom   = [{ secretRef = { name = "artifacts" } }]
      ports     = [{ containerPort = 2222 }]
    }
    error_message = "a worker has the resources and the secrets that are given"
  }

  assert {
    condition = one([
      for object in yamldecode(helm_release.training_runtime["penstock"].values[0]).objects :
      object.spec.template.spec.replicatedJobs[0].template.spec.template.metadata.labels
    ]) == { "penstock.dev/component" = "train_model" }
    error_message = "what workers cost is added up with the task that they work for"
  }

  assert {
    condition     = toset([for rule in kubernetes_role_v1.train["penstock-train"].rule : join(" ", rule.verbs)]) == toset(["create delete get", "list", "get"])
    error_message = "a task may start and follow TrainJobs, and no more"
  }

  assert {
    condition     = output.workers_at == "kubeflow://kubeflow?runtime=penstock"
    error_message = "pipelines are told where workers train"
  }
}
