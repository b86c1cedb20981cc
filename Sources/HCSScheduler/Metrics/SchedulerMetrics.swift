import HCSAPI
import HCSHTTP
import HCSModel

/// One metric of the scheduler. `docs/reference/metrics.md` has a line for each.
package struct SchedulerMetric: Sendable {
    package enum Kind: String, Sendable { case gauge, counter }

    package let name: String
    package let kind: Kind
    package let help: String
    package let labels: [String]
    let series: @Sendable (SchedulerFigures, [HTTPAnswers.Key: UInt64]) -> [(labels: [String], value: Double)]

    init(
        _ name: String, _ kind: Kind, _ help: String, labels: [String] = [],
        _ series: @escaping @Sendable (SchedulerFigures) -> [(labels: [String], value: Double)]
    ) {
        (self.name, self.kind, self.help, self.labels) = (name, kind, help, labels)
        self.series = { figures, _ in series(figures) }
    }

    init(
        answers name: String, _ help: String, labels: [String],
        _ series: @escaping @Sendable ([HTTPAnswers.Key: UInt64]) -> [(labels: [String], value: Double)]
    ) {
        (self.name, kind, self.help, self.labels) = (name, .counter, help, labels)
        self.series = { _, answers in series(answers) }
    }
}

/// A scrape names no node, no device and no workload: their number has no bound that a Prometheus would like, and agents
/// tell of their own devices.
package enum SchedulerMetrics {
    package static let all: [SchedulerMetric] = [
        SchedulerMetric("hcs_scheduler_info", .gauge, "Always 1.", labels: ["version"]) { _ in
            [([HCSVersion.current], 1)]
        },
        SchedulerMetric(
            "hcs_scheduler_start_time_seconds", .gauge, "When the scheduler started, since 1970."
        ) { [([], Double($0.startMilliseconds) / 1000)] },
        SchedulerMetric("hcs_scheduler_nodes", .gauge, "Nodes by whether they report.", labels: ["state"]) { figures in
            NodeView.State.allCases.map { ([$0.rawValue], Double(figures.nodes[$0] ?? 0)) }
        },
        SchedulerMetric(
            "hcs_scheduler_devices", .gauge, "Devices by health; those of a silent node are unknown.",
            labels: ["vendor", "band", "simulated"]
        ) { figures in figures.devices.sorted { $0.key < $1.key }.map { ($0.key.words, Double($0.value)) } },
        SchedulerMetric(
            "hcs_scheduler_cordons", .gauge, "Cordons that stand.", labels: ["target"]
        ) { [(["node"], Double($0.cordonedNodes)), (["device"], Double($0.cordonedDevices))] },
        SchedulerMetric(
            "hcs_scheduler_workloads", .gauge, "Workloads by phase, those that ended as long as they are remembered.",
            labels: ["phase"]
        ) { figures in WorkloadPhase.allCases.map { ([$0.rawValue], Double(figures.workloads[$0] ?? 0)) } },
        SchedulerMetric("hcs_scheduler_queue_length", .gauge, "Workloads that wait for devices.") {
            [([], Double($0.workloads[.queued] ?? 0))]
        },
        SchedulerMetric(
            "hcs_scheduler_queue_rounds_total", .counter, "Rounds that decided on all that waits."
        ) { [([], Double($0.rounds))] },
        SchedulerMetric(
            "hcs_scheduler_decisions_total", .counter, "Decisions about workloads.", labels: ["decision"]
        ) { figures in Decision.allCases.map { ([$0.rawValue], Double(figures.decisions[$0] ?? 0)) } },
        SchedulerMetric(
            "hcs_scheduler_workloads_ended_total", .counter, "Workloads that ended.", labels: ["phase"]
        ) { figures in
            WorkloadPhase.allCases.filter(\.hasEnded).map { ([$0.rawValue], Double(figures.ended[$0] ?? 0)) }
        },
        SchedulerMetric(
            "hcs_scheduler_events_total", .counter, "Events told.", labels: ["kind", "severity"]
        ) { figures in figures.events.sorted { $0.key < $1.key }.map { ($0.key.words, Double($0.value)) } },
        SchedulerMetric(
            "hcs_scheduler_alerts_total", .counter,
            "Alerts by receiver and what became of them: delivered, failed after the last try, dropped from a full queue, suppressed as like one before.",
            labels: ["receiver", "outcome"]
        ) { figures in
            figures.alerts.flatMap { status in
                [
                    ("delivered", status.delivered), ("failed", status.failed), ("dropped", status.dropped),
                    ("suppressed", status.suppressed),
                ].map { ([status.receiver, $0.0], Double($0.1)) }
            }
        },
        SchedulerMetric(
            "hcs_scheduler_alerts_queued", .gauge, "Alerts that wait to be sent.", labels: ["receiver"]
        ) { $0.alerts.map { ([$0.receiver], Double($0.queued)) } },
        SchedulerMetric(
            "hcs_scheduler_store_failures_total", .counter, "Changes that the store did not take: they were not made."
        ) { [([], Double($0.storeFailures))] },
        SchedulerMetric(
            answers: "hcs_scheduler_http_answers_total", "Answers to HTTP requests.", labels: ["method", "code"]
        ) { answers in
            answers.sorted { ($0.key.method, $0.key.code) < ($1.key.method, $1.key.code) }
                .map { ([$0.key.method, String($0.key.code)], Double($0.value)) }
        },
    ]

    package static func render(_ figures: SchedulerFigures, answers: [HTTPAnswers.Key: UInt64] = [:]) -> String {
        all.map { metric in
            PrometheusText.family(
                metric.name, kind: metric.kind.rawValue, help: metric.help,
                metric.series(figures, answers).map { one in
                    PrometheusText.Line(
                        labels: PrometheusText.labels(zip(metric.labels, one.labels).map { ($0, $1) }),
                        value: one.value)
                })
        }.joined()
    }
}
