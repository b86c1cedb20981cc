import Foundation
import HCSPlacement

/// Decisions per second of the placement core on one thread (README.md).
///   bench-placement [core | cycle] [NODES.csv PODS.csv]
let part = CommandLine.arguments.dropFirst().first.flatMap { ["core", "cycle"].contains($0) ? $0 : nil }
let arguments = Array(CommandLine.arguments.dropFirst(part == nil ? 1 : 2))
let sizes = [1213, 5000, 10000]

func load() throws -> (trace: Trace, what: String) {
    guard arguments.count == 2 else {
        return (SyntheticTrace.make(nodes: sizes[0], pods: 8152, seed: 1), "synthetic trace")
    }
    let texts = try arguments.map { try String(contentsOfFile: $0, encoding: .utf8) }
    let names = arguments.map { URL(fileURLWithPath: $0).lastPathComponent }
    return (try Trace(nodes: texts[0], called: names[0], pods: texts[1], called: names[1]), names[1])
}

struct Measurement {
    var decisions = 0
    var seconds = 0.0
    var p50 = 0.0
    var p99 = 0.0
    var bytesPerNode = 0
    var allocated = 0.0

    /// To build it from a snapshot.
    var startSeconds: Double?

    var perSecond: Double { Double(decisions) / seconds }

    mutating func finish(_ times: [UInt64], seconds: Double) {
        self.seconds = seconds
        let sorted = times.sorted()
        p50 = Double(sorted[sorted.count / 2]) / 1000
        p99 = Double(sorted[sorted.count * 99 / 100]) / 1000
    }
}

/// CPU time: what else the machine does is not in the figures.
func threadNanoseconds() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}

/// The trace's nodes again and again up to `count`, its pods up to 130 % of their capacity.
func measure(_ trace: Trace, nodes count: Int, _ policy: PackingPolicy) throws -> Measurement {
    var larger = trace
    larger.nodes = (0..<count).map { trace.nodes[$0 % trace.nodes.count] }
    let replay = try TraceReplay(larger, policy: policy, tune: 1.3, seed: 42)
    var core = PackingCore(nodes: larger.nodes, policy: policy, mix: WorkloadMix(larger.pods))
    var times: [UInt64] = []
    times.reserveCapacity(replay.arrivals.count)
    var allocated = 0
    let start = threadNanoseconds()
    var last = start
    for pod in replay.arrivals {
        if core.place(pod) != nil { allocated += pod.deviceMilli }
        let now = threadNanoseconds()
        times.append(now - last)
        last = now
    }
    var result = Measurement(decisions: times.count)
    result.finish(times, seconds: Double(last - start) / 1e9)
    result.bytesPerNode = core.byteCount / count
    result.allocated = 100 * Double(allocated) / Double(replay.capacity)
    return result
}

func padded(_ text: String, _ width: Int) -> String {
    String(repeating: " ", count: max(0, width - text.count)) + text
}

func printTable(
    _ title: String, sizes: [Int], _ measure: (Int, PackingPolicy) throws -> Measurement
) throws {
    print(title)
    let columns = [
        ("nodes", 6), ("policy", 9), ("decisions", 10), ("per s", 9), ("of bestfit", 11), ("p50 us", 8), ("p99 us", 8),
        ("B/node", 8), ("allocated %", 12), ("start s", 8),
    ]
    print(columns.map { padded($0.0, $0.1) }.joined(separator: " "))
    for size in sizes {
        var reference = 0.0
        for policy in PackingPolicy.allCases {
            let m = try measure(size, policy)
            if policy == .bestFit { reference = m.perSecond }
            let cells = [
                "\(size)", policy.rawValue, "\(m.decisions)", String(format: "%.0f", m.perSecond),
                String(format: "%.2f", m.perSecond / reference), String(format: "%.1f", m.p50),
                String(format: "%.1f", m.p99), "\(m.bytesPerNode)", String(format: "%.2f", m.allocated),
                m.startSeconds.map { String(format: "%.2f", $0) } ?? "",
            ]
            print(zip(cells, columns).map { padded($0, $1.1) }.joined(separator: " "))
        }
    }
}

do {
    let (trace, what) = try load()
    if part != "cycle" {
        try printTable("placement core, one thread, \(what), 130 % demand, seed 42", sizes: sizes) {
            try measure(trace, nodes: $0, $1)
        }
    }
    if part != "core" {
        try printTable("whole placement cycle, the same without work that needs no device", sizes: [sizes[0], 10000]) {
            try measureCycle(trace, nodes: $0, $1)
        }
    }
} catch {
    FileHandle.standardError.write(Data("bench-placement: \(error)\n".utf8))
    exit(1)
}
