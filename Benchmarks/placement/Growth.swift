import CBenchCounter
import Foundation
import HCSModel
import HCSPlacement

/// What a decision costs whose shape was decided before, and how that grows with the nodes: at most as their logarithm
/// is the promise.
struct Growth {
    var nodes: Int
    var decisions: Int
    /// Different shapes among them, each asked for once before the clock runs.
    var shapes: Int
    var microseconds: Double
    /// nil = nothing counts them here.
    var instructions: Double?
    /// Ranks of nodes that were set; nil = not counted for this.
    var ranks: Double?

    static let sizes = [1213, 2500, 5000, 10000, 20000]
    private static let repeats = 3

    /// The arrivals of the trace on its nodes again and again, up to 130 % of their capacity; of several runs the one
    /// that was disturbed least.
    static func core(_ trace: Trace, nodes count: Int) throws -> Growth {
        let (larger, replay) = try enlarged(trace, nodes: count)
        let mix = WorkloadMix(larger.pods)
        return best(nodes: count, replay.arrivals, Array(Set(replay.arrivals))) {
            PackingCore(nodes: larger.nodes, policy: .standard, mix: mix)
        } ask: {
            if let placement = $0.place($1) { $0.release($1, placement) }
        } decide: {
            _ = $0.place($1)
        } ranks: { _ in
            nil
        }
    }

    /// Through the scheduler's whole cycle; work without devices is left out.
    static func cycle(_ trace: Trace, nodes count: Int) throws -> Growth {
        var trace = trace
        trace.pods.removeAll { $0.devices == 0 }
        let (larger, replay) = try enlarged(trace, nodes: count)
        let cluster = TraceCluster(larger)
        let typical = larger.pods.map { cluster.request(for: $0) }
        let requests = replay.arrivals.map { cluster.request(for: $0) }
        return best(nodes: count, requests, Array(Set(requests))) {
            PlacementCycle(snapshot: cluster.snapshot, policy: .standard, typical: typical)
        } ask: {
            _ = $0.canPlace($1)
        } decide: {
            _ = $0.place($1)
        } ranks: {
            $0.ranksSet
        }
    }

    private static func enlarged(_ trace: Trace, nodes count: Int) throws -> (Trace, TraceReplay) {
        var larger = trace
        larger.nodes = (0..<count).map { trace.nodes[$0 % trace.nodes.count] }
        return (larger, try TraceReplay(larger, policy: .standard, tune: 1.3, seed: 42))
    }

    private static func best<Core, Ask>(
        nodes: Int, _ arrivals: [Ask], _ shapes: [Ask], make: () -> Core, ask: (inout Core, Ask) -> Void,
        decide: (inout Core, Ask) -> Void, ranks: (Core) -> Int?
    ) -> Growth {
        var result = Growth(nodes: nodes, decisions: arrivals.count, shapes: shapes.count, microseconds: .infinity)
        for _ in 0..<repeats {
            var core = make()
            for shape in shapes { ask(&core, shape) }
            let before = ranks(core)
            let instructions = hcs_counter_instructions()
            let begun = threadNanoseconds()
            for arrival in arrivals { decide(&core, arrival) }
            let spent = Double(threadNanoseconds() - begun) / 1e3 / Double(arrivals.count)
            let count = hcs_counter_instructions() - instructions
            result.microseconds = min(result.microseconds, spent)
            if let before, let after = ranks(core) { result.ranks = Double(after - before) / Double(arrivals.count) }
            guard instructions >= 0, count > 0 else { continue }
            result.instructions = min(result.instructions ?? .infinity, Double(count) / Double(arrivals.count))
        }
        return result
    }
}

func printGrowth(_ trace: Trace, _ what: String) throws {
    let sizes = wantedSizes ?? Growth.sizes
    for (name, measure) in [("core", Growth.core), ("whole cycle", Growth.cycle)] {
        print("growth of the \(name), repeated shapes, \(what), \(PackingPolicy.standard.rawValue), 130 % demand")
        let columns = [
            ("nodes", 6), ("decisions", 10), ("shapes", 7), ("us each", 8), ("instructions", 13), ("ranks", 6),
            ("of first", 9),
            ("log n", 6), ("", 5),
        ]
        print(columns.map { padded($0.0, $0.1) }.joined(separator: " "))
        var first: Growth?
        for size in sizes {
            let row = try measure(trace, size)
            let base = first ?? row
            first = base
            // Instructions, where they are counted, are not disturbed by what else the machine does.
            let counted = row.instructions.flatMap { own in base.instructions.map { own / $0 } }
            let ratio = counted ?? row.microseconds / base.microseconds
            let bound = log(Double(row.nodes)) / log(Double(base.nodes))
            let cells = [
                "\(row.nodes)", "\(row.decisions)", "\(row.shapes)", String(format: "%.2f", row.microseconds),
                row.instructions.map { String(format: "%.0f", $0) } ?? "not counted",
                row.ranks.map { String(format: "%.1f", $0) } ?? "", String(format: "%.2f", ratio),
                String(format: "%.2f", bound), ratio <= bound ? "pass" : "MISS",
            ]
            print(zip(cells, columns).map { padded($0, $1.1) }.joined(separator: " "))
        }
    }
}
