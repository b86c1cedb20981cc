/// One metric: what it is called, what it means, and how its series are read from what the agent knows.
/// `docs/reference/metrics.md` has a line for each.
package struct Metric: Sendable {
    package enum Kind: String, Sendable { case gauge, counter, histogram }

    /// What it is about: each has labels of its own, which come before the metric's.
    package enum Subject: Sendable, CaseIterable {
        case agent
        /// A device, under the native labels.
        case device
        /// An NVIDIA device, under the labels of NVIDIA's exporter.
        case dcgm
    }

    package let name: String
    package let kind: Kind
    package let help: String
    package let subject: Subject
    /// Besides those of the subject.
    package let labels: [String]
    let series: @Sendable (MetricsSnapshot) -> [Series]

    /// One line of the exposition.
    struct Series {
        /// Rendered labels of the subject; empty for the agent.
        var subject = ""
        var labels: [(name: String, value: String)] = []
        var value: Double
        /// `_bucket`, `_sum`, `_count` of a histogram.
        var suffix = ""
    }

    /// About the agent or its host.
    static func agent(
        _ name: String, _ help: String, kind: Kind = .gauge, labels: [String] = [],
        _ series: @escaping @Sendable (MetricsSnapshot) -> [Series]
    ) -> Metric {
        Metric(name: name, kind: kind, help: help, subject: .agent, labels: labels, series: series)
    }

    /// One figure of each device; nil: that device has none, and no series.
    static func device(
        _ name: String, _ help: String, kind: Kind = .gauge,
        _ value: @escaping @Sendable (MetricsSnapshot.Subject) -> Double?
    ) -> Metric {
        Metric(name: name, kind: kind, help: help, subject: .device, labels: []) { snapshot in
            snapshot.devices.compactMap { device in value(device).map { Series(subject: device.labels, value: $0) } }
        }
    }

    /// Several figures of each device, told apart by labels.
    static func devices(
        _ name: String, _ help: String, kind: Kind = .gauge, labels: [String],
        _ values: @escaping @Sendable (MetricsSnapshot.Subject) -> [(labels: [String], value: Double)]
    ) -> Metric {
        Metric(name: name, kind: kind, help: help, subject: .device, labels: labels) { snapshot in
            snapshot.devices.flatMap { device in
                values(device).map {
                    Series(
                        subject: device.labels, labels: zip(labels, $0.labels).map { ($0, $1) }, value: $0.value)
                }
            }
        }
    }
}

extension Metric {
    /// A state as Prometheus likes it: 1 for the one that holds, 0 for the others, so that none sticks.
    static func states<State: CaseIterable & RawRepresentable & Equatable>(_ state: State?) -> [(
        labels: [String], value: Double
    )] where State.RawValue == String {
        guard let state else { return [] }
        return State.allCases.map { ([$0.rawValue], $0 == state ? 1 : 0) }
    }
}
