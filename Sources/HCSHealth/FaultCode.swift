package import HCSModel

/// `vendor/family/code`: the name of a fault in catalogue, policy, state and payload. The host's own faults have the
/// vendor `host`. A code is a decimal number, `0x` and eight digits for Ascend, a word for the host's, `*` for any.
package struct FaultCode: Hashable, Sendable, Comparable, CustomStringConvertible {
    package var vendor: String
    package var family: String
    package var code: String

    package static let host = "host"
    package static let any = "*"

    package init(vendor: String, family: String, code: String) {
        self.vendor = vendor
        self.family = family
        self.code = code
    }

    package init(_ fault: Fault) {
        self.init(vendor: fault.vendor.rawValue, family: fault.family, code: Self.text(fault.code, fault.vendor))
    }

    /// Reads `vendor/family/code`; nil for anything else.
    package init?(_ text: some StringProtocol) {
        let parts = String(text).split(separator: Character("/"), omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 3, Self.isKnown(vendor: parts[0]), Self.isWord(parts[1]),
            parts[2] == Self.any || Self.isWord(parts[2])
        else { return nil }
        self.init(vendor: parts[0], family: parts[1], code: parts[2])
    }

    static func text(_ code: UInt32, _ vendor: Vendor) -> String {
        guard vendor == .ascend, code >= 0x1000 else { return String(code) }
        let digits = String(code, radix: 16, uppercase: true)
        return "0x" + String(repeating: "0", count: max(0, 8 - digits.count)) + digits
    }

    private static func isKnown(vendor: String) -> Bool { vendor == host || Vendor(rawValue: vendor) != nil }

    private static func isWord(_ text: String) -> Bool {
        (1...32).contains(text.utf8.count)
            && text.utf8.allSatisfy {
                (0x30...0x39).contains($0) || (0x41...0x5a).contains($0) || (0x61...0x7a).contains($0) || $0 == 0x2d
            }
    }

    var wildcard: FaultCode { FaultCode(vendor: vendor, family: family, code: Self.any) }

    package static func < (a: FaultCode, b: FaultCode) -> Bool {
        (a.vendor, a.family, a.code.utf8.count, a.code) < (b.vendor, b.family, b.code.utf8.count, b.code)
    }

    package var description: String { "\(vendor)/\(family)/\(code)" }
}

/// What a fault is worth. Ordered by how much: of several tellings of one fault the worst counts.
package enum FaultClass: String, CaseIterable, Hashable, Sendable, Codable, Comparable {
    /// Says nothing of the device.
    case none
    /// The program's; counts when it hits several jobs.
    case application
    /// The driver says what has to be done.
    case recoveryAction = "recovery-action"
    case soft
    /// The message's own severity decides: `Fatal` is hard, all else soft.
    case decode
    /// Hard while the processes live that held the device; soft after.
    case held
    case hard

    private var rank: Int { Self.allCases.firstIndex(of: self) ?? 0 }
    package static func < (a: FaultClass, b: FaultClass) -> Bool { a.rank < b.rank }
}

/// What the vendor says has to be done.
package enum FaultAdvice: String, CaseIterable, Hashable, Sendable, Codable {
    case none
    case restartApplication = "restart-application"
    case updateSoftware = "update-software"
    case drain, reset, reboot, service
}
