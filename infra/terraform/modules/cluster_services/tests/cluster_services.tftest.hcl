mock_provider "helm" {}

mock_provider "kubernetes" {}

mock_provider "random" {}

variables {
  artifacts_url = "gs://demo-project-penstock-artifacts"
  tracking_url  = "gs://demo-project-penstock-tracking"
  models_url    = "gs://demo-project-penstock-models"
  databases = {
    kubeflow = { host = "10.1.0.2", port = 3306, name = "mlpipeline", user = "penstock" }
    mlflow   = { host = "10.1.0.3", port = 5432, name = "mlflow", user = "penstock" }
  }
  database_passwords = { kubeflow = "first", mlflow = "second" }
}

run "what_was_made_is_what_is_submitted_to" {
  command = plan

  assert {
    condition = output.context == {
      settings = {
        target          = "kubeflow"
        host            = "http://ml-pipeline-ui.kubeflow.svc.cluster.local"
        namespace       = "kubeflow"
        pipeline_root   = "gs://demo-project-penstock-artifacts/pipelines"
        experiment      = "penstock"
        service_account = "pipeline-runner"
      }
      parameters = {
        destination  = "${replace(module.kserve.destination, "NAME", "penstock")}&storage=gs://demo-project-penstock-models"
        tracking_uri = "http://mlflow-mlflow.mlflow.svc.cluster.local:5000"
        registry_uri = "http://mlflow-mlflow.mlflow.svc.cluster.local:5000"
      }
    }
    error_message = "the context is what the modules made"
  }

  # components/release/destinations/uri.py
  assert {
    condition     = can(regex("^kserve://[a-z][-a-z0-9]*/[a-z][-a-z0-9]*[?]mode=(standard|knative)(&gateway=http://[^&]+)?&storage=gs://[-a-z]+$", output.context.parameters.destination)) && startswith(output.context.parameters.destination, "kserve://models/penstock?mode=standard")
    error_message = "the destination is one that push_model takes"
  }

  assert {
    condition     = toset(output.service_accounts) == toset(["kubeflow/pipeline-runner", "kubeflow/penstock-trainer", "kubeflow/penstock-pusher", "models/penstock-serving", "mlflow/mlflow"])
    error_message = "the service accounts have the names that others count on"
  }
}

run "each_database_has_its_own_secret" {
  command = plan

  assert {
    condition     = { for name, secret in kubernetes_secret_v1.databases : "${one(secret.metadata).namespace}/${one(secret.metadata).name}" => secret.data.password } == { "kubeflow/kubeflow-database" = "first", "mlflow/mlflow-database" = "second" }
    error_message = "a password goes where its database is used"
  }

  assert {
    condition     = length(kubernetes_secret_v1.store) == 0
    error_message = "gs:// has no keys"
  }
}

run "any_cluster_with_s3" {
  command = plan

  variables {
    artifacts_url      = "s3://models"
    tracking_url       = null
    models_url         = null
    s3                 = { endpoint = "minio.example.org:9000", tls = true }
    s3_credentials     = { access_key_id = "somebody", secret_access_key = "secret" }
    databases          = {}
    database_passwords = {}
    deployment_mode    = "Knative"
    model              = "flights"
  }

  assert {
    condition     = toset([for secret in kubernetes_secret_v1.store : one(secret.metadata).namespace]) == toset(["kubeflow", "models", "mlflow"])
    error_message = "whoever reads the bucket has its keys"
  }

  assert {
    condition     = startswith(output.context.parameters.destination, "kserve://models/flights?mode=knative") && output.context.settings.pipeline_root == "s3://models/pipelines"
    error_message = "the context follows the mode and the bucket"
  }

  assert {
    condition     = endswith(output.context.parameters.destination, "&storage=s3://models/models") && local.policies.models.egress.s3.ports[0] == 9000
    error_message = "models have a folder of their own, and their servers reach the store"
  }
}

run "metrics_are_collected_where_the_server_gives_them" {
  command = plan

  variables {
    metrics = "google"
  }

  assert {
    condition = { for object in yamldecode(helm_release.metrics["google"].values[0]).objects : "${object.metadata.namespace}/${object.metadata.name}" => one(object.spec.endpoints) if object.kind == "PodMonitoring" } == {
      "models/penstock-serving"         = { path = "/metrics", port = 8080, interval = "30s" }
      "pushgateway/penstock-monitoring" = { path = "/metrics", port = 9091, interval = "30s" }
    }
    error_message = "managed Prometheus asks the servers' HTTP port, and the Pushgateway"
  }

  assert {
    condition     = [for object in yamldecode(helm_release.metrics["google"].values[0]).objects : object.spec.selector if object.kind == "PodMonitoring"] == [{ matchLabels = { app = "pushgateway" } }, { matchExpressions = [{ key = "penstock.dev/fingerprint", operator = "Exists" }] }]
    error_message = "it asks the Pushgateway's pod, and those that push_model starts"
  }

  assert {
    condition     = output.context.parameters.pushgateway == "http://pushgateway.pushgateway.svc.cluster.local:9091"
    error_message = "the pipeline that monitors is told where to send its figures"
  }
}

