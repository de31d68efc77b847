# Who reaches whom. Everything else is refused, also what a user's code tries in a task, or what a model does in a server.
locals {
  gateways = var.gateway_class != null ? [] : [var.deployment_mode == "Standard" ? "envoy-gateway-system" : "knative-serving"]

  collectors = { google = ["gmp-system", "gke-gmp-system"], prometheus-operator = ["monitoring"] }

  # Buckets, package indices and whatever else speaks TLS; the API server is at 443 or 6443; on GKE and EC2 a pod learns at the one address who it is.
  outside = merge(
    { tls = { ports = [443, 6443] }, metadata = { cidr = "169.254.169.254/32", ports = [80] } },
    local.s3_port == null ? {} : { s3 = { ports = [local.s3_port] } },
  )
  s3_port = var.s3 == null ? null : tonumber(try(split(":", var.s3.endpoint)[1], var.s3.tls ? 443 : 80))

  policies = {
    kubeflow = {
      # The API server asks the webhook, from an address that is no pod's.
      ingress = merge({ api-server = { pods = { app = "cache-server" }, ports = [8443] } }, local.let_in.kubeflow)
      egress = merge(
        local.outside,
        { mlflow = { namespaces = [local.namespaces.mlflow], ports = [5000] }, models = { namespaces = concat([local.namespaces.models], local.gateways) } },
        local.to_database.kubeflow,
        { for gateway in values(module.pushgateway) : "pushgateway" => { namespaces = [gateway.namespace], ports = [gateway.port] } },
      )
    }
    models = {
      ingress = merge(
        { pushes = { namespaces = [local.namespaces.kubeflow] } },
        length(var.operators) == 0 ? {} : { by-hand = { ports = [8080] } }, # through the API server, from an address that is no pod's
        length(local.gateways) == 0 ? {} : { gateway = { namespaces = local.gateways } },
        var.metrics == null ? {} : { metrics = { namespaces = local.collectors[var.metrics], ports = [8080] } },
        local.let_in.models,
      )
      egress = local.outside
    }
    mlflow = {
      ingress = merge({ pipelines = { namespaces = [local.namespaces.kubeflow], ports = [5000] } }, local.let_in.mlflow)
      egress  = merge(local.outside, local.to_database.mlflow)
    }
  }

  let_in      = { for name in keys(local.namespaces) : name => { for other in lookup(var.ingress_namespaces, name, []) : other => { namespaces = [other] } } }
  to_database = { for name in keys(local.namespaces) : name => contains(keys(var.databases), name) ? { database = { ports = [var.databases[name].port] } } : {} }
}

module "policies" {
  source   = "../network_policy"
  for_each = local.policies

  namespace = local.namespaces[each.key]
  ingress   = each.value.ingress
  egress    = each.value.egress
  labels    = merge(var.labels, { component = "cluster-services" })
}

module "pushgateway_policies" {
  source   = "../network_policy"
  for_each = module.pushgateway

  namespace = each.value.namespace
  labels    = merge(var.labels, { component = "cluster-services" })

  ingress = {
    pipelines = { namespaces = [local.namespaces.kubeflow], ports = [each.value.port] }
    metrics   = { namespaces = local.collectors[each.key], ports = [each.value.port] }
  }
}
