/// Logical CPUs, written as the kernel writes a list: `0-15,32-47`. Never empty.
package struct CPUSet: Hashable, Sendable, CustomStringConvertible {
    /// Ascending and apart.
    package let ranges: [ClosedRange<Int>]

    package static let rangeLimit = 256
    /// No kernel has more (NR_CPUS).
    package static let cpuLimit = 1 << 14

    /// Reads the kernel's list; nil for an empty one, and for anything that no kernel writes.
    package init?(_ text: some StringProtocol) {
        var ranges: [ClosedRange<Int>] = []
        for part in text.split(separator: ",", maxSplits: Self.rangeLimit, omittingEmptySubsequences: false) {
            let ends = part.split(separator: "-", omittingEmptySubsequences: false)
            guard ranges.count < Self.rangeLimit, (1...2).contains(ends.count),
                let first = Self.number(ends[0]), let last = Self.number(ends[ends.count - 1]),
                first <= last, first > (ranges.last?.upperBound ?? -1)
            else { return nil }
            ranges.append(first...last)
        }
        self.ranges = ranges
    }

    /// Of CPU numbers in ascending order.
    package init?(_ cpus: some Sequence<Int>) {
        var ranges: [ClosedRange<Int>] = []
        for cpu in cpus {
            guard (0..<Self.cpuLimit).contains(cpu) else { return nil }
            if let last = ranges.last {
                guard cpu > last.upperBound else { return nil }
                if cpu == last.upperBound + 1 {
                    ranges[ranges.count - 1] = last.lowerBound...cpu
                    continue
                }
            }
            guard ranges.count < Self.rangeLimit else { return nil }
            ranges.append(cpu...cpu)
        }
        guard !ranges.isEmpty else { return nil }
        self.ranges = ranges
    }

    private static func number(_ text: some StringProtocol) -> Int? {
        guard (1...5).contains(text.utf8.count), text.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            let number = Int(text), number < cpuLimit
        else { return nil }
        return number
    }

    package var count: Int { ranges.reduce(0) { $0 + $1.count } }

    package var description: String {
        ranges.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }.joined(separator: ",")
    }
}

extension CPUSet: Codable {
    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let cpus = CPUSet(text) else {
            throw DecodingError.dataCorruptedError(
                in: container, debugDescription: "'\(text.prefix(32))' is no list of CPUs")
        }
        self = cpus
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}
