/// Bands of the score (conventions, "Faults and simulation"). In `suspect`, `failed` and `unknown` a device gets no new work.
package enum HealthBand: String, Codable, Hashable, Sendable, CaseIterable {
    case healthy, degraded, suspect, failed
    /// Too few samples to say; not the same as zero.
    case unknown

    package init(score: Int) {
        switch score {
        case 85...: self = .healthy
        case 60..<85: self = .degraded
        case 1..<60: self = .suspect
        default: self = .failed
        }
    }

    package var acceptsWork: Bool { self == .healthy || self == .degraded }
}

/// One thing that lowers a score. `score = round(100 * product(1 - penalty))`, so anybody can compute it again.
package struct HealthReason: Hashable, Sendable, Codable {
    /// The factor's name, stable: `xid`, `temperature`, `vendor-health`, `unresponsive`.
    package var factor: String
    /// 0 to 1; 1 is a hard fault.
    package var penalty: Double
    /// A sentence for people.
    package var detail: String
    /// Where it was seen: `kernel-log`, `vendor-library`, `worker`.
    package var source: String
    /// When it began, milliseconds since 1970.
    package var sinceMilliseconds: Int64

    package init(factor: String, penalty: Double, detail: String, source: String, sinceMilliseconds: Int64) {
        self.factor = factor
        self.penalty = penalty
        self.detail = detail
        self.source = source
        self.sinceMilliseconds = sinceMilliseconds
    }
}

/// A device's health with the reasons that make it up, worst first.
package struct DeviceHealth: Hashable, Sendable, Codable {
    /// 0 to 100; nil when too little is known.
    package var score: Int?
    package var band: HealthBand
    package var reasons: [HealthReason]

    package init(score: Int?, reasons: [HealthReason]) {
        self.score = score
        self.band = score.map(HealthBand.init(score:)) ?? .unknown
        self.reasons = reasons
    }
}

/// A fault that the kernel log or a vendor's event told, already matched to a device or to a whole vendor.
package struct Fault: Hashable, Sendable, Codable {
    /// `xid` for NVIDIA's kernel messages; each vendor's own word otherwise.
    package var family: String
    package var code: UInt32
    package var vendor: Vendor
    package var pci: PCIAddress?
    /// What the driver says of it, for people; empty where it says no more than the code.
    package var message: String
    /// The whole record, for the log.
    package var record: String
    /// Identity of the record: its /dev/kmsg sequence number; nil for the simulated log.
    package var sequence: UInt64?
    package var atMilliseconds: Int64
    package var simulated: Bool

    package init(
        family: String, code: UInt32, vendor: Vendor, pci: PCIAddress?, message: String, record: String? = nil,
        sequence: UInt64?, atMilliseconds: Int64, simulated: Bool
    ) {
        self.family = family
        self.code = code
        self.vendor = vendor
        self.pci = pci
        self.message = message
        self.record = record ?? message
        self.sequence = sequence
        self.atMilliseconds = atMilliseconds
        self.simulated = simulated
    }
}
