import HCSModel
import HCSPlacement

/// What an operator took out of service gets no new work.
struct CordonFilter: FilterPlugin {
    let name = "cordon"
    let cordons: [Cordon.Target: Cordon]

    func objection(to request: PlacementRequest, on device: DeviceState, of node: NodeState) -> String? {
        guard !cordons.isEmpty else { return nil }
        if let cordon = cordons[Cordon.Target(node: node.name)] {
            return "node \(node.name) is \(Self.words(cordon))"
        }
        return cordons[Cordon.Target(node: node.name, device: device.device.id)].map(Self.words)
    }

    private static func words(_ cordon: Cordon) -> String {
        "\(cordon.drains ? "being drained" : "cordoned") by \(cordon.by): \(cordon.reason)"
    }
}
