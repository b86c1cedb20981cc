import Foundation
import HCSPlacement

/// Decisions per second of the placement core on one thread (README.md).
///   bench-placement [--variants | --cycle | --queue [--sizes=N] | --growth [--sizes=N,…]] [--policy=NAME] [NODES.csv PODS.csv]
let arguments = CommandLine.arguments.dropFirst().filter { !$0.hasPrefix("--") }
let sizes = [1213, 5000, 10000]
/// `--sizes=N,…`: numbers of nodes in place of a table's own.
let wantedSizes = CommandLine.arguments.first { $0.hasPrefix("--sizes=") }.map {
    $0.dropFirst("--sizes=".count).split(separator: ",").compactMap { Int($0) }.filter { $0 > 0 }
}
let policies = PackingPolicy.allCases.filter { policy in
    let wanted = CommandLine.arguments.filter { $0.hasPrefix("--policy=") }
    return wanted.isEmpty || wanted.contains("--policy=\(policy.rawValue)")
}

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
    /// Of all decisions: equal ones were decided alike.
    var digest = Digest()

    /// To build it from a snapshot.
    var startSeconds: Double?
    /// To take in that a node's report tells of other use.
    var renewMicroseconds: Double?

    var perSecond: Double { Double(decisions) / seconds }

    mutating func finish(_ times: [UInt64]) {
        seconds = Double(times.reduce(0, +)) / 1e9
        let sorted = times.sorted()
        p50 = Double(sorted[sorted.count / 2]) / 1000
        p99 = Double(sorted[sorted.count * 99 / 100]) / 1000
    }
}

/// FNV-1a, 64 bits, over the numbers of nodes and devices.
struct Digest {
    private(set) var value: UInt64 = 0xcbf2_9ce4_8422_2325

    mutating func add(_ number: Int) {
        for shift in stride(from: 0, to: 64, by: 8) {
            value = (value ^ UInt64(truncatingIfNeeded: number >> shift) & 0xff) &* 0x100_0000_01b3
        }
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
    var result = Measurement(decisions: replay.arrivals.count)
    for pod in replay.arrivals {
        let begun = threadNanoseconds()
        let placement = core.place(pod)
        times.append(threadNanoseconds() - begun)
        if placement != nil { allocated += pod.deviceMilli }
        result.digest.add(placement?.node ?? -1)
        result.digest.add(placement.map { Int($0.devices) } ?? 0)
    }
    result.finish(times)
    result.bytesPerNode = core.byteCount / count
    result.allocated = 100 * Double(allocated) / Double(replay.capacity)
    return result
}

/// What the standard policy allocates over FGD on each variant of the trace, in points, beside what FGD allocates.
func compareVariants(_ trace: Trace) throws {
    let seeds = UInt64(101)...103
    print("percent of the devices allocated, mean of \(seeds.count) seeds; CPU-only pods that failed at the end")
    let columns = [
        ("variant", 12), ("fgd 100 %", 10), ("fgd 130 %", 10), ("esg 100 %", 10), ("esg 130 %", 10), ("CPU fgd", 9),
        ("CPU esg", 9),
    ]
    print(columns.map { padded($0.0, $0.1) }.joined(separator: " "))
    for variant in TraceVariant.all {
        let varied = variant.applied(to: trace, seed: 1000)
        var means: [[Double]] = []
        for policy in [PackingPolicy.fragmentation, .stranded] {
            var sums = [0.0, 0, 0]
            for seed in seeds {
                var replay = try TraceReplay(varied, policy: policy, tune: 1.3, seed: seed)
                while !replay.isDone { replay.advance(1000) }
                let run = ReplayReport.Run(replay)
                sums[0] += run.point(at: 1).map { run.allocated($0) } ?? 0
                sums[1] += run.points.last.map { run.allocated($0) } ?? 0
                sums[2] += Double(run.points.last?.failed[.cpuOnly] ?? 0)
            }
            means.append(sums.map { $0 / Double(seeds.count) })
        }
        let (fgd, esg) = (means[0], means[1])
        let cells =
            [variant.name] + fgd[0...1].map { String(format: "%.2f", $0) }
            + (0...1).map { String(format: "%+.2f", esg[$0] - fgd[$0]) }
            + [fgd[2], esg[2]].map { String(format: "%.0f", $0) }
        print(zip(cells, columns).map { padded($0, $1.1) }.joined(separator: " "))
    }
}

func padded(_ text: String, _ width: Int) -> String {
    String(repeating: " ", count: max(0, width - text.count)) + text
}

func printTable(_ title: String, sizes: [Int], _ measure: (Int, PackingPolicy) throws -> Measurement) throws {
    print(title)
    let columns = [
        ("nodes", 6), ("policy", 9), ("decisions", 10), ("per s", 9), ("of bestfit", 11), ("p50 us", 8), ("p99 us", 8),
        ("B/node", 8), ("allocated %", 12), ("digest", 9), ("start s", 8),
        ("renew us", 9),
    ]
    print(columns.map { padded($0.0, $0.1) }.joined(separator: " "))
    for size in sizes {
        var reference = 0.0
        for policy in policies {
            let m = try measure(size, policy)
            if policy == .bestFit { reference = m.perSecond }
            let cells = [
                "\(size)", policy.rawValue, "\(m.decisions)", String(format: "%.0f", m.perSecond),
                String(format: "%.2f", m.perSecond / reference), String(format: "%.1f", m.p50),
                String(format: "%.1f", m.p99), "\(m.bytesPerNode)", String(format: "%.2f", m.allocated),
                String(format: "%08x", UInt32(truncatingIfNeeded: m.digest.value)),
                m.startSeconds.map { String(format: "%.3f", $0) } ?? "",
                m.renewMicroseconds.map { String(format: "%.1f", $0) } ?? "",
            ]
            print(zip(cells, columns).map { padded($0, $1.1) }.joined(separator: " "))
        }
    }
}

do {
    let (trace, what) = try load()
    if CommandLine.arguments.contains("--variants") {
        try compareVariants(trace)
        exit(0)
    }
    if CommandLine.arguments.contains("--queue") {
        for size in wantedSizes ?? [sizes[0]] { try printQueueTable(trace, nodes: size) }
        exit(0)
    }
    if CommandLine.arguments.contains("--growth") {
        try printGrowth(trace, what)
        exit(0)
    }
    if !CommandLine.arguments.contains("--cycle") {
        try printTable("placement core, one thread, \(what), 130 % demand, seed 42", sizes: sizes) {
            try measure(trace, nodes: $0, $1)
        }
    }
    try printTable(
        "whole placement cycle, one thread, \(what) without work that needs no device, 130 % demand, seed 42",
        sizes: [sizes[0], 10000]
    ) { try measureCycle(trace, nodes: $0, $1) }
    if !CommandLine.arguments.contains("--cycle") { try printGrowth(trace, what) }
} catch {
    FileHandle.standardError.write(Data("bench-placement: \(error)\n".utf8))
    exit(1)
}
