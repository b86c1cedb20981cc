/// An operator's word that a device's latched faults are repaired. It goes to the device's agent, which applies or
/// refuses it.
package struct Clearance: Hashable, Sendable, Codable {
    /// A random UUID: an agent applies each once.
    package var id: WorkloadID
    package var node: String
    package var device: DeviceID
    package var reason: String
    /// As the caller named itself.
    package var by: String
    package var atMilliseconds: Int64

    package init(
        id: WorkloadID, node: String, device: DeviceID, reason: String, by: String, atMilliseconds: Int64
    ) {
        self.id = id
        self.node = node
        self.device = device
        self.reason = reason
        self.by = by
        self.atMilliseconds = atMilliseconds
    }
}

/// What an agent did with a clearance.
package struct ClearanceOutcome: Hashable, Sendable, Codable {
    package var id: WorkloadID
    package var applied: Bool
    /// What was cleared, or why not.
    package var message: String

    package init(id: WorkloadID, applied: Bool, message: String) {
        self.id = id
        self.applied = applied
        self.message = message
    }
}
