import HCSHTTP

/// How long something took, in the buckets of a Prometheus histogram.
package struct DurationHistogram: Hashable, Sendable {
    static let bounds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

    /// Not cumulative; the last is everything above.
    private var counts = [UInt64](repeating: 0, count: Self.bounds.count + 1)
    private var sum = 0.0

    package init() {}

    package mutating func observe(_ seconds: Double) {
        counts[Self.bounds.firstIndex { seconds <= $0 } ?? Self.bounds.count] += 1
        sum += seconds
    }

    var series: [Metric.Series] {
        var total: UInt64 = 0
        var series: [Metric.Series] = []
        for (bound, count) in zip(Self.bounds + [.infinity], counts) {
            total += count
            series.append(
                .init(labels: [("le", PrometheusText.number(bound))], value: Double(total), suffix: "_bucket"))
        }
        return series + [
            .init(value: sum, suffix: "_sum"), .init(value: Double(total), suffix: "_count"),
        ]
    }
}
