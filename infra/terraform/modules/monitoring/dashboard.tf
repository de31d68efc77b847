# What a release looks like: who answers, how fast, how well, in which batches.
locals {
  panels = {
    "Requests per second, by model and version" = "sum by (model_name, version) (rate(penstock_requests_total[${local.minutes}]))"
    "Share of failed requests, by version"      = "sum by (model_name, version) (rate(penstock_requests_total{code=~\"5..\"}[${local.minutes}])) / sum by (model_name, version) (rate(penstock_requests_total[${local.minutes}]))"
    "99th percentile of a request, seconds"     = "histogram_quantile(0.99, sum by (le, model_name, version) (rate(penstock_request_seconds_bucket[${local.minutes}])))"
    "Median of a request, seconds"              = "histogram_quantile(0.5, sum by (le, model_name, version) (rate(penstock_request_seconds_bucket[${local.minutes}])))"
    "Rows of a batch, mean"                     = "sum by (model_name) (rate(penstock_batch_rows_sum[${local.minutes}])) / sum by (model_name) (rate(penstock_batch_rows_count[${local.minutes}]))"
    "GPU duty cycle, percent"                   = "avg by (node_name) (kubernetes_io:node_accelerator_duty_cycle)"
  }

  dashboard = {
    displayName = "${var.name}: serving"
    labels      = { for key, value in local.labels : key => value }
    mosaicLayout = {
      columns = 12
      tiles = [
        for place, title in keys(local.panels) : {
          xPos   = 6 * (place % 2)
          yPos   = 4 * floor(place / 2)
          width  = 6
          height = 4
          widget = {
            title = title
            xyChart = {
              dataSets = [{ plotType = "LINE", timeSeriesQuery = { prometheusQuery = local.panels[title] } }]
            }
          }
        }
      ]
    }
  }
}
