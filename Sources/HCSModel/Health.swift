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

/// A figure that a penalty follows from. With `warn` and `bad`: cap x clamp((value - warn) / (bad - warn), 0, 1);
/// without: min(cap, value), where the value is a sum of weights that decay.
package struct HealthMeasure: Hashable, Sendable, Codable {
    package var value: Double
    package var unit: String
    package var warn: Double?
    package var bad: Double?
    package var cap: Double

    /// The value is rounded to six decimals, so that the penalty can be computed again from what is shown.
    package init(_ value: Double, unit: String, warn: Double? = nil, bad: Double? = nil, cap: Double) {
        let bounded = value.isNaN ? 0 : min(1e15, max(-1e15, value))
        self.value = abs(bounded) < 1e9 ? (bounded * 1e6).rounded() / 1e6 : bounded
        self.unit = unit
        self.warn = warn
        self.bad = bad
        self.cap = cap
    }

    package var penalty: Double {
        guard let warn, let bad else { return min(cap, max(0, value)) }
        let share = (value - warn) / (bad - warn)
        return share.isNaN ? 0 : cap * min(1, max(0, share))
    }
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
    /// What the penalty follows from; nil where it is a fixed one.
    package var measure: HealthMeasure?
    /// `vendor/family/code` of a fault, as in the catalogue.
    package var code: String?
    /// What the vendor says has to be done: `restart-application`, `reset`, `reboot`, `drain`, `service`.
    package var advice: String?
    /// Who says what it is worth: a table, an issue, a section of a document.
    package var authority: String?

    package init(
        factor: String, penalty: Double, detail: String, source: String, sinceMilliseconds: Int64,
        measure: HealthMeasure? = nil, code: String? = nil, advice: String? = nil, authority: String? = nil
    ) {
        self.factor = factor
        self.penalty = penalty
        self.detail = detail
        self.source = source
        self.sinceMilliseconds = sinceMilliseconds
        self.measure = measure
        self.code = code
        self.advice = advice
        self.authority = authority
    }
}

/// A device's or a node's health with the reasons that make it up, worst first.
package struct DeviceHealth: Hashable, Sendable, Codable {
    /// 0 to 100; nil when too little is known.
    package var score: Int?
    /// Follows the score with hysteresis, so it may differ from the score's own band.
    package var band: HealthBand
    package var reasons: [HealthReason]
    /// Share of the expected samples that came, 0 to 1; nil where none are expected.
    package var coverage: Double?

    /// - Parameter band: nil = the score's own.
    package init(score: Int?, reasons: [HealthReason], band: HealthBand? = nil, coverage: Double? = nil) {
        self.score = score
        self.band = band ?? score.map(HealthBand.init(score:)) ?? .unknown
        self.reasons = reasons
        self.coverage = coverage
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
    /// Who told of it: `kernel-log`, `vendor-library`.
    package var source: String
    /// Whose work it hit, as far as is known: distinct jobs tell a device's fault from a program's.
    package var job: String?
    /// Other functions that it touches: the far end of a link.
    package var also: [PCIAddress]
    /// Whose it is, where that is told; else all devices at its address are meant.
    package var device: DeviceID?

    package init(
        family: String, code: UInt32, vendor: Vendor, pci: PCIAddress?, message: String, record: String? = nil,
        sequence: UInt64?, atMilliseconds: Int64, simulated: Bool, source: String = "kernel-log", job: String? = nil,
        also: [PCIAddress] = [], device: DeviceID? = nil
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
        self.source = source
        self.job = job
        self.also = also
        self.device = device
    }
}
