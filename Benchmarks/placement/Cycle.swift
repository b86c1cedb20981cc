import HCSModel
import HCSPlacement

/// As `measure`, through the scheduler's whole cycle: all filters, scores, packing, and the grants made. Work without
/// devices is left out.
func measureCycle(_ trace: Trace, nodes count: Int, _ policy: PackingPolicy) throws -> Measurement {
    var larger = trace
    larger.nodes = (0..<count).map { trace.nodes[$0 % trace.nodes.count] }
    larger.pods = trace.pods.filter { $0.devices > 0 }
    let replay = try TraceReplay(larger, policy: policy, tune: 1.3, seed: 42)
    let cluster = TraceCluster(larger)
    let requests = replay.arrivals.map { cluster.request(for: $0) }
    var result = Measurement(decisions: requests.count)
    let before = threadNanoseconds()
    var cycle = PlacementCycle(
        snapshot: cluster.snapshot, policy: policy, typical: larger.pods.map { cluster.request(for: $0) })
    result.startSeconds = Double(threadNanoseconds() - before) / 1e9
    var times: [UInt64] = []
    times.reserveCapacity(requests.count)
    var allocated = 0
    for (pod, request) in zip(replay.arrivals, requests) {
        let begun = threadNanoseconds()
        let decision = cycle.place(request)
        times.append(threadNanoseconds() - begun)
        guard case .placed(let placement) = decision else {
            result.digest.add(-1)
            continue
        }
        allocated += pod.deviceMilli
        // Names are "n7" and "n7-d3".
        result.digest.add(Int(placement.node.dropFirst()) ?? -2)
        for grant in placement.grants {
            result.digest.add(Int(grant.device.uuid.drop { $0 != "d" }.dropFirst()) ?? -2)
        }
    }
    result.finish(times)
    var told = cycle.snapshot.nodes
    for n in told.indices { told[n].devices[0].driverUsed = .gibibytes(1 + UInt64(n % 3)) }
    let renewing = threadNanoseconds()
    for node in told { precondition(cycle.renew([node], revision: .zero), "the same devices") }
    result.renewMicroseconds = Double(threadNanoseconds() - renewing) / 1e3 / Double(told.count)
    result.bytesPerNode = cycle.byteCount / count
    result.allocated = 100 * Double(allocated) / Double(replay.capacity)
    return result
}
