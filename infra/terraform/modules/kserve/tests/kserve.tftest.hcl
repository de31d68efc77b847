mock_provider "helm" {}

mock_provider "kubernetes" {}

run "standard" {
  command = plan

  assert {
    condition     = helm_release.crds.chart == "kserve-crd" && helm_release.kserve.chart == "kserve-resources" && helm_release.crds.version == "v0.20.0" && helm_release.kserve.version == helm_release.crds.version
    error_message = "the controller and its kinds are of one version, which knows canaries"
  }

  assert {
    condition     = yamldecode(helm_release.kserve.values[0]).kserve.controller.deploymentMode == "Standard"
    error_message = "models are Deployments unless they say otherwise"
  }

  assert {
    condition     = yamldecode(helm_release.kserve.values[0]).kserve.controller.gateway.ingressGateway == { enableGatewayApi = true, kserveGateway = "kserve/kserve-ingress-gateway", className = "envoy" }
    error_message = "traffic is split by the Gateway API, without which there is no canary"
  }

  assert {
    condition     = [for object in yamldecode(helm_release.gateway["envoy"].values[0]).objects : "${object.kind}/${object.metadata.name}"] == ["EnvoyProxy/kserve", "GatewayClass/envoy", "Gateway/kserve-ingress-gateway"]
    error_message = "the gateway that KServe is told of is there, and its class"
  }

  assert {
    condition     = one([for object in yamldecode(helm_release.gateway["envoy"].values[0]).objects : object.spec.provider.kubernetes.envoyService if object.kind == "EnvoyProxy"]).type == "ClusterIP"
    error_message = "models answer in the cluster only, unless somebody wants more"
  }

  assert {
    condition     = one([for object in yamldecode(helm_release.gateway["envoy"].values[0]).objects : object.spec.listeners[0].allowedRoutes.namespaces if object.kind == "Gateway"]) == { from = "Selector", selector = { matchLabels = { "kubernetes.io/metadata.name" = "models" } } }
    error_message = "no other namespace has routes at the models' gateway"
  }

  assert {
    condition     = helm_release.envoy_gateway["v1.8.1"].repository == "oci://docker.io/envoyproxy" && helm_release.cert_manager["v1.21.1"].repository == "oci://quay.io/jetstack/charts"
    error_message = "gateway and certificates are of one version each"
  }

  assert {
    condition     = yamldecode(helm_release.cert_manager["v1.21.1"].values[0]).crds.keep
    error_message = "certificates outlive the release of cert-manager"
  }

  assert {
    condition     = length(helm_release.knative) == 0 && length(helm_release.knative_operator) == 0
    error_message = "mode Standard needs no Knative"
  }

  assert {
    condition     = output.ingress_host == "kserve-ingress-gateway.envoy-gateway-system.svc.cluster.local" && output.ingress_host == join(".", [one([for object in yamldecode(helm_release.gateway["envoy"].values[0]).objects : object.spec.provider.kubernetes.envoyService.name if object.kind == "EnvoyProxy"]), helm_release.envoy_gateway["v1.8.1"].namespace, "svc.cluster.local"])
    error_message = "the gateway answers to the name of its service"
  }

  assert {
    condition     = output.destination == "kserve://models/NAME?mode=standard&gateway=http://kserve-ingress-gateway.envoy-gateway-system.svc.cluster.local"
    error_message = "a destination is what push_model takes"
  }

  assert {
    condition     = output.service_account == "models/penstock-serving" && length(kubernetes_service_account_v1.serving.secret) == 0
    error_message = "the service account is the one that Workload Identity binds, and has no key"
  }
}

