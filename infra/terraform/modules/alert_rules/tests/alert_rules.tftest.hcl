run "alerts_are_those_of_the_file" {
  command = plan

  assert {
    condition     = length(output.alerts) == length(regexall("- alert: ", file("../../../monitoring/rules.yaml"))) && length(output.alerts) > 10
    error_message = "every alert is there, once"
  }

  assert {
    condition     = endswith(output.alerts["PenstockErrorRate"].expr, "> 0.01") && output.alerts["PenstockErrorRate"].for == "5m"
    error_message = "an alert is as it is written"
  }
}

run "a_limit_replaces_the_number_at_the_end" {
  command = plan

  variables {
    limits = { PenstockErrorRate = 0.05, PenstockModelOld = 2592000 }
  }

  assert {
    condition     = endswith(output.alerts["PenstockErrorRate"].expr, "> 0.05") && endswith(output.alerts["PenstockModelOld"].expr, "> 2592000") && endswith(output.alerts["PenstockLatency"].expr, "> 0.5")
    error_message = "the given limits hold, and the others are as written"
  }
}

run "an_alert_without_a_limit_is_refused" {
  command = plan

  variables {
    limits = { PenstockModelDrifted = 2 }
  }

  expect_failures = [var.limits]
}
