package import HCSModel

/// The 16 raw bytes from which every vendor's library makes its own identity.
package struct DeviceUUID: Hashable, Sendable, CustomStringConvertible {
    package let bytes: [UInt8]

    package init(bytes: [UInt8]) {
        precondition(bytes.count == 16, "a device UUID has 16 bytes")
        self.bytes = bytes
    }

    /// Reads the 8-4-4-4-12 form.
    package init?(_ text: some StringProtocol) {
        let groups = text.split(separator: "-", omittingEmptySubsequences: false)
        guard groups.map(\.count) == [8, 4, 4, 4, 12] else { return nil }
        var bytes: [UInt8] = []
        var high: Int?
        for character in groups.joined() {
            guard character.isASCII, let digit = character.hexDigitValue else { return nil }
            if let upper = high {
                bytes.append(UInt8(upper << 4 | digit))
                high = nil
            } else {
                high = digit
            }
        }
        self.init(bytes: bytes)
    }

    /// The same for the same scenario name and position on every run and host: FNV-1a, mixed, of both. Not random.
    package init(scenario: String, position: Int) {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in Array("\(scenario)\u{0}\(position)".utf8) {
            hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3
        }
        var bytes: [UInt8] = []
        for _ in 0..<2 {
            hash &+= 0x9e37_79b9_7f4a_7c15
            var word = (hash ^ (hash >> 30)) &* 0xbf58_476d_1ce4_e5b9
            word = (word ^ (word >> 27)) &* 0x94d0_49bb_1331_11eb
            word ^= word >> 31
            bytes += (0..<8).map { UInt8(truncatingIfNeeded: word >> (56 - 8 * UInt64($0))) }
        }
        self.init(bytes: bytes)
    }

    package var description: String {
        let digits = bytes.map(Self.hex).joined()
        var groups: [Substring] = []
        var rest = digits[...]
        for length in [8, 4, 4, 4, 12] {
            groups.append(rest.prefix(length))
            rest = rest.dropFirst(length)
        }
        return groups.joined(separator: "-")
    }

    /// The identity as HCS reads it from the vendor's library.
    package func identity(vendor: Vendor, index: UInt32) -> DeviceID {
        switch vendor {
        case .nvidia: DeviceID("GPU-\(self)")
        case .hygon: DeviceID("GPU-" + bytes.prefix(8).map(Self.hex).joined())
        case .cambricon: DeviceID(description)
        case .ascend:
            DeviceID(
                (stride(from: 0, to: 16, by: 4).map { bytes[$0..<$0 + 4].map(Self.hex).joined() }
                    + [Self.hex(index)]).joined(separator: "-"))
        }
    }

    private static func hex<Value: FixedWidthInteger>(_ value: Value) -> String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: Value.bitWidth / 4 - digits.count) + digits
    }
}
