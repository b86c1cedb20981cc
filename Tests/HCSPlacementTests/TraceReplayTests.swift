import HCSPlacement
import Testing

private func replayed(_ trace: Trace, _ policy: PackingPolicy, tune: Double? = 1.3, seed: UInt64 = 42) throws
    -> TraceReplay
{
    var replay = try TraceReplay(trace, policy: policy, tune: tune, seed: seed)
    while !replay.isDone { replay.advance(1000) }
    return replay
}

@Suite struct TraceReplayTests {
    private let trace = SyntheticTrace.make(nodes: 30, pods: 200, seed: 5, boundPercent: 10)

    @Test func `arrivals are the shuffled list, then pods of the list up to the demand`() throws {
        let replay = try replayed(trace, .bestFit)
        let demand = replay.arrivals.reduce(0) { $0 + $1.deviceMilli }
        #expect(demand >= trace.capacity * 13 / 10 && demand < trace.capacity * 13 / 10 + 8000)
        #expect(replay.arrivals.prefix(trace.pods.count).sorted() == trace.pods.sorted())
        #expect(Set(replay.arrivals).isSubset(of: Set(trace.pods)))
        #expect(replay.arrivals == (try replayed(trace, .fragmentation)).arrivals, "policies see the same arrivals")
        #expect(replay.arrivals != (try replayed(trace, .bestFit, seed: 43)).arrivals)
        #expect(try replayed(trace, .bestFit, tune: nil).arrivals.count == trace.pods.count)
        let less = try replayed(trace, .bestFit, tune: 0.2)
        #expect(less.points.last.map { $0.arrived * 10 / trace.capacity } == 2)
    }

    @Test(arguments: PackingPolicy.allCases, [UInt64(42), 43, 44])
    func `every policy places what fits, grants nothing twice and loses no pod`(policy: PackingPolicy, seed: UInt64)
        throws
    {
        let replay = try replayed(trace, policy, seed: seed)
        let end = try #require(replay.points.last)
        #expect(replay.violations.count == 0)
        #expect(end.placed.total + end.failed.total == replay.arrivals.count)
        #expect(end.arrived == replay.arrivals.reduce(0) { $0 + $1.deviceMilli })
        #expect(end.allocated <= replay.capacity)
        #expect(end.failed.total > 0, "the demand exceeds the capacity")
    }

    @Test func `equal input gives equal output`() throws {
        for policy in PackingPolicy.allCases {
            #expect(try replayed(trace, policy).points == replayed(trace, policy).points)
        }
    }

    /// The order that the published figures have on every real trace.
    @Test func `less is left idle by FGD than by best fit, and least by the standard policy`() throws {
        let trace = SyntheticTrace.make(nodes: 100, pods: 700, seed: 11)
        func allocated(_ policy: PackingPolicy) throws -> Double {
            var report = ReplayReport(title: "")
            for seed in UInt64(1)...2 { report.add(try replayed(trace, policy, seed: seed)) }
            return try #require(ReplayReport.Spread(report)).mean
        }
        let bestFit = try allocated(.bestFit)
        let fgd = try allocated(.fragmentation)
        let standard = try allocated(.standard)
        #expect(fgd > bestFit)
        #expect(standard > fgd)
    }

    @Test func `what cannot be replayed is refused with a sentence`() {
        func complaint(_ trace: Trace, _ tune: Double?) -> String? {
            do {
                _ = try TraceReplay(trace, policy: .bestFit, tune: tune, seed: 1)
                return nil
            } catch { return error.description }
        }
        let bare = Trace(nodes: [PackingNode(model: 0, cpu: 1, memory: 1, free: [])], models: [], pods: trace.pods)
        #expect(complaint(bare, nil) == "the nodes have no devices")
        let idle = Trace(nodes: trace.nodes, models: [], pods: [PackingShape(cpu: 1, memory: 1)])
        #expect(complaint(idle, 1.3) == "no pod asks for a device: there is no demand to tune")
        #expect(complaint(idle, nil) == nil)
        for tune in [0, -1, .nan, 101, .infinity] {
            #expect(complaint(trace, tune)?.hasPrefix("tune is above 0 and at most 100") == true)
        }
    }

