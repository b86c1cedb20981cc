import HCSModel

/// A trace as the placement cycle sees it, for tests and benchmarks: a thousandth of a device is 64 MiB of its memory and
/// a thousandth of its compute. Work without devices has no request.
package struct TraceCluster: Sendable {
    package let snapshot: ClusterSnapshot
    private let models: [String]

    private static let thousandth: UInt64 = 64 << 20

    package init(_ trace: Trace) {
        models = trace.models
        let names = trace.models
        let nodes = trace.nodes.enumerated().map { n, node in
            NodeState(
                name: "n\(n)",
                devices: node.free.indices.map { d in
                    DeviceState(
                        device: Device(
                            id: DeviceID("n\(n)-d\(d)"), vendor: .nvidia, model: names[Int(node.model)],
                            index: UInt32(d), memory: ByteCount(1000 * Self.thousandth), simulated: true),
                        health: DeviceHealth(score: 100, reasons: []))
                }, cpuMilli: Int(node.cpu), memory: .mebibytes(UInt64(node.memory)))
        }
        snapshot = ClusterSnapshot(revision: .zero, nodes: nodes)
    }

    package func request(for pod: PackingShape) -> PlacementRequest {
        precondition(pod.devices > 0, "work without devices is nothing that a cycle places")
        let excluded = models.indices.filter { pod.models >> UInt64($0) & 1 == 0 }
        return PlacementRequest(
            runtime: .cuda, vram: ByteCount(UInt64(pod.share) * Self.thousandth),
            placement: PlacementSpec(
                devices: Int(pod.devices), compute: .share(Int(pod.share)), cpuMilli: Int(pod.cpu),
                memory: .mebibytes(UInt64(pod.memory)),
                require: excluded.map { PlacementTerm(.model, .notEqual, models[$0]) }))
    }
}
