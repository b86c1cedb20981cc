package import HCSModel
internal import HCSSystem

/// Finds the fault in a line of the kernel log. Text only; the grammars come from the vendors' drivers (vendor ABI
/// reference, sections 1.4, 2.3, 3.3, 4.3).
///
/// An unprivileged user gets chosen text into records of the kernel's own facility: the kernel prints names of processes
/// (15 bytes, at the start of a segfault or out-of-memory line), of files and of cgroups. So every grammar is anchored at
/// the start of the line, and what it needs there is longer than 15 bytes.
package enum FaultParser {
    /// What a line says.
    package struct Finding: Hashable, Sendable {
        package var vendor: Vendor
        package var family: String
        /// 0 for a family that is only counted.
        package var code: UInt32
        /// nil where the vendor's line has no address: it concerns the whole vendor.
        package var pci: PCIAddress?
    }

    /// Values of `Fault.family`.
    package enum Family {
        package static let xid = "xid"
        package static let cambricon = "cnrm-xid"
        package static let hygon = "hydcu-xid"
        /// An error line of the Ascend driver: no code in it, to be counted only.
        package static let ascend = "ascend-error"
    }

    /// What makes a line written by HCS itself known to everybody (conventions, "Faults and simulation").
    package static let simulatedMark = "[hcs simulated]"

    package static func isMarkedSimulated(_ text: String) -> Bool {
        text.utf8.reversed().drop { $0 == 0x20 || $0 == 0x0a }.starts(with: simulatedMark.utf8.reversed())
    }

    /// The fault of an event; nil for any other line. A record that user space wrote into the kernel log counts only with
    /// `trustUserKmsg`; a line of the simulated log always does, the operator named the file.
    package static func fault(in event: KernelLogEvent, trustUserKmsg: Bool) -> Fault? {
        guard !event.record.fromUserSpace || trustUserKmsg, let read = read(event.record.text) else { return nil }
        return Fault(
            family: read.finding.family, code: read.finding.code, vendor: read.finding.vendor, pci: read.finding.pci,
            message: message(read.rest), record: printable(event.record.text, limit: 300),
            sequence: event.record.sequence, atMilliseconds: event.atMilliseconds, simulated: event.simulated)
    }

    package static func parse(_ text: String) -> Finding? { read(text)?.finding }

    /// Whether a line begins as those of a driver do: no other is a fault's. Cheap, for storms of other lines.
    package static func mayBeFault(_ text: String) -> Bool {
        let head = text.utf8.prefix(12).map(\.lowercase)
        return beginnings.contains { head.starts(with: $0) }
    }

    /// Of the grammars below, in lower case.
    private static let beginnings = [
        "nvrm: xid (", "cnrm: xid [", "[ascend] [", "cambricon", "hydcu ", "amdgpu ", "kfd ",
    ]
    .map { Array($0.utf8) }

    /// What a line says, and the driver's own words that follow.
    private typealias Reading = (finding: Finding, rest: ArraySlice<UInt8>)

    private static func read(_ text: String) -> Reading? {
        // Bytes: hostile text may be long and full of combining characters. Every grammar ends well before this.
        let line = Array(text.utf8.prefix(512))
        return nvidia(line) ?? cambricon(line) ?? hygon(line) ?? ascend(line)
    }

    /// `NVRM: Xid (PCI:0000:3b:00): 79, pid=…`; under MIG `(PCI:0000:3b:00 GPU-I:05)`; old drivers without `PCI:`.
    private static func nvidia(_ line: [UInt8]) -> Reading? {
        var scanner = Scanner(line)
        guard scanner.skip("NVRM: Xid (") else { return nil }
        _ = scanner.skip("PCI:")
        guard let pci = scanner.address() else { return nil }
        if scanner.skip(" GPU-I:"), scanner.number() == nil { return nil }
        guard scanner.skip("): "), let code = scanner.number(), scanner.isAtEndOrComma else { return nil }
        return (Finding(vendor: .nvidia, family: Family.xid, code: code, pci: pci), scanner.rest)
    }

    /// `CNRM: Xid [core]: 3, text`, with or without the kernel's `driver address: ` before it.
    private static func cambricon(_ line: [UInt8]) -> Reading? {
        var scanner = Scanner(line)
        let pci = scanner.deviceProlog(["cambricon", "cambricon-drv", "cambricon_drv"])
        guard scanner.skip("CNRM: Xid ["), scanner.name(), scanner.skip("]: "), let code = scanner.number(),
            scanner.isAtEndOrComma
        else { return nil }
        return (Finding(vendor: .cambricon, family: Family.cambricon, code: code, pci: pci), scanner.rest)
    }

    /// `hydcu 0000:33:00.0: … XID:2 …`. Without the address no card could be blamed, and a process's name could pose as it.
    private static func hygon(_ line: [UInt8]) -> Reading? {
        var scanner = Scanner(line)
        guard let pci = scanner.deviceProlog(["hydcu", "amdgpu", "kfd"]) else { return nil }
        let words = scanner.rest
        let end = min(words.startIndex + 64, words.endIndex)
        var previous = UInt8(ascii: " ")
        while scanner.rest.startIndex < end {
            // A word of its own: SXID is a switch's.
            if !previous.isWordByte, scanner.skip("xid", ignoringCase: true) {
                let hasSeparator = scanner.skipAny(of: ": ")
                guard hasSeparator, let code = scanner.number(), scanner.rest.first?.isWordByte != true else {
                    return nil
                }
                return (Finding(vendor: .hygon, family: Family.hygon, code: code, pci: pci), words)
            }
            previous = scanner.rest.removeFirst()
        }
        return nil
    }

    /// `[ascend] [devdrv] [ERROR] [function 123] <…> …`
    private static func ascend(_ line: [UInt8]) -> Reading? {
        var scanner = Scanner(line)
        guard scanner.skip("[ascend] [", ignoringCase: true), scanner.name(), scanner.skip("] [ERROR] ") else {
            return nil
        }
        return (Finding(vendor: .ascend, family: Family.ascend, code: 0, pci: nil), scanner.rest)
    }

    /// The driver's words without the process it names, its full stop and our mark.
    private static func message(_ rest: ArraySlice<UInt8>) -> String {
        var text = Substring(printable(String(decoding: rest, as: UTF8.self), limit: 512))
        text.trimBlanks()
        if isMarkedSimulated(String(text)) {
            text.removeLast(simulatedMark.count)
            text.trimBlanks()
        }
        if text.hasPrefix(",") { text.removeFirst() }
        text.trimBlanks()
        for field in ["pid=", "name="] where text.hasPrefix(field) {
            text = text.firstRange(of: ", ").map { text[$0.upperBound...] } ?? ""
        }
        if text.hasSuffix(".") { text.removeLast() }
        return String(String.UnicodeScalarView(text.unicodeScalars.prefix(120)))
    }

    /// One line of printable characters.
    private static func printable(_ text: String, limit: Int) -> String {
        let bytes = text.utf8
        if bytes.count <= limit, bytes.allSatisfy({ (0x20...0x7e).contains($0) }) { return text }
        let scalars = text.unicodeScalars.lazy.map { scalar in
            scalar.properties.generalCategory == .control || scalar.properties.generalCategory == .format ? " " : scalar
        }
        return String(String.UnicodeScalarView(scalars.prefix(limit)))
    }
}

