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
    var waiting = 10_000

    static let all = [
        QueueLoad(name: "as in the trace"), QueueLoad(name: "each its own size", eachItsOwn: true),
        QueueLoad(name: "one in ten urgent", urgentEvery: 10),
        QueueLoad(name: "own sizes, one in ten urgent", eachItsOwn: true, urgentEvery: 10),
    ]

    /// CPU seconds of rounds one after the other, and what each placed or ended; nothing of it is carried out.
    func rounds(_ count: Int, _ trace: Trace, nodes: Int) throws -> (seconds: [Double], decided: [Int]) {
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
        let queued = (0..<waiting).map { n in
            var request = cluster.request(for: larger.pods[n % larger.pods.count])
            request.placement.tenant = "t\(n % 16)"
            if eachItsOwn { request.placement.cpuMilli += n }
            if urgentEvery > 0, n % urgentEvery == 0 { request.placement.priority = 1 }
            return QueuedWork(
                id: .random(using: &generator), name: "q\(n)", request: request, createdMilliseconds: Int64(n),
                queuedMilliseconds: Int64(n))
        }
        var input = QueueInput(
            queued: queued, placed: placed, capacity: Amounts(devices: 1, vram: ByteCount(1 << 50), computeMilli: 1),
            now: 1_000_000)
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
}

func printQueueTable(_ trace: Trace, nodes: Int) throws {
    print("rounds of the queue, one thread, \(nodes) full nodes, 10,000 waiting: CPU seconds (placed or ended)")
    for load in QueueLoad.all {
        let result = try load.rounds(3, trace, nodes: nodes)
        let cells = zip(result.seconds, result.decided).map { String(format: "%7.3f (%d)", $0, $1) }
        print(padded(load.name, 30), cells.joined(separator: " "))
    }
}
