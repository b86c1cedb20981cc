import Foundation
import HCSAgent
import Testing

/// `docs/reference/metrics.md` says what there is, no more and no less.
@Suite struct MetricsReferenceTests {
    private struct Row: Hashable, Comparable, CustomStringConvertible {
        var name: String
        var kind: String
        var labels: [String]

        static func < (a: Row, b: Row) -> Bool { a.name < b.name }
        var description: String { "\(name) \(kind) \(labels)" }
    }

    /// Lines such as `| `hcs_x_total` | counter | `kind` | meaning | absent |`.
    private func documented() throws -> [Row] {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let page = try String(contentsOf: root.appending(path: "docs/reference/metrics.md"), encoding: .utf8)
        return page.split(separator: "\n").compactMap { line in
            let cells = line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
            // The scheduler's are its own tests'.
            guard line.hasPrefix("| `"), !line.hasPrefix("| `hcs_scheduler_"), cells.count == 5,
                ["gauge", "counter", "histogram"].contains(cells[1])
            else {
                return nil
            }
            let labels = cells[2].replacing("`", with: "").split(separator: ", ").map(String.init)
            return Row(name: String(cells[0].dropFirst().dropLast()), kind: cells[1], labels: labels)
        }
    }

    @Test func `the reference names every metric with its type and labels`() throws {
        let documented = try documented()
        let real = Metrics.all(.dcgm).map { Row(name: $0.name, kind: $0.kind.rawValue, labels: $0.labels) }
        #expect(Set(documented).subtracting(real).sorted() == [], "documented, and not there")
        #expect(Set(real).subtracting(documented).sorted() == [], "there, and not documented")
        #expect(documented.count == real.count, "one line each")
    }

    @Test func `a scrape has the labels that the metrics say, and no others`() async {
        let scrape = MetricsScrape(MetricsText.render(await MetricsScrape.fullSnapshot()))
        for metric in Metrics.all(.dcgm) {
            let series = scrape.values.keys.filter { $0.name == metric.name }
            let optional: Set<String> = metric.subject == .dcgm ? ["GPU_I_PROFILE", "simulated"] : []
            let expected = Set(Metrics.labels(of: metric.subject) + metric.labels).subtracting(optional)
            for one in series { #expect(Set(one.labels.keys) == expected, "\(metric.name)") }
        }
    }
}
