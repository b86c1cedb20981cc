/// A change of one thing with which a request would fit now; checked by placing the changed request.
package struct PlacementChange: Hashable, Sendable, Codable {
    package enum Kind: String, Codable, Hashable, Sendable {
        case vram, compute, devices, cpu, memory, whole, require, interconnect, pool, end
    }

    package var kind: Kind
    /// For people: `fits with --vram 6Gi`.
    package var text: String
    /// How much of what was asked for is given up, 0 to 1: the smallest is proposed first.
    package var cost: Double
    /// Where it would go.
    package var node: String
    package var devices: [DeviceID]
    /// What would have to end first.
    package var workload: WorkloadID?

    package init(
        kind: Kind, text: String, cost: Double, node: String, devices: [DeviceID], workload: WorkloadID? = nil
    ) {
        self.kind = kind
        self.text = text
        self.cost = cost
        self.node = node
        self.devices = devices
        self.workload = workload
    }
}
