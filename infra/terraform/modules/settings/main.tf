# What was made, in the words of the command line. Strings are quoted as in JSON, which is as TOML quotes them.
locals {
  sections = merge([
    for name, context in var.contexts : {
      "contexts.${name}"            = { for key, value in context.settings : key => value if value != null }
      "contexts.${name}.parameters" = { for key, value in context.parameters : key => value if value != null }
    }
  ]...)

  toml = join("\n", [
    for section, values in local.sections :
    join("", concat(["[${section}]\n"], [for key, value in values : "${key} = ${jsonencode(value)}\n"]))
  ])

  platform = [
    for platform in var.platform[*] : yamlencode({
      namespace           = platform.namespace
      service_account     = split("/", platform.service_accounts["pipeline-runner"])[1]
      serving             = zipmap(["namespace", "service_account"], split("/", platform.service_accounts["penstock-serving"]))
      environment_secrets = platform.environment_secrets
      accelerators = {
        for name, accelerator in platform.accelerators : name => {
          resource        = accelerator.resource
          service_account = split("/", platform.service_accounts["penstock-trainer"])[1]
          node_selectors  = accelerator.node_selectors
          tolerations     = [for toleration in accelerator.tolerations : { for key, value in toleration : key => value if value != null }]
        }
      }
    })
  ]
}