run "knative" {
  command = plan

  variables {
    deployment_mode = "Knative"
    domain          = "models.example.org"
    exposure        = { type = "LoadBalancer", annotations = { "networking.gke.io/load-balancer-type" = "Internal" } }
  }

  assert {
    condition     = helm_release.knative_operator["1.21.1"].chart == "https://github.com/knative/operator/releases/download/knative-v1.21.1/knative-operator-v1.21.1.tgz" && yamldecode(helm_release.knative["knative-serving"].values[0]).objects[0].spec.version == "1.21.1"
    error_message = "the operator installs what it was released with"
  }

  assert {
    condition     = yamldecode(helm_release.knative["knative-serving"].values[0]).objects[0].spec.ingress.kourier == { enabled = true, "service-type" = "LoadBalancer" } && yamldecode(helm_release.knative["knative-serving"].values[0]).objects[0].spec.config.network["ingress-class"] == "kourier.ingress.networking.knative.dev"
    error_message = "Kourier must be the way in"
  }

  assert {
    condition     = yamldecode(helm_release.knative["knative-serving"].values[0]).objects[0].spec.services == [{ name = "kourier", annotations = { "networking.gke.io/load-balancer-type" = "Internal" } }]
    error_message = "the load balancer is an internal one"
  }

  assert {
    condition     = keys(yamldecode(helm_release.knative["knative-serving"].values[0]).objects[0].spec.config.domain) == [yamldecode(helm_release.kserve.values[0]).kserve.controller.gateway.domain] && output.domain == "models.example.org"
    error_message = "Knative and KServe give models names in the same domain"
  }

  assert {
    condition     = yamldecode(helm_release.kserve.values[0]).kserve.controller.deploymentMode == "Knative" && yamldecode(helm_release.kserve.values[0]).kserve.controller.gateway.ingressGateway == { enableGatewayApi = false } && yamldecode(helm_release.kserve.values[0]).kserve.controller.gateway.disableIstioVirtualHost
    error_message = "KServe leaves the routing to Knative, and looks for no Istio"
  }

  assert {
    condition     = length(helm_release.gateway) == 0 && length(helm_release.envoy_gateway) == 0
    error_message = "mode Knative needs no other gateway"
  }

  assert {
    condition     = output.destination == "kserve://models/NAME?mode=knative&gateway=http://kourier.knative-serving.svc.cluster.local"
    error_message = "a destination is what push_model takes"
  }
}

run "a_clusters_own_gateway" {
  command = plan

  variables {
    gateway              = { class = "istio" }
    cert_manager_version = null
  }

  assert {
    condition     = length(helm_release.envoy_gateway) == 0 && length(helm_release.cert_manager) == 0
    error_message = "what is there already is not installed again"
  }

  assert {
    condition     = one(yamldecode(helm_release.gateway["istio"].values[0]).objects).spec.gatewayClassName == "istio" && output.destination == "kserve://models/NAME?mode=standard"
    error_message = "the gateway is of the given class, and at an address that only the cluster knows"
  }
}

run "models_on_s3" {
  command = plan

  variables {
    s3 = { endpoint = "minio.storage.svc:9000", tls = false, secret = "lake" }
  }

  assert {
    condition     = one(kubernetes_service_account_v1.serving.secret).name == "lake"
    error_message = "models are read with the service account's secret"
  }

  assert {
    condition     = yamldecode(helm_release.kserve.values[0]).kserve.storage.s3 == { endpoint = "minio.storage.svc:9000", region = "us-east-1", useHttps = "0", verifySSL = "0" }
    error_message = "and from the given endpoint"
  }
}

run "models_on_gcs" {
  command = plan

  variables {
    service_account_annotations = { "iam.gke.io/gcp-service-account" = "penstock-serving@demo-project.iam.gserviceaccount.com" }
  }

  assert {
    condition     = kubernetes_service_account_v1.serving.metadata[0].annotations["iam.gke.io/gcp-service-account"] == "penstock-serving@demo-project.iam.gserviceaccount.com" && kubernetes_service_account_v1.serving.metadata[0].name == "penstock-serving" && kubernetes_service_account_v1.serving.metadata[0].namespace == "models"
    error_message = "what serves is the Google account, without a key"
  }
}

run "no_canaries_is_too_old" {
  command = plan

  variables {
    kserve_version = "v0.19.0"
  }

  expect_failures = [var.kserve_version]
}

run "an_old_name_is_refused" {
  command = plan

  variables {
    deployment_mode = "RawDeployment"
  }

  expect_failures = [var.deployment_mode]
}

run "a_url_is_no_domain" {
  command = plan

  variables {
    domain = "https://models.example.org"
  }

  expect_failures = [var.domain]
}

run "node_ports_are_refused" {
  command = plan

  variables {
    exposure = { type = "NodePort" }
  }

  expect_failures = [var.exposure]
}

run "a_url_as_endpoint_is_refused" {
  command = plan

  variables {
    s3 = { endpoint = "http://minio:9000" }
  }

  expect_failures = [var.s3]
}
