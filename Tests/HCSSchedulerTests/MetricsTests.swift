import Foundation
import HCSAPI
import HCSModel
import HCSScheduler
import HCSStore
import Logging
import Testing

@Suite struct SchedulerMetricsTests {
    private let clock = ManualClock()

    private func open() async throws -> Scheduler {
        try await Scheduler.open(
            store: MemoryStore(), clock: clock, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    private func value(_ scheduler: Scheduler, _ series: String) async -> String? {
        let lines = SchedulerMetrics.render(await scheduler.figures()).split(separator: "\n")
        return lines.first { $0.hasPrefix(series + " ") }.map { String($0.dropFirst(series.count + 1)) }
    }

    @Test func `counts follow the state`() async throws {
        let scheduler = try await open()
        var reports = ReportMaker()
        _ = try await scheduler.receive(reports.make([gpu("dev-a"), gpu("dev-b", score: 0)]))
        _ = try await scheduler.submit(spec("one"))
        _ = try await scheduler.submit(spec("two", vram: 100))
        _ = try await scheduler.cordon(CordonRequest(target: "n1", reason: "r", by: "ada", drain: false))
        func check(_ expected: [String: String]) async {
            for (series, figure) in expected { #expect(await value(scheduler, series) == figure, "\(series)") }
        }
        await check([
            "hcs_scheduler_nodes{state=\"ready\"}": "1", "hcs_scheduler_nodes{state=\"unreachable\"}": "0",
            "hcs_scheduler_devices{vendor=\"nvidia\",band=\"healthy\",simulated=\"true\"}": "1",
            "hcs_scheduler_devices{vendor=\"nvidia\",band=\"failed\",simulated=\"true\"}": "1",
            "hcs_scheduler_cordons{target=\"node\"}": "1", "hcs_scheduler_cordons{target=\"device\"}": "0",
            "hcs_scheduler_workloads{phase=\"assigned\"}": "1", "hcs_scheduler_queue_length": "1",
            "hcs_scheduler_decisions_total{decision=\"placed\"}": "1",
            "hcs_scheduler_decisions_total{decision=\"planned-again\"}": "0",
            "hcs_scheduler_events_total{kind=\"cordoned\",severity=\"info\"}": "1",
            "hcs_scheduler_events_total{kind=\"fault-latched\",severity=\"critical\"}": "1",
            "hcs_scheduler_start_time_seconds": "1000", "hcs_scheduler_store_failures_total": "0",
        ])
        _ = try await scheduler.delete("two")
        _ = try await scheduler.receive(reports.make([gpu("dev-a", score: 0), gpu("dev-b", score: 0)]))
        await check([
            "hcs_scheduler_workloads_ended_total{phase=\"deleted\"}": "1",
            "hcs_scheduler_decisions_total{decision=\"planned-again\"}": "1", "hcs_scheduler_queue_length": "1",
        ])
        clock.advance(by: 60_000)
        await check([
            "hcs_scheduler_nodes{state=\"unreachable\"}": "1",
            "hcs_scheduler_devices{vendor=\"nvidia\",band=\"unknown\",simulated=\"true\"}": "2",
        ])
    }

    @Test(arguments: ["", "a b", "a\n", "../x", String(repeating: "x", count: 97)])
    func `a report whose device has no identity is refused`(id: String) async throws {
        let scheduler = try await open()
        var reports = ReportMaker()
        await #expect {
            try await scheduler.receive(reports.make([gpu(id)]))
        } throws: {
            ($0 as? APIProblem)?.status == 400
        }
        #expect(await scheduler.nodes().items.isEmpty)
    }

    @Test func `what an alert's receiver is called ends no label`() async throws {
        var figures = SchedulerFigures(startMilliseconds: 0)
        figures.alerts = [AlertStatus(receiver: "program /opt/a\"} 1\n# x\\")]
        let text = SchedulerMetrics.render(figures)
        #expect(text.contains("{receiver=\"program /opt/a\\\"} 1\\n# x\\\\\",outcome=\"dropped\"} 0\n"))
    }

    @Test func `the reference names every metric with its type and labels`() throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let page = try String(contentsOf: root.appending(path: "docs/reference/metrics.md"), encoding: .utf8)
        let documented = page.split(separator: "\n").filter { $0.hasPrefix("| `hcs_scheduler_") }.map { line in
            line.split(separator: "|").prefix(3).map { $0.trimmingCharacters(in: .whitespaces) }.joined(separator: " ")
        }
        let real = SchedulerMetrics.all.map { metric in
            "`\(metric.name)` \(metric.kind.rawValue) "
                + metric.labels.map { "`\($0)`" }.joined(separator: ", ")
        }
        #expect(documented.sorted() == real.sorted())
    }
}
