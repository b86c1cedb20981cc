import HCSHTTP

/// A scrape of the agent.
package enum MetricsText {
    package static func render(_ snapshot: MetricsSnapshot, compatibility: MetricsCompatibility = .dcgm) -> String {
        var text = ""
        text.reserveCapacity(64 << 10)
        for metric in Metrics.all(compatibility) {
            text += PrometheusText.family(
                metric.name, kind: metric.kind.rawValue, help: metric.help,
                metric.series(snapshot).map { one in
                    let labels = [one.subject, PrometheusText.labels(one.labels)].filter { !$0.isEmpty }
                    return PrometheusText.Line(
                        suffix: one.suffix, labels: labels.joined(separator: ","), value: one.value)
                })
        }
        return text
    }
}
