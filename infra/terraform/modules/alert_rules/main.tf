# The alerts of infra/monitoring, written once for every place that evaluates them. The limit of an alert is the number at the end of its expression.
locals {
  written = yamldecode(file("${path.module}/../../../monitoring/rules.yaml")).groups
  limited = [for rule in flatten(local.written[*].rules) : rule.alert if can(regex("> [0-9.]+$", rule.expr))]

  groups = [for group in local.written : merge(group, {
    rules = [for rule in group.rules : merge(rule, contains(keys(var.limits), rule.alert) ? { expr = replace(rule.expr, "/[0-9.]+$/", var.limits[rule.alert]) } : {})]
  })]
}