    @Test(arguments: PackingPolicy.allCases)
    func `the largest amounts that a file may state are reckoned with`(policy: PackingPolicy) throws {
        let most = Int32.max
        let full = [UInt16](repeating: 1000, count: PackingNode.deviceLimit)
        let pods = [
            PackingShape(cpu: most, memory: 0), PackingShape(cpu: 1, memory: most, devices: 16, share: 1000),
            PackingShape(cpu: most - 1, memory: 1, devices: 1, share: 1, models: 1), PackingShape(cpu: 0, memory: 0),
        ]
        let trace = Trace(
            nodes: (0..<200).map { PackingNode(model: UInt8($0 % 64), cpu: most, memory: most, free: full) },
            models: (0..<64).map(String.init), pods: pods)
        let replay = try replayed(trace, policy, tune: 2)
        #expect(replay.violations.count == 0)
        let tiny = Trace(
            nodes: trace.nodes, models: trace.models,
            pods: [PackingShape(cpu: 0, memory: 0, devices: 1, share: 1)])
        #expect { try TraceReplay(tiny, policy: policy, tune: 100, seed: 1) } throws: {
            "\($0)" == "about 20000000 pods may arrive, tune 100.0 asks for more"
        }
    }

    @Test(arguments: TraceVariant.all)
    func `a variant changes what it names and keeps the rest`(variant: TraceVariant) throws {
        let trace = SyntheticTrace.make(nodes: 100, pods: 4000, seed: 2)
        let result = variant.applied(to: trace, seed: 3)
        #expect(result.pods == variant.applied(to: trace, seed: 3).pods && result.nodes == trace.nodes)
        #expect(abs(result.pods.count - trace.pods.count) <= 3)
        func percent(_ kind: PodKind, of trace: Trace) -> Double {
            100 * Double(trace.pods.reduce(0) { $0 + ($1.kind == kind ? $1.deviceMilli : 0) }) / Double(trace.demand)
        }
        func near(_ a: Double, _ b: Double) -> Bool { abs(a - b) < 2 }
        if let wanted = variant.sharing { #expect(near(percent(.share, of: result), Double(wanted))) }
        if let wanted = variant.several { #expect(near(percent(.severalDevices, of: result), Double(wanted))) }
        let cpuOnly = { (trace: Trace) in 100 * trace.pods.count { $0.devices == 0 } / trace.pods.count }
        #expect(abs(cpuOnly(result) - (variant.cpuOnly ?? cpuOnly(trace))) <= 1)
        let bound = result.pods.count { $0.models != PackingShape.anyModel }
        #expect(near(Double(bound) / Double(result.pods.count { $0.devices > 0 }) * 100, Double(variant.bound ?? 0)))
        if variant == TraceVariant.all[0] { #expect(result.pods.sorted() == trace.pods.sorted()) }
    }

    @Test func `the report has a line for each policy, seed and hundredth, and a plot`() throws {
        var report = ReplayReport(title: "a < b & c")
        for policy in PackingPolicy.allCases {
            for seed in UInt64(1)...2 { report.add(try replayed(trace, policy, seed: seed)) }
        }
        let text = report.text
        #expect(text.contains("demand %") && text.contains("130"))
        for policy in PackingPolicy.allCases { #expect(text.contains("\n\(policy.rawValue)")) }
        let lines = report.csv.split(separator: "\n")
        let columns = try #require(lines.first).split(separator: ",").count
        #expect(lines.allSatisfy { $0.split(separator: ",").count == columns })
        #expect(lines.count > 1 + 6 * 100)
        #expect(report.svg.hasPrefix("<svg ") && report.svg.contains("a &lt; b &amp; c"))
        #expect(report.svg.split(separator: "\n").count { $0.hasPrefix("<polyline") } == 3)
        #expect(report.violations == 0)
    }
}

extension ReplayReport.Spread {
    /// Of what is allocated when all has arrived.
    fileprivate init?(_ report: ReplayReport) {
        self.init(
            report.series.flatMap(\.runs).compactMap { run in run.points.last.map { run.allocated($0) } })
    }
}
