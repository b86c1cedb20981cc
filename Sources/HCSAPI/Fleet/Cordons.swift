package import HCSModel

/// `POST /v1/cordons`: no new work for a node or a device until somebody lifts it; `drain` moves away what can move.
/// Strict: an unknown field is an error.
package struct CordonRequest: Hashable, Sendable, Codable {
    /// A node's name, or a device's UUID or its beginning.
    package var target: String
    /// Of the device, where several hosts have one of that beginning.
    package var node: String?
    package var reason: String
    /// As the caller names itself.
    package var by: String
    package var drain: Bool

    package init(target: String, node: String? = nil, reason: String, by: String, drain: Bool) {
        self.target = target
        self.node = node
        self.reason = reason
        self.by = by
        self.drain = drain
    }

    package enum CodingKeys: String, CodingKey, CaseIterable { case target, node, reason, by, drain }

    package init(from decoder: any Decoder) throws {
        try decoder.rejectUnknownKeys(CodingKeys.self)
        let c = try decoder.container(keyedBy: CodingKeys.self)
        target = try c.decode(String.self, forKey: .target)
        node = try c.decodeIfPresent(String.self, forKey: .node)
        reason = try c.decode(String.self, forKey: .reason)
        by = try c.decode(String.self, forKey: .by)
        drain = try c.decodeIfPresent(Bool.self, forKey: .drain) ?? false
    }

    package func validate() throws(ModelError) {
        try FleetText.check(target: target)
        try FleetText.check(node: node)
        try FleetText.check("reason", reason, atMost: APILimits.reason)
        try FleetText.check("by", by, atMost: APILimits.caller)
    }
}

/// `POST /v1/cordons/lift`. Strict.
package struct UncordonRequest: Hashable, Sendable, Codable {
    package var target: String
    package var node: String?
    package var by: String

    package init(target: String, node: String? = nil, by: String) {
        self.target = target
        self.node = node
        self.by = by
    }

    package enum CodingKeys: String, CodingKey, CaseIterable { case target, node, by }

    package init(from decoder: any Decoder) throws {
        try decoder.rejectUnknownKeys(CodingKeys.self)
        let c = try decoder.container(keyedBy: CodingKeys.self)
        target = try c.decode(String.self, forKey: .target)
        node = try c.decodeIfPresent(String.self, forKey: .node)
        by = try c.decode(String.self, forKey: .by)
    }

    package func validate() throws(ModelError) {
        try FleetText.check(target: target)
        try FleetText.check(node: node)
        try FleetText.check("by", by, atMost: APILimits.caller)
    }
}

/// A cordon and what is still on its devices.
package struct CordonView: Hashable, Sendable, Codable {
    package struct Occupant: Hashable, Sendable, Codable {
        package var workload: WorkloadID
        package var name: String
        package var device: DeviceID
        /// It can never be moved from here; else it goes when it can.
        package var stays: Bool
        /// Why it is still there.
        package var why: String

        package init(workload: WorkloadID, name: String, device: DeviceID, stays: Bool, why: String) {
            self.workload = workload
            self.name = name
            self.device = device
            self.stays = stays
            self.why = why
        }
    }

    package var cordon: Cordon
    package var occupants: [Occupant]

    package init(cordon: Cordon, occupants: [Occupant]) {
        self.cordon = cordon
        self.occupants = occupants
    }
}

/// Answer to a cordon that was lifted.
package struct UncordonResult: Hashable, Sendable, Codable {
    package var target: Cordon.Target
    /// Why devices of it still get no work; empty when all do.
    package var remaining: [String]

    package init(target: Cordon.Target, remaining: [String]) {
        self.target = target
        self.remaining = remaining
    }
}
