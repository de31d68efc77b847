# The panels of Grafana's dashboard of the fleet, and what a release looks like, for those who have Cloud Monitoring alone.
locals {
  fleet = jsondecode(file("${path.module}/../../../monitoring/dashboards/fleet.json")).panels

  panels = merge(
    { for panel in local.fleet : panel.title => replace(panel.targets[0].expr, "$__rate_interval", "5m") },
    {
      "Requests per second, by model and version" = "sum by (model_name, version) (rate(penstock_requests_total[5m]))"
      "Share of failed requests, by version"      = "sum by (model_name, version) (rate(penstock_requests_total{code=~\"5..\"}[5m])) / sum by (model_name, version) (rate(penstock_requests_total[5m]))"
      "Features that have drifted"                = "sum by (model_name) (max by (model_name, feature) (penstock_monitoring_drifted))"
      "GPU duty cycle, percent"                   = "avg by (node_name) (kubernetes_io:node_accelerator_duty_cycle)"
    },
    { for name, query in local.vertex_queries : "Vertex AI: ${name}" => query if var.vertex },
  )

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
