package import HCSModel

/// A device's id is its maker's and unique on its host; over hosts only together with the node.
package struct DeviceKey: Hashable, Sendable, Comparable {
    package var node: String
    package var device: DeviceID

    package init(node: String, device: DeviceID) {
        self.node = node
        self.device = device
    }

    package static func < (a: DeviceKey, b: DeviceKey) -> Bool { (a.node, a.device) < (b.node, b.device) }
}
