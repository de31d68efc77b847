mock_provider "kubernetes" {}

run "its_service_reaches_its_pod" {
  command = plan

  assert {
    condition     = one(one(kubernetes_service_v1.this.spec).port).target_port == tostring(one(one(one(one(one(kubernetes_deployment_v1.this.spec).template).spec).container).port).container_port)
    error_message = "the Service leads to the port of the container"
  }

  assert {
    condition     = one(kubernetes_service_v1.this.spec).selector == one(one(kubernetes_deployment_v1.this.spec).selector).match_labels && tomap(output.pods) == one(kubernetes_service_v1.this.spec).selector
    error_message = "the Service and the collector choose the Deployment's pods"
  }

  assert {
    condition     = output.url == "http://pushgateway.pushgateway.svc.cluster.local:9091"
    error_message = "the URL is the Service's"
  }
}

run "figures_outlive_their_pod" {
  command = plan

  assert {
    condition     = one([for argument in one(one(one(one(kubernetes_deployment_v1.this.spec).template).spec).container).args : split("=", argument)[1] if startswith(argument, "--persistence.file=")]) == "${one(one(one(one(one(kubernetes_deployment_v1.this.spec).template).spec).container).volume_mount).mount_path}/figures"
    error_message = "the file lies on the volume"
  }

  assert {
    condition     = one(one(one(one(one(kubernetes_deployment_v1.this.spec).template).spec).volume).persistent_volume_claim).claim_name == one(kubernetes_persistent_volume_claim_v1.this.metadata).name
    error_message = "the volume is the claim's"
  }

  assert {
    condition     = one(one(kubernetes_deployment_v1.this.spec).strategy).type == "Recreate"
    error_message = "two pods never share it"
  }
}
