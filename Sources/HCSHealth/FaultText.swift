package import HCSModel

extension Fault {
    /// The process that the driver blames, in the kernel's pid namespace; nil where it names none.
    package var pid: Int32? { FaultText.process(in: record) ?? FaultText.process(in: message) }
}

/// What a driver's line says beyond its code.
package enum FaultText {
    /// Longest text that is looked at, in bytes.
    private static let limit = 1024

    /// NVIDIA's Xid 154: `GPU recovery action changed from 0x0 (None) to 0x2 (Node Reboot Required)`.
    static func recoveryAction(in text: String) -> Int? {
        guard let after = rest(of: text, after: " to 0x") else { return nil }
        let digits = after.prefix { isHexadecimal($0) }
        return (1...2).contains(digits.count) ? Int(String(decoding: digits, as: UTF8.self), radix: 16) : nil
    }

    /// `, pid=4711, name=python,` as NVIDIA writes it; nil for `pid='<unknown>'`.
    static func process(in text: String) -> Int32? {
        guard let after = rest(of: text, after: "pid=") else { return nil }
        let digits = after.prefix { (0x30...0x39).contains($0) }
        return (1...10).contains(digits.count) ? Int32(String(decoding: digits, as: UTF8.self)) : nil
    }

    /// The lane in `fatal error detected on link 3(0x0, …`, and `Link 46` of a switch.
    static func lane(in text: String) -> Int? {
        guard let after = rest(of: text.lowercased(), after: "link ") else { return nil }
        let digits = after.prefix { (0x30...0x39).contains($0) }
        return (1...3).contains(digits.count) ? Int(String(decoding: digits, as: UTF8.self)) : nil
    }

    /// Whether a line of an NVLink 5 Xid or of a switch calls itself fatal: `…, Fatal, Link 46` and not `Non-fatal`.
    package static func isFatal(_ text: String) -> Bool {
        let words = text.prefix(limit).lowercased().split { !($0.isLetter || $0 == "-") }
        return words.contains("fatal") && !words.contains("non-fatal") && !words.contains("nonfatal")
    }

    private static func rest(of text: String, after mark: String) -> ArraySlice<UInt8>? {
        let bytes = Array(text.utf8.prefix(limit)), mark = Array(mark.utf8)
        guard bytes.count >= mark.count else { return nil }
        for start in 0...(bytes.count - mark.count) where bytes[start..<(start + mark.count)].elementsEqual(mark) {
            return bytes[(start + mark.count)...]
        }
        return nil
    }

    private static func isHexadecimal(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x61...0x66).contains(byte | 0x20)
    }
}
