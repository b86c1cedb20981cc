/// Somebody took a node or a device out of service: it gets no new work until somebody lifts it. Kept apart from what
/// health decides: neither lifts the other.
package struct Cordon: Hashable, Sendable, Codable {
    package struct Target: Hashable, Sendable, Codable, Comparable, CustomStringConvertible {
        package var node: String
        /// nil = the whole node.
        package var device: DeviceID?

        package init(node: String, device: DeviceID? = nil) {
            self.node = node
            self.device = device
        }

        package static func < (a: Target, b: Target) -> Bool {
            (a.node, a.device?.uuid ?? "") < (b.node, b.device?.uuid ?? "")
        }

        package var description: String { device.map { "device \($0) of node \(node)" } ?? "node \(node)" }
    }

    package var target: Target
    package var reason: String
    /// As the caller named itself: an admin token has no name of its own.
    package var by: String
    package var atMilliseconds: Int64
    /// What can move is moved away.
    package var drains: Bool
    /// When a drain had nothing left on it; nil until then.
    package var drainedMilliseconds: Int64?

    package init(
        target: Target, reason: String, by: String, atMilliseconds: Int64, drains: Bool,
        drainedMilliseconds: Int64? = nil
    ) {
        self.target = target
        self.reason = reason
        self.by = by
        self.atMilliseconds = atMilliseconds
        self.drains = drains
        self.drainedMilliseconds = drainedMilliseconds
    }
}
