package import HCSModel

/// `PATCH /v1/workloads/{id}`: what may be changed of a workload that has not ended. Strict: an unknown field is an error.
package struct WorkloadChange: Hashable, Sendable, Codable {
    /// The new quota on its device.
    package var vram: ByteCount

    package init(vram: ByteCount) { self.vram = vram }

    package enum CodingKeys: String, CodingKey, CaseIterable { case vram }

    package init(from decoder: any Decoder) throws {
        try decoder.rejectUnknownKeys(CodingKeys.self)
        vram = try decoder.container(keyedBy: CodingKeys.self).decode(ByteCount.self, forKey: .vram)
    }

    package func validate() throws(ModelError) { try LeaseRequest.validate(bytes: vram) }
}
