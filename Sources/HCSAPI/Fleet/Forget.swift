package import HCSModel

/// `POST /v1/nodes/{name}/forget`: the node never returns. Strict.
package struct ForgetRequest: Hashable, Sendable, Codable {
    package var reason: String
    package var by: String

    package init(reason: String, by: String) {
        self.reason = reason
        self.by = by
    }

    package enum CodingKeys: String, CodingKey, CaseIterable { case reason, by }

    package init(from decoder: any Decoder) throws {
        try decoder.rejectUnknownKeys(CodingKeys.self)
        let c = try decoder.container(keyedBy: CodingKeys.self)
        reason = try c.decode(String.self, forKey: .reason)
        by = try c.decode(String.self, forKey: .by)
    }

    package func validate() throws(ModelError) {
        try FleetText.check("reason", reason, atMost: APILimits.reason)
        try FleetText.check("by", by, atMost: APILimits.caller)
    }
}

/// What became of a forgotten node's workloads, by name.
package struct ForgetResult: Hashable, Sendable, Codable {
    package var node: String
    package var devices: Int
    package var queued: [String]
    package var failed: [String]
    package var deleted: [String]

    package init(node: String, devices: Int, queued: [String], failed: [String], deleted: [String]) {
        self.node = node
        self.devices = devices
        self.queued = queued
        self.failed = failed
        self.deleted = deleted
    }
}
