package import HCSModel

/// What outlives the agent: what is remembered of each device and of the node, the records already counted, and what
/// operators said.
package struct HealthState: Hashable, Sendable, Codable {
    package static let currentVersion = 2
    /// Read as well: the first had latches and soft faults only.
    package static let oldestVersion = 1
    package static let maximumClearings = 256

    package struct Entry: Hashable, Sendable, Codable {
        package var device: DeviceID
        package var memory: DeviceMemory

        package init(device: DeviceID, memory: DeviceMemory) {
            self.device = device
            self.memory = memory
        }

        private enum CodingKeys: String, CodingKey { case device }

        package init(from decoder: any Decoder) throws {
            device = try decoder.container(keyedBy: CodingKeys.self).decode(DeviceID.self, forKey: .device)
            memory = try DeviceMemory(from: decoder)
        }

        package func encode(to encoder: any Encoder) throws {
            var c = encoder.container(keyedBy: CodingKeys.self)
            try c.encode(device, forKey: .device)
            try memory.encode(to: encoder)
        }
    }

    package var version: Int
    /// Sequence numbers of the kernel log mean something within one boot only.
    package var bootID: String
    package var entries: [Entry]
    /// Kernel-log records that were counted, ascending.
    package var sequences: [UInt64]
    package var node: DeviceMemory
    /// The last ones, oldest first.
    package var clearings: [HealthClearing]

    package init(
        bootID: String, entries: [Entry] = [], sequences: [UInt64] = [], node: DeviceMemory = DeviceMemory(),
        clearings: [HealthClearing] = []
    ) {
        self.version = Self.currentVersion
        self.bootID = bootID
        self.entries = entries
        self.sequences = sequences
        self.node = node
        self.clearings = clearings
    }

    private enum CodingKeys: String, CodingKey { case version, bootID, entries, sequences, records, node, clearings }

    /// - Throws: `badState` for a version this agent does not know.
    package init(from decoder: any Decoder) throws {
        let c = try decoder.container(keyedBy: CodingKeys.self)
        let version = try c.decode(Int.self, forKey: .version)
        guard (Self.oldestVersion...Self.currentVersion).contains(version) else {
            throw HealthError(.badState, "version \(version) is not understood")
        }
        self.init(
            bootID: try c.decode(String.self, forKey: .bootID),
            entries: Array(try c.decode([Entry].self, forKey: .entries).prefix(HealthAnalyzer.maximumEntries)),
            sequences: try Self.sequences(of: c),
            node: try c.decodeIfPresent(DeviceMemory.self, forKey: .node) ?? DeviceMemory(),
            clearings: Array(
                (try c.decodeIfPresent([HealthClearing].self, forKey: .clearings) ?? []).suffix(Self.maximumClearings)))
    }

    /// Earlier agents wrote an array, `sequences`, and read past `records`: going back to one loses no latch.
    private static func sequences(of c: KeyedDecodingContainer<CodingKeys>) throws -> [UInt64] {
        guard let text = try c.decodeIfPresent(String.self, forKey: .records) else {
            return Array((try c.decodeIfPresent([UInt64].self, forKey: .sequences) ?? []).suffix(SequenceWindow.limit))
        }
        guard let numbers = SequenceWindow.numbers(in: text) else {
            throw HealthError(.badState, "the numbers of kernel-log records are damaged")
        }
        return numbers
    }

    package func encode(to encoder: any Encoder) throws {
        var c = encoder.container(keyedBy: CodingKeys.self)
        try c.encode(version, forKey: .version)
        try c.encode(bootID, forKey: .bootID)
        try c.encode(entries, forKey: .entries)
        try c.encode(SequenceWindow.text(of: sequences), forKey: .records)
        try c.encode(node, forKey: .node)
        try c.encode(clearings, forKey: .clearings)
    }

    /// Without what changes all the time: what must be on the disk at once.
    package var pressing: HealthState {
        var state = self
        for i in state.entries.indices { state.entries[i].memory.slow = DeviceMemory.Slow() }
        state.entries.removeAll { $0.memory.isEmpty }
        state.node.slow = DeviceMemory.Slow()
        return state
    }
}
