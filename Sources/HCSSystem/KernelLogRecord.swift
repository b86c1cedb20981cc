/// A record of the kernel log.
package struct KernelLogRecord: Hashable, Sendable {
    /// Identity within a boot; nil for lines of a simulated log.
    package var sequence: UInt64?
    /// The log's own clock: microseconds since boot, near CLOCK_MONOTONIC but not the same.
    package var monotonicMicroseconds: UInt64
    /// syslog(3) number: 0 is the kernel itself. User space cannot write records of facility 0.
    package var facility: UInt32
    /// 0 (emergency) to 7 (debug).
    package var level: UInt8
    /// Any characters, control characters included.
    package var text: String

    package var fromUserSpace: Bool { facility != 0 }

    package init(sequence: UInt64?, monotonicMicroseconds: UInt64, facility: UInt32, level: UInt8, text: String) {
        self.sequence = sequence
        self.monotonicMicroseconds = monotonicMicroseconds
        self.facility = facility
        self.level = level
        self.text = text
    }

    /// A record as one read of /dev/kmsg gives it (Documentation/ABI/testing/dev-kmsg):
    /// `prefix,sequence,microseconds,flags[,more];text`, newline, then ` KEY=value` lines. nil for anything else.
    package init?(parsing record: some Collection<UInt8>) {
        guard let semicolon = record.firstIndex(of: UInt8(ascii: ";")) else { return nil }
        let head = record[..<semicolon].split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
        guard head.count >= 4, let prefix = Self.decimal(head[0]), prefix <= UInt64(UInt32.max),
            let sequence = Self.decimal(head[1]), let microseconds = Self.decimal(head[2])
        else { return nil }
        let body = record[record.index(after: semicolon)...].prefix { $0 != UInt8(ascii: "\n") }
        self.init(
            sequence: sequence, monotonicMicroseconds: microseconds, facility: UInt32(prefix >> 3),
            level: UInt8(prefix & 7), text: Self.unescape(body))
    }

    /// Digits only: `UInt64(_:)` would take a sign.
    private static func decimal(_ bytes: some Collection<UInt8>) -> UInt64? {
        guard !bytes.isEmpty, bytes.count <= 20, bytes.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        return UInt64(String(decoding: bytes, as: UTF8.self))
    }

    /// The kernel writes bytes outside printable ASCII, and the backslash, as \xNN.
    private static func unescape(_ bytes: some Collection<UInt8>) -> String {
        var plain: [UInt8] = []
        plain.reserveCapacity(bytes.count)
        var rest = Array(bytes)[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "\\"), rest.first == UInt8(ascii: "x"),
                let value = hexPair(rest.dropFirst().prefix(2))
            {
                plain.append(value)
                rest = rest.dropFirst(3)
            } else {
                plain.append(byte)
            }
        }
        return String(decoding: plain, as: UTF8.self)
    }

    private static func hexPair(_ pair: ArraySlice<UInt8>) -> UInt8? {
        guard pair.count == 2 else { return nil }
        var value: UInt8 = 0
        for byte in pair {
            switch byte {
            case 0x30...0x39: value = value << 4 | (byte - 0x30)
            case 0x61...0x66: value = value << 4 | (byte - 0x61 + 10)
            case 0x41...0x46: value = value << 4 | (byte - 0x41 + 10)
            default: return nil
            }
        }
        return value
    }
}