run "alerts_are_evaluated_where_metrics_are_collected" {
  command = plan

  variables {
    metrics      = "google"
    alert_limits = { PenstockErrorRate = 0.05 }
  }

  assert {
    condition     = yamldecode(helm_release.metrics["google"].values[0]).objects[2].kind == "ClusterRules" && length(yamldecode(helm_release.metrics["google"].values[0]).objects[2].spec.groups) == 3
    error_message = "managed Prometheus has the rules of infra/monitoring"
  }

  assert {
    condition     = strcontains(helm_release.metrics["google"].values[0], "> 0.05") && !strcontains(helm_release.metrics["google"].values[0], "> 0.01")
    error_message = "the limit is the variable's"
  }
}

run "an_operator_has_the_same_rules" {
  command = plan

  variables {
    metrics = "prometheus-operator"
  }

  assert {
    condition     = yamldecode(helm_release.metrics["prometheus-operator"].values[0]).objects[2].kind == "PrometheusRule" && yamldecode(helm_release.metrics["prometheus-operator"].values[0]).objects[2].metadata.namespace == "models"
    error_message = "the operator's rules lie in a namespace"
  }

  assert {
    condition     = { for object in yamldecode(helm_release.metrics["prometheus-operator"].values[0]).objects : object.metadata.name => one(object.spec.podMetricsEndpoints) if object.kind == "PodMonitor" }["penstock-monitoring"] == { path = "/metrics", interval = "30s", targetPort = 9091, honorLabels = true }
    error_message = "the figures in the Pushgateway keep the labels of their models"
  }
}

run "nobody_is_reached_who_need_not_be" {
  command = plan

  variables {
    metrics            = "google"
    ingress_namespaces = { kubeflow = ["ingress-nginx"] }
  }

  assert {
    condition = { for name, policies in module.policies : name => join(" ", [for policy in policies.names : trimprefix(policy, "penstock-")]) } == {
      kubeflow = "deny from-api-server from-ingress-nginx own to-database to-metadata to-mlflow to-models to-pushgateway to-tls"
      models   = "deny from-gateway from-metrics from-pushes own to-metadata to-tls"
      mlflow   = "deny from-pipelines own to-database to-metadata to-tls"
    }
    error_message = "every namespace is shut, and each opening has its reason"
  }

  assert {
    condition     = [for policy in module.pushgateway_policies["google"].names : trimprefix(policy, "penstock-")] == ["deny", "from-metrics", "from-pipelines", "own"]
    error_message = "figures come from pipelines alone, and only a collector sees them"
  }

  assert {
    condition     = one(local.policies.models.ingress.gateway.namespaces) == "envoy-gateway-system" && one(local.policies.mlflow.ingress.pipelines.ports) == 5000 && one(local.policies.mlflow.egress.database.ports) == 5432
    error_message = "models are asked through the gateway, MLflow by pipelines, the database by MLflow"
  }

  assert {
    condition     = !contains(flatten([for rule in values(local.policies.models.egress) : rule.ports]), 5000)
    error_message = "what serves does not reach the registry"
  }
}

run "a_policy_for_an_unknown_namespace_is_refused" {
  command = plan

  variables {
    ingress_namespaces = { default = ["ingress-nginx"] }
  }

  expect_failures = [var.ingress_namespaces]
}

run "an_unknown_collector_is_refused" {
  command = plan

  variables {
    metrics = "statsd"
  }

  expect_failures = [var.metrics]
}

run "a_gs_bucket_with_an_s3_endpoint_is_refused" {
  command = plan

  variables {
    s3 = { endpoint = "minio.example.org:9000" }
  }

  expect_failures = [var.s3]
}

run "a_service_account_that_nobody_uses_is_refused" {
  command = plan

  variables {
    service_account_annotations = { "kubeflow/default" = { "eks.amazonaws.com/role-arn" = "arn:aws:iam::1:role/x" } }
  }

  expect_failures = [var.service_account_annotations]
}
