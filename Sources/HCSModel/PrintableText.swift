/// Text from a vendor library is hostile: not terminated, not UTF-8, with terminal escapes. It is bounded and made
/// printable ASCII before anybody stores or shows it.
package enum PrintableText {
    /// No name, UUID or version of any vendor's library is longer (NVML's longest buffer is 96).
    package static let limit = 96

    /// The bytes up to the first NUL, at most `limit`, everything outside printable ASCII replaced by `?`, without
    /// blanks at the ends; nil where nothing is left.
    package static func clean(_ bytes: some Sequence<UInt8>, limit: Int = PrintableText.limit) -> String? {
        var text: [UInt8] = []
        for byte in bytes.prefix(limit) {
            if byte == 0 { break }
            text.append((0x20...0x7e).contains(byte) ? byte : UInt8(ascii: "?"))
        }
        while text.last == 0x20 { text.removeLast() }
        let cleaned = text.drop { $0 == 0x20 }
        return cleaned.isEmpty ? nil : String(decoding: cleaned, as: UTF8.self)
    }

    package static func clean(_ text: String, limit: Int = PrintableText.limit) -> String? {
        clean(text.utf8, limit: limit)
    }

    /// The same for a C string, of which no more than `limit` bytes are read whether it ends or not.
    package static func clean(pointer: UnsafePointer<CChar>) -> String? {
        var bytes: [UInt8] = []
        while bytes.count < limit, pointer[bytes.count] != 0 { bytes.append(UInt8(bitPattern: pointer[bytes.count])) }
        return clean(bytes)
    }

    /// The same for a field of an imported C struct (a tuple of characters).
    package static func clean<Field>(field: Field) -> String? {
        withUnsafeBytes(of: field) { clean($0) }
    }

    /// Calls `fill` with a zeroed buffer of `capacity` bytes and cleans what it wrote; nil where `fill` answers false.
    package static func from(capacity: Int, _ fill: (UnsafeMutablePointer<CChar>, UInt32) -> Bool) -> String? {
        // Some revisions of a library write their longest variant whatever length they are told; the slack takes it.
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: capacity + 256) { buffer in
            buffer.initialize(repeating: 0)
            guard let base = buffer.baseAddress, fill(base, UInt32(capacity)) else { return nil }
            return clean(buffer.prefix(capacity).lazy.map { UInt8(bitPattern: $0) })
        }
    }

    /// Whether the text can be a device's identity: it becomes a key, a label and part of a path.
    package static func isIdentity(_ text: String) -> Bool {
        guard let first = text.utf8.first, first != UInt8(ascii: "."), text.utf8.count <= limit else { return false }
        return text.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."),
                UInt8(ascii: ":"):
                true
            default: false
            }
        }
    }
}
