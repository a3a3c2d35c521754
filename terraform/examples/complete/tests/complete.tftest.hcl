mock_provider "aws" {}

variables {
  key = "canary-5c1f"
}

# Keys and alarm are made in the same plan: nothing may have to be counted by what AWS has not answered yet.
run "first_plan" {
  command = plan
  assert {
    condition     = output.chart_values.pinnace.appConfig.application == "otel-prod"
    error_message = "values of the chart"
  }
}
