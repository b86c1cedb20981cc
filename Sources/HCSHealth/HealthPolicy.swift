import HCSModel

/// Every number of the health score: data, because authorities disagree on what a code means. Each group names its source.
/// `Data/health.yaml` is the default and says what the numbers mean.
package struct HealthPolicy: Hashable, Sendable, Codable {
    package static let currentVersion = 2

    package var version: Int
    /// By `vendor/family/code`: what differs from the catalogue.
    package var codes: [String: CodeRule]
    package var groups: [String: FaultGroup]
    package var escalations: [Escalation]
    package var duplicates: Duplicates
    package var latches: Latches
    /// By `actionNames`.
    package var recoveryActions: [String: RecoveryAction]
    package var coverage: Coverage
    package var hysteresis: Hysteresis
    /// By `DeviceSample.VendorHealth`.
    package var vendorHealth: [String: VendorVerdict]
    /// By `Vendor`.
    package var temperature: [String: Level]
    package var thermalResidual: ThermalResidual
    package var throttle: Throttle
    package var clock: Clock
    package var correctableErrors: CorrectableErrors
    package var spares: Spares
    package var remapPending: Flat
    package var pcieReplay: PCIeReplay
    package var pcieLink: PCIeLink
    package var pcieErrors: PCIeErrors
    package var links: Links
    package var collector: Collector
    package var processes: Processes
    package var fabricManager: Flat
    package var fabricPort: Flat
    package var throughput: Throughput

    /// penalty = cap x clamp((value - warn) / (bad - warn), 0, 1); with a half-life the value falls no faster than that.
    package struct Level: Hashable, Sendable, Codable {
        package var warn: Double
        package var bad: Double
        package var cap: Double
        package var halfLifeSeconds: Double?
        package var source: String?

        package init(
            warn: Double, bad: Double, cap: Double, halfLifeSeconds: Double? = nil, source: String? = nil
        ) {
            self.warn = warn
            self.bad = bad
            self.cap = cap
            self.halfLifeSeconds = halfLifeSeconds
            self.source = source
        }

        func measure(_ value: Double, unit: String) -> HealthMeasure {
            HealthMeasure(value, unit: unit, warn: warn, bad: bad, cap: cap)
        }
    }

    package struct CodeRule: Hashable, Sendable, Codable {
        package var `class`: FaultClass?
        package var group: String?
        package var advice: FaultAdvice?
        package var source: String
    }

    /// Codes that add up: penalty = min(cap, sum of weight x 2^(-age / half-life)); without a half-life until a reset.
    package struct FaultGroup: Hashable, Sendable, Codable {
        package var weight: Double
        package var cap: Double
        package var halfLifeSeconds: Double?
        /// Counts only when it has hit so many distinct jobs within `jobWindowSeconds`.
        package var minimumJobs: Int?
        package var jobWindowSeconds: Int64?
        package var source: String

        package init(
            weight: Double, cap: Double, halfLifeSeconds: Double? = nil, minimumJobs: Int? = nil,
            jobWindowSeconds: Int64? = nil, source: String
        ) {
            self.weight = weight
            self.cap = cap
            self.halfLifeSeconds = halfLifeSeconds
            self.minimumJobs = minimumJobs
            self.jobWindowSeconds = jobWindowSeconds
            self.source = source
        }
    }

    /// `count` of one of the codes within the window is a hard fault for an operator.
    package struct Escalation: Hashable, Sendable, Codable {
        package var codes: [String]
        package var count: Int
        package var windowSeconds: Int64
        package var source: String
    }

    package struct Duplicates: Hashable, Sendable, Codable {
        package var windowSeconds: Int64
        package var sameFault: [[String]]
        package var source: String
    }

    package struct Latches: Hashable, Sendable, Codable {
        package var quietSeconds: Int64
        package var requireMeasurement: Bool
        package var operatorWindowSeconds: Int64
        package var source: String
    }

    package struct RecoveryAction: Hashable, Sendable, Codable {
        package var name: String
        package var penalty: Double
        package var advice: FaultAdvice
        package var source: String
    }

    /// When too little is known for a score.
    package struct Coverage: Hashable, Sendable, Codable {
        package var windowSeconds: Int64
        package var minimumShare: Double
        package var maximumSampleAgeSeconds: Int64
        package var source: String
    }

    package struct Hysteresis: Hashable, Sendable, Codable {
        package var downSeconds: Int64
        package var upSeconds: Int64
        package var upMargin: Int
        package var source: String
    }

    /// What an answer of the vendor's own health call is worth.
    package struct VendorVerdict: Hashable, Sendable, Codable {
        /// 0 to 1; 1 is a hard fault.
        package var penalty: Double
        /// Whether it stays when the vendor's call says otherwise later (only with penalty 1).
        package var latched: Bool
        package var advice: FaultAdvice?
        package var source: String
    }

    package struct ThermalResidual: Hashable, Sendable, Codable {
        package struct Peers: Hashable, Sendable, Codable {
            package var warn: Double
            package var bad: Double
            package var minimumPeers: Int
            package var powerTolerance: Double
            package var minimumDeviationCelsius: Double
        }
        package struct Trend: Hashable, Sendable, Codable {
            package var warn: Double
            package var bad: Double
            package var binSeconds: Int64
            package var bins: Int
            package var minimumDays: Double
            package var minimumUtilization: Double
        }
        package var cap: Double
        package var peers: Peers
        package var trend: Trend
        package var source: String
    }

    package struct Throttle: Hashable, Sendable, Codable {
        package var level: Level
        package var windowSeconds: Int64
        package var causes: [String]
        package var source: String
    }

    package struct Clock: Hashable, Sendable, Codable {
        package var level: Level
        package var minimumUtilization: Double
        package var minimumPeers: Int
        package var source: String
    }

    package struct CorrectableErrors: Hashable, Sendable, Codable {
        package struct Drift: Hashable, Sendable, Codable {
            package var allowance: Double
            package var threshold: Double
            package var minimumDeviation: Double
            package var baselineSeconds: Double
            package var minimumBins: Int
            package var weight: Double
            package var holdSeconds: Int64
        }
        package var level: Level
        package var binSeconds: Int64
        package var smoothing: Double
        package var drift: Drift
        package var source: String
    }

    package struct Spares: Hashable, Sendable, Codable {
        package struct Limits: Hashable, Sendable, Codable {
            package var rowsRemapped: Double
            package var retiredPages: Double
        }
        package var level: Level
        package var limits: [String: Limits]
        package var source: String
    }

    package struct Flat: Hashable, Sendable, Codable {
        package var penalty: Double
        package var source: String
    }

    package struct PCIeReplay: Hashable, Sendable, Codable {
        package var level: Level
        package var bitErrorRate: Double
        package var source: String
    }

    package struct PCIeLink: Hashable, Sendable, Codable {
        package var penalty: Double
        package var minimumUtilization: Double
        package var holdSeconds: Int64
        package var source: String
    }

    package struct PCIeErrors: Hashable, Sendable, Codable {
        package var level: Level
        package var source: String
    }

    package struct Links: Hashable, Sendable, Codable {
        /// By kind of error; a kind that is not here counts with the first.
        package var perSecond: [String: Double]
        package var source: String
    }

    /// What late answers and missed deadlines of a vendor's library are worth: a hanging call is itself the fault signal.
    package struct Collector: Hashable, Sendable, Codable {
        package var level: Level
        package var minimumBaselineMilliseconds: Double
        /// So many misses with no answer between them are a hard fault, for as long as no answer comes.
        package var missesInARow: UInt64
        /// Penalty of one miss, decaying.
        package var weight: Double
        package var cap: Double
        package var halfLifeSeconds: Double
        package var source: String
    }

    package struct Processes: Hashable, Sendable, Codable {
        package var stuckSeconds: Int64
        package var penalty: Double
        /// Memory in use without a process: more than this share of the device and this many GiB, for so long.
        package var abandonedShare: Double
        package var abandonedGibibytes: Double
        package var abandonedSeconds: Int64
        package var source: String

        func abandonedMemory(of total: ByteCount) -> ByteCount {
            let bytes = max(Double(total.bytes) * abandonedShare, abandonedGibibytes * 1_073_741_824)
            return ByteCount(bytes < 9e18 ? UInt64(bytes) : .max)
        }
    }

    /// What a device is worth that was measured far below what its maker promises.
    package struct Throughput: Hashable, Sendable, Codable {
        /// Of the theoretical figure, 0 to 1; from here on a device is as it should be.
        package var minimumShare: Double
        package var penalty: Double
        package var source: String
    }
}

extension HealthPolicy {
    /// In the order of NVML's numbers: 0 is none.
    package static let actionNames = ["none", "reset", "reboot", "drain-p2p", "drain-and-reset"]

    func recoveryAction(_ number: Int) -> RecoveryAction? {
        Self.actionNames.indices.contains(number) ? recoveryActions[Self.actionNames[number]] : nil
    }

    /// What a code is: the policy's word over the catalogue's. A whole family may be named (`*`).
    package func row(_ code: FaultCode, in catalogue: FaultCatalogue) -> FaultCatalogue.Row? {
        let known = catalogue.row(code)
        guard let rule = codes[code.description] ?? (known?.code == code ? nil : codes[code.wildcard.description])
        else { return known }
        var row =
            known
            ?? FaultCatalogue.Row(code: code, faultClass: .none, group: "", advice: nil, name: "", source: rule.source)
        row.code = code
        if let faultClass = rule.class { row.faultClass = faultClass }
        if let group = rule.group { row.group = group }
        if let advice = rule.advice { row.advice = advice }
        row.source = rule.source
        return row
    }
}
