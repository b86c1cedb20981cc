import Foundation
import HCSModel
import HCSPlacement

/// What a decision round costs where much waits: a pool that is full, and `waiting` requests more. The cycle is made anew
/// in each round, which is in the figures.
struct QueueLoad {
    var name: String
    /// Every request asks for an amount of its own.
    var eachItsOwn = false
    /// One in so many has priority over all that runs; 0 = none.
    var urgentEvery = 0
    /// Members of a gang; what waits are gangs then, all of priority over what runs.
    var gang = 0
    var waiting = 10_000

    static let all = [
        QueueLoad(name: "as in the trace"), QueueLoad(name: "each its own size", eachItsOwn: true),
        QueueLoad(name: "one in ten urgent", urgentEvery: 10),
        QueueLoad(name: "own sizes, one in ten urgent", eachItsOwn: true, urgentEvery: 10),
        QueueLoad(name: "8 urgent gangs of 16", gang: 16, waiting: 128),
        QueueLoad(name: "8 urgent gangs of 128", gang: 128, waiting: 1024),
        QueueLoad(name: "8 urgent gangs of 512", gang: 512, waiting: 4096),
        QueueLoad(name: "8 of 512, own sizes", eachItsOwn: true, gang: 512, waiting: 4096),
    ]

    /// What one thread needs for a plan of moves for the first of the waiting, CPU seconds, and whether it was cut off.
    func plan(_ trace: Trace, nodes: Int) throws -> (seconds: Double, isProven: Bool) {
        var (input, full, typical) = try world(trace, nodes: nodes)
        for n in input.queued.indices { input.queued[n].request.placement.priority = 0 }
        guard let first = input.queued.first else { return (0, true) }
        let start = threadNanoseconds()
        let plan = Defragmentation.plan(
            for: UnitKey(first.id, first.request), input, policy: QueuePolicy(), book: QueueBook(),
            room: PlacementCycle(snapshot: full, typical: typical))
        return (Double(threadNanoseconds() - start) / 1e9, plan?.isProven ?? false)
    }

    /// CPU seconds of rounds one after the other, and what each placed or ended; nothing of it is carried out.
    func rounds(_ count: Int, _ trace: Trace, nodes: Int) throws -> (seconds: [Double], decided: [Int]) {
        var (input, full, typical) = try world(trace, nodes: nodes)
        var book = QueueBook()
        var seconds: [Double] = []
        var decided: [Int] = []
        for _ in 0..<count {
            let start = threadNanoseconds()
            var room = PlacementCycle(snapshot: full, typical: typical)
            let decisions = QueueCycle.run(input, policy: QueuePolicy(), book: &book, room: &room)
            seconds.append(Double(threadNanoseconds() - start) / 1e9)
            decided.append(decisions.count { if case .wait = $0 { false } else { true } })
            input.now += 1000
        }
        return (seconds, decided)
    }

    /// A full pool and what waits.
    private func world(_ trace: Trace, nodes: Int) throws -> (QueueInput, ClusterSnapshot, [PlacementRequest]) {
        var larger = trace
        larger.nodes = (0..<nodes).map { trace.nodes[$0 % trace.nodes.count] }
        larger.pods = trace.pods.filter { $0.devices > 0 }
        let replay = try TraceReplay(larger, policy: .standard, tune: 1.3, seed: 42)
        let cluster = TraceCluster(larger)
        let typical = larger.pods.prefix(512).map { cluster.request(for: $0) }
        var cycle = PlacementCycle(snapshot: cluster.snapshot, typical: typical)
        var generator = SplitMix64(state: 7)
        var placed: [PlacedWork] = []
        for pod in replay.arrivals {
            let request = cluster.request(for: pod)
            guard case .placed(let placement) = cycle.place(request) else { continue }
            placed.append(
                PlacedWork(
                    id: .random(using: &generator), name: "w", request: request, placement: placement,
                    createdMilliseconds: 0, sinceMilliseconds: Int64(placed.count)))
        }
        let full = cycle.snapshot
        // Half of a device each.
        let member = PlacementRequest(
            runtime: .cuda, vram: .gibibytes(30), placement: PlacementSpec(compute: .share(500), cpuMilli: 2000))
        let queued = (0..<waiting).map { n in
            var request = cluster.request(for: larger.pods[n % larger.pods.count])
            request.placement.tenant = "t\(n % 16)"
            if eachItsOwn { request.placement.cpuMilli += n }
            if urgentEvery > 0, n % urgentEvery == 0 { request.placement.priority = 1 }
            if gang > 0 {
                request = member
                request.placement.tenant = "t\(n / gang)"
                request.placement.gang = Gang(name: "g\(n / gang)", size: gang)
                request.placement.priority = 1
                if eachItsOwn { request.placement.cpuMilli += n % gang }
            }
            return QueuedWork(
                id: .random(using: &generator), name: "q\(n)", request: request, createdMilliseconds: Int64(n),
                queuedMilliseconds: Int64(n))
        }
        let input = QueueInput(
            queued: queued, placed: placed, capacity: Amounts(devices: 1, vram: ByteCount(1 << 50), computeMilli: 1),
            now: 1_000_000)
        return (input, full, typical)
    }
}

func printQueueTable(_ trace: Trace, nodes: Int) throws {
    print("rounds of the queue, one thread, \(nodes) full nodes, 10,000 waiting: CPU seconds (placed or ended)")
    for load in QueueLoad.all {
        let result = try load.rounds(3, trace, nodes: nodes)
        let cells = zip(result.seconds, result.decided).map { String(format: "%7.3f (%d)", $0, $1) }
        print(padded(load.name, 30), cells.joined(separator: " "))
    }
    print("a plan of moves for one of them, CPU seconds")
    for load in QueueLoad.all where load.gang > 0 {
        let plan = try load.plan(trace, nodes: nodes)
        print(padded(load.name, 30), String(format: "%7.3f", plan.seconds), plan.isProven ? "proven" : "cut off")
    }
}