extension Substring {
    fileprivate mutating func trimBlanks() {
        while first == " " { removeFirst() }
        while last == " " { removeLast() }
    }
}

/// Reads a line from its start.
private struct Scanner {
    var rest: ArraySlice<UInt8>

    init(_ line: [UInt8]) { rest = line[...] }

    mutating func skip(_ word: StaticString, ignoringCase: Bool = false) -> Bool {
        word.withUTF8Buffer { expected in
            guard rest.count >= expected.count else { return false }
            for (byte, want) in zip(rest, expected) {
                let matches = byte == want || ignoringCase && byte.lowercase == want.lowercase
                guard matches else { return false }
            }
            rest = rest.dropFirst(expected.count)
            return true
        }
    }

    /// One or more of these bytes.
    mutating func skipAny(of set: StaticString) -> Bool {
        let before = rest.count
        set.withUTF8Buffer { bytes in rest = rest.drop { bytes.contains($0) } }
        return rest.count < before
    }

    /// 1 to 6 decimal digits: no vendor's code has more.
    mutating func number() -> UInt32? {
        let digits = rest.prefix { (0x30...0x39).contains($0) }
        guard (1...6).contains(digits.count) else { return nil }
        rest = rest.dropFirst(digits.count)
        return digits.reduce(0) { $0 * 10 + UInt32($1 - 0x30) }
    }

    /// A name within brackets: what a core or a module can be called.
    mutating func name() -> Bool {
        let name = rest.prefix { $0.isWordByte || "-/. ,".utf8.contains($0) }
        guard (1...48).contains(name.count) else { return false }
        rest = rest.dropFirst(name.count)
        return true
    }

    /// A PCI address with its domain: `0000:3b:00`, `0000:3b:00.0`, `00000000:3B:00.0`.
    mutating func address() -> PCIAddress? {
        var ahead = self
        guard ahead.hexadecimal(4...8), ahead.skip(":"), ahead.hexadecimal(2...2), ahead.skip(":"),
            ahead.hexadecimal(2...2)
        else { return nil }
        if ahead.skip("."), !ahead.hexadecimal(1...1) { return nil }
        let text = rest[rest.startIndex..<ahead.rest.startIndex]
        guard let address = PCIAddress(String(decoding: text, as: UTF8.self)) else { return nil }
        self = ahead
        return address
    }

    private mutating func hexadecimal(_ lengths: ClosedRange<Int>) -> Bool {
        let digits = rest.prefix { $0.isHexadecimal }
        guard lengths.contains(digits.count) else { return false }
        rest = rest.dropFirst(digits.count)
        return true
    }

    /// What dev_printk puts before a driver's text: `driver dddd:bb:dd.f: `. Takes nothing when it is not there.
    mutating func deviceProlog(_ drivers: [StaticString]) -> PCIAddress? {
        for driver in drivers {
            var ahead = self
            guard ahead.skip(driver, ignoringCase: true), ahead.skip(" ") else { continue }
            // The function must be there: without it a process's name could hold all this.
            let length = ahead.rest.count
            guard let address = ahead.address(), length - ahead.rest.count >= 12, ahead.skip(": ") else { continue }
            self = ahead
            return address
        }
        return nil
    }

    var isAtEndOrComma: Bool { rest.isEmpty || rest.first == UInt8(ascii: ",") }
}

extension UInt8 {
    fileprivate var lowercase: UInt8 { (0x41...0x5a).contains(self) ? self | 0x20 : self }
    fileprivate var isHexadecimal: Bool { (0x30...0x39).contains(self) || (0x61...0x66).contains(lowercase) }
    fileprivate var isWordByte: Bool {
        (0x30...0x39).contains(self) || (0x61...0x7a).contains(lowercase) || self == UInt8(ascii: "_")
    }
}
