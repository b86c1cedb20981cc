import Foundation

/// Replays of one or more policies over the same seeds, put together.
package struct ReplayReport: Sendable {
    package var title: String
    package private(set) var series: [Series] = []

    package struct Series: Sendable {
        package var policy: PackingPolicy
        package var runs: [Run] = []

        package var violations: Int { runs.reduce(0) { $0 + $1.violations.count } }
    }

    package struct Run: Sendable {
        package var seed: UInt64
        package var capacity: Int
        package var points: [ReplayPoint]
        package var violations: ReplayViolations

        package init(_ replay: TraceReplay) {
            seed = replay.seed
            capacity = replay.capacity
            points = replay.points
            violations = replay.violations
        }

        /// The first point at which `demand`, a part of the capacity, has arrived; nil where the replay ended before.
        package func point(at demand: Double) -> ReplayPoint? {
            let wanted = Int((demand * Double(capacity)).rounded(.down))
            return points.first { $0.arrived >= wanted }
        }

        /// Percent of the devices.
        package func allocated(_ point: ReplayPoint) -> Double { 100 * Double(point.allocated) / Double(capacity) }
        /// Percent of the free devices.
        package func fragment(_ point: ReplayPoint) -> Double {
            let free = capacity - point.allocated
            return free > 0 ? 100 * point.fragment / Double(free) : 0
        }
    }

    package struct Spread: Equatable, Sendable {
        package var mean: Double
        /// Of the population, as the published figures.
        package var deviation: Double
        package var least: Double
        package var most: Double

        package init?(_ values: [Double]) {
            guard let least = values.min(), let most = values.max() else { return nil }
            let mean = values.reduce(0, +) / Double(values.count)
            self.mean = mean
            deviation = (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count)).squareRoot()
            self.least = least
            self.most = most
        }
    }

    package init(title: String) { self.title = title }

    package mutating func add(_ replay: TraceReplay) {
        let run = Run(replay)
        if let i = series.firstIndex(where: { $0.policy == replay.policy }) {
            series[i].runs.append(run)
        } else {
            series.append(Series(policy: replay.policy, runs: [run]))
        }
    }

    package var violations: Int { series.reduce(0) { $0 + $1.violations } }

    /// Percent of capacity that every run reached.
    var reached: Int {
        series.flatMap(\.runs).map { ($0.points.last?.arrived ?? 0) * 100 / $0.capacity }.min() ?? 0
    }

    func allocated(_ series: Series, atPercent demand: Int) -> Spread? {
        let values = series.runs.compactMap { run in
            run.point(at: Double(demand) / 100).map { run.allocated($0) }
        }
        return values.count == series.runs.count ? Spread(values) : nil
    }

    // MARK: Text

    /// For people: allocation against demand, then what failed.
    package var text: String {
        let marks = [50, 80, 90, 95, 100, 110, 120, 130].filter { $0 < reached } + [reached]
        var lines = [title, "", "allocated, % of the devices, mean ± standard deviation over the seeds"]
        var rows = [["demand %"] + marks.map(String.init)]
        for s in series {
            rows.append(
                [s.policy.rawValue]
                    + marks.map { mark in
                        allocated(s, atPercent: mark).map { Self.fixed($0.mean) + " ± " + Self.fixed($0.deviation) }
                            ?? "-"
                    })
        }
        lines += Self.table(rows) + ["", "at the end, mean of the seeds"]
        rows = [
            ["", "arrived", "failed"] + PodKind.allCases.map(\.name)
                + ["bound to models", "fragments, % of free", "violations"]
        ]
        for s in series { rows.append(endRow(s)) }
        return (lines + Self.table(rows)).joined(separator: "\n") + "\n"
    }

    private func endRow(_ s: Series) -> [String] {
        let ends = s.runs.compactMap { run in run.points.last.map { (run, $0) } }
        func mean(_ value: (Run, ReplayPoint) -> Double) -> String {
            Self.fixed(Spread(ends.map(value))?.mean ?? 0, 1)
        }
        var row = [s.policy.rawValue]
        row.append(mean { Double($1.placed.total + $1.failed.total) })
        row.append(mean { Double($1.failed.total) })
        for kind in PodKind.allCases { row.append(mean { Double($1.failed[kind]) }) }
        row.append(mean { Double($1.failedBound) })
        row.append(mean { $0.fragment($1) })
        row.append("\(s.violations)")
        return row
    }

    private static func table(_ rows: [[String]]) -> [String] {
        let widths = (rows.first ?? []).indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            zip(row, widths).enumerated().map { i, cell in
                let padding = String(repeating: " ", count: cell.1 - cell.0.count)
                return i == 0 ? cell.0 + padding : padding + cell.0
            }.joined(separator: "  ")
        }
    }

    static func fixed(_ value: Double, _ digits: Int = 2) -> String { String(format: "%.\(digits)f", value) }

    // MARK: CSV

    /// One line for each hundredth of the capacity that arrived, in each run.
    package var csv: String {
        var lines = [
            "policy,seed,arrived_percent,allocated_percent,fragment_percent_of_free,failed_cpu_only,failed_share,"
                + "failed_one_device,failed_several_devices,failed_bound"
        ]
        for s in series {
            for run in s.runs {
                for point in run.points {
                    let figures = [
                        100 * Double(point.arrived) / Double(run.capacity), run.allocated(point), run.fragment(point),
                    ]
                    let counts = PodKind.allCases.map { point.failed[$0] } + [point.failedBound]
                    lines.append(
                        ([s.policy.rawValue, "\(run.seed)"] + figures.map { Self.fixed($0, 4) }
                            + counts.map(String.init)).joined(separator: ","))
                }
            }
        }
        return lines.joined(separator: "\n") + "\n"
    }
}
