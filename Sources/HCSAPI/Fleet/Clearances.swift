package import HCSModel

/// `POST /v1/clearances`: a device's latched faults are repaired, says an operator. Strict.
package struct ClearanceRequest: Hashable, Sendable, Codable {
    /// A device's UUID or its beginning.
    package var device: String
    package var node: String?
    package var reason: String
    package var by: String

    package init(device: String, node: String? = nil, reason: String, by: String) {
        self.device = device
        self.node = node
        self.reason = reason
        self.by = by
    }

    package enum CodingKeys: String, CodingKey, CaseIterable { case device, node, reason, by }

    package init(from decoder: any Decoder) throws {
        try decoder.rejectUnknownKeys(CodingKeys.self)
        let c = try decoder.container(keyedBy: CodingKeys.self)
        device = try c.decode(String.self, forKey: .device)
        node = try c.decodeIfPresent(String.self, forKey: .node)
        reason = try c.decode(String.self, forKey: .reason)
        by = try c.decode(String.self, forKey: .by)
    }

    package func validate() throws(ModelError) {
        try FleetText.check(target: device)
        try FleetText.check(node: node)
        try FleetText.check("reason", reason, atMost: APILimits.reason)
        try FleetText.check("by", by, atMost: APILimits.caller)
    }
}
