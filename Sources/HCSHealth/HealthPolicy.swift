package import HCSModel

/// Every number of the health score: data, because authorities disagree on what a code means. Each group names its source.
///
/// Decoding is strict: an unknown or missing key is an error, so that a misspelt threshold is never silently ignored.
package struct HealthPolicy: Hashable, Sendable, Codable {
    package static let currentVersion = 1

    package var version: Int
    package var coverage: Coverage
    package var unresponsive: Unresponsive
    package var temperature: [Vendor: Temperature]
    package var vendorHealth: [DeviceSample.VendorHealth: VendorVerdict]
    package var throughput: Throughput
    package var faults: [FaultFamily]

    package init(
        version: Int = HealthPolicy.currentVersion, coverage: Coverage, unresponsive: Unresponsive,
        temperature: [Vendor: Temperature], vendorHealth: [DeviceSample.VendorHealth: VendorVerdict],
        throughput: Throughput, faults: [FaultFamily]
    ) {
        self.version = version
        self.coverage = coverage
        self.unresponsive = unresponsive
        self.temperature = temperature
        self.vendorHealth = vendorHealth
        self.throughput = throughput
        self.faults = faults
    }

    /// When too little is known for a score.
    package struct Coverage: Hashable, Sendable, Codable {
        /// A last sample older than this gives no score, in seconds.
        package var maximumSampleAgeSeconds: Int64
        package var source: String

        package init(maximumSampleAgeSeconds: Int64, source: String) {
            self.maximumSampleAgeSeconds = maximumSampleAgeSeconds
            self.source = source
        }

        package enum CodingKeys: String, CodingKey, CaseIterable { case maximumSampleAgeSeconds, source }

        package init(from decoder: any Decoder) throws {
            try decoder.rejectUnknownKeys(CodingKeys.self)
            let c = try decoder.container(keyedBy: CodingKeys.self)
            self.init(
                maximumSampleAgeSeconds: try c.decode(Int64.self, forKey: .maximumSampleAgeSeconds),
                source: try c.decode(String.self, forKey: .source))
        }
    }

    /// What missed deadlines of a vendor's library are worth: a hanging call is itself the fault signal.
    package struct Unresponsive: Hashable, Sendable, Codable {
        /// So many misses with no answer between them are a hard fault, for as long as no answer comes.
        package var missesInARow: UInt64
        /// Penalty of one miss, decaying.
        package var weight: Double
        package var cap: Double
        package var halfLifeSeconds: Double
        package var source: String

        package init(missesInARow: UInt64, weight: Double, cap: Double, halfLifeSeconds: Double, source: String) {
            self.missesInARow = missesInARow
            self.weight = weight
            self.cap = cap
            self.halfLifeSeconds = halfLifeSeconds
            self.source = source
        }

        package enum CodingKeys: String, CodingKey, CaseIterable {
            case missesInARow, weight, cap, halfLifeSeconds, source
        }

        package init(from decoder: any Decoder) throws {
            try decoder.rejectUnknownKeys(CodingKeys.self)
            let c = try decoder.container(keyedBy: CodingKeys.self)
            self.init(
                missesInARow: try c.decode(UInt64.self, forKey: .missesInARow),
                weight: try c.decode(Double.self, forKey: .weight), cap: try c.decode(Double.self, forKey: .cap),
                halfLifeSeconds: try c.decode(Double.self, forKey: .halfLifeSeconds),
                source: try c.decode(String.self, forKey: .source))
        }
    }

    /// penalty = cap x clamp((degrees - warn) / (bad - warn), 0, 1), degrees Celsius.
    package struct Temperature: Hashable, Sendable, Codable {
        package var warnCelsius: Double
        package var badCelsius: Double
        package var cap: Double
        package var source: String

        package init(warnCelsius: Double, badCelsius: Double, cap: Double, source: String) {
            self.warnCelsius = warnCelsius
            self.badCelsius = badCelsius
            self.cap = cap
            self.source = source
        }

        package enum CodingKeys: String, CodingKey, CaseIterable { case warnCelsius, badCelsius, cap, source }

        package init(from decoder: any Decoder) throws {
            try decoder.rejectUnknownKeys(CodingKeys.self)
            let c = try decoder.container(keyedBy: CodingKeys.self)
            self.init(
                warnCelsius: try c.decode(Double.self, forKey: .warnCelsius),
                badCelsius: try c.decode(Double.self, forKey: .badCelsius),
                cap: try c.decode(Double.self, forKey: .cap),
                source: try c.decode(String.self, forKey: .source))
        }
    }

    /// What an answer of the vendor's own health call is worth.
    package struct VendorVerdict: Hashable, Sendable, Codable {
        /// 0 to 1; 1 is a hard fault.
        package var penalty: Double
        /// Whether it stays when the vendor's call says otherwise later (only with penalty 1).
        package var latched: Bool
        package var source: String

        package init(penalty: Double, latched: Bool, source: String) {
            self.penalty = penalty
            self.latched = latched
            self.source = source
        }

        package enum CodingKeys: String, CodingKey, CaseIterable { case penalty, latched, source }

        package init(from decoder: any Decoder) throws {
            try decoder.rejectUnknownKeys(CodingKeys.self)
            let c = try decoder.container(keyedBy: CodingKeys.self)
            self.init(
                penalty: try c.decode(Double.self, forKey: .penalty),
                latched: try c.decode(Bool.self, forKey: .latched),
                source: try c.decode(String.self, forKey: .source))
        }
    }

    /// What a device is worth that was measured far below what its maker promises.
    package struct Throughput: Hashable, Sendable, Codable {
        /// Of the theoretical figure, 0 to 1; from here on a device is as it should be.
        package var minimumShare: Double
        package var penalty: Double
        package var source: String

        package init(minimumShare: Double, penalty: Double, source: String) {
            self.minimumShare = minimumShare
            self.penalty = penalty
            self.source = source
        }

        package enum CodingKeys: String, CodingKey, CaseIterable { case minimumShare, penalty, source }

        package init(from decoder: any Decoder) throws {
            try decoder.rejectUnknownKeys(CodingKeys.self)
            let c = try decoder.container(keyedBy: CodingKeys.self)
            self.init(
                minimumShare: try c.decode(Double.self, forKey: .minimumShare),
                penalty: try c.decode(Double.self, forKey: .penalty),
                source: try c.decode(String.self, forKey: .source))
        }
    }

    /// The codes of one kind of fault message. A code that is in neither list is counted by nobody: it says nothing of the device.
    package struct FaultFamily: Hashable, Sendable, Codable {
        /// As in `Fault.family`.
        package var family: String
        package var vendor: Vendor
        package var hard: HardCodes
        package var soft: [SoftGroup]

        package init(family: String, vendor: Vendor, hard: HardCodes, soft: [SoftGroup]) {
            self.family = family
            self.vendor = vendor
            self.hard = hard
            self.soft = soft
        }

        package enum CodingKeys: String, CodingKey, CaseIterable { case family, vendor, hard, soft }

        package init(from decoder: any Decoder) throws {
            try decoder.rejectUnknownKeys(CodingKeys.self)
            let c = try decoder.container(keyedBy: CodingKeys.self)
            self.init(
                family: try c.decode(String.self, forKey: .family), vendor: try c.decode(Vendor.self, forKey: .vendor),
                hard: try c.decode(HardCodes.self, forKey: .hard), soft: try c.decode([SoftGroup].self, forKey: .soft))
        }
    }

    package struct HardCodes: Hashable, Sendable, Codable {
        package var codes: Set<UInt32>
        package var source: String

        package init(codes: Set<UInt32>, source: String) {
            self.codes = codes
            self.source = source
        }

        package enum CodingKeys: String, CodingKey, CaseIterable { case codes, source }

        package init(from decoder: any Decoder) throws {
            try decoder.rejectUnknownKeys(CodingKeys.self)
            let c = try decoder.container(keyedBy: CodingKeys.self)
            self.init(
                codes: try c.decode(Set<UInt32>.self, forKey: .codes),
                source: try c.decode(String.self, forKey: .source))
        }
    }

    /// Codes that add up in one leaky bucket: penalty = min(cap, sum of weight x 2^(-age / half-life)).
    package struct SoftGroup: Hashable, Sendable, Codable {
        /// The factor's name in a reason.
        package var name: String
        package var codes: Set<UInt32>
        package var weight: Double
        package var cap: Double
        package var halfLifeSeconds: Double
        package var source: String

        package init(
            name: String, codes: Set<UInt32>, weight: Double, cap: Double, halfLifeSeconds: Double, source: String
        ) {
            self.name = name
            self.codes = codes
            self.weight = weight
            self.cap = cap
            self.halfLifeSeconds = halfLifeSeconds
            self.source = source
        }

        package enum CodingKeys: String, CodingKey, CaseIterable {
            case name, codes, weight, cap, halfLifeSeconds, source
        }

        package init(from decoder: any Decoder) throws {
            try decoder.rejectUnknownKeys(CodingKeys.self)
            let c = try decoder.container(keyedBy: CodingKeys.self)
            self.init(
                name: try c.decode(String.self, forKey: .name), codes: try c.decode(Set<UInt32>.self, forKey: .codes),
                weight: try c.decode(Double.self, forKey: .weight), cap: try c.decode(Double.self, forKey: .cap),
                halfLifeSeconds: try c.decode(Double.self, forKey: .halfLifeSeconds),
                source: try c.decode(String.self, forKey: .source))
        }
    }

    package enum CodingKeys: String, CodingKey, CaseIterable {
        case version, coverage, unresponsive, temperature, vendorHealth, throughput, faults
    }

    package init(from decoder: any Decoder) throws {
        try decoder.rejectUnknownKeys(CodingKeys.self)
        let c = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            version: try c.decode(Int.self, forKey: .version), coverage: try c.decode(Coverage.self, forKey: .coverage),
            unresponsive: try c.decode(Unresponsive.self, forKey: .unresponsive),
            temperature: try Self.table(c, .temperature, Vendor.init(rawValue:)),
            vendorHealth: try Self.table(c, .vendorHealth, DeviceSample.VendorHealth.init(rawValue:)),
            throughput: try c.decode(Throughput.self, forKey: .throughput),
            faults: try c.decode([FaultFamily].self, forKey: .faults))
    }

    /// An object whose keys are all names of `Key`.
    private static func table<Key: Hashable, Value: Decodable>(
        _ c: KeyedDecodingContainer<CodingKeys>, _ key: CodingKeys, _ parse: (String) -> Key?
    ) throws -> [Key: Value] {
        var table: [Key: Value] = [:]
        for (name, value) in try c.decode([String: Value].self, forKey: key) {
            guard let parsed = parse(name) else {
                throw DecodingError.dataCorruptedError(
                    forKey: key, in: c, debugDescription: "unknown field '\(name.prefix(64))' in \(key.stringValue)")
            }
            table[parsed] = value
        }
        return table
    }

    package func encode(to encoder: any Encoder) throws {
        var c = encoder.container(keyedBy: CodingKeys.self)
        try c.encode(version, forKey: .version)
        try c.encode(coverage, forKey: .coverage)
        try c.encode(unresponsive, forKey: .unresponsive)
        try c.encode(
            Dictionary(uniqueKeysWithValues: temperature.map { ($0.key.rawValue, $0.value) }), forKey: .temperature)
        try c.encode(
            Dictionary(uniqueKeysWithValues: vendorHealth.map { ($0.key.rawValue, $0.value) }), forKey: .vendorHealth)
        try c.encode(throughput, forKey: .throughput)
        try c.encode(faults, forKey: .faults)
    }
}

extension HealthPolicy {
    /// Throws the first number that makes no sense, in words for the person who wrote the file.
    package func validate() throws(HealthError) {
        func require(_ condition: Bool, _ message: @autoclosure () -> String) throws(HealthError) {
            if !condition { throw HealthError(.badPolicy, "health policy: " + message()) }
        }
        func share(_ value: Double, _ name: String) throws(HealthError) {
            try require((0...1).contains(value), "\(name) must be 0 to 1, not \(value)")
        }
        func halfLife(_ value: Double, _ name: String) throws(HealthError) {
            try require(value.isFinite && value > 0, "\(name) must be more than 0 seconds, not \(value)")
        }
        try require(version == Self.currentVersion, "version \(version) is not understood, only \(Self.currentVersion)")
        try require(
            (1...86_400).contains(coverage.maximumSampleAgeSeconds),
            "coverage.maximumSampleAgeSeconds must be 1 to 86400")
        try require(unresponsive.missesInARow >= 1, "unresponsive.missesInARow must be at least 1")
        try share(unresponsive.weight, "unresponsive.weight")
        try share(unresponsive.cap, "unresponsive.cap")
        try halfLife(unresponsive.halfLifeSeconds, "unresponsive.halfLifeSeconds")
        for (vendor, limits) in temperature {
            try require(
                limits.warnCelsius.isFinite && limits.badCelsius.isFinite && limits.warnCelsius < limits.badCelsius,
                "temperature.\(vendor.rawValue): warnCelsius must be below badCelsius")
            try share(limits.cap, "temperature.\(vendor.rawValue).cap")
        }
        for (state, verdict) in vendorHealth {
            try share(verdict.penalty, "vendorHealth.\(state.rawValue).penalty")
            try require(
                !verdict.latched || verdict.penalty == 1,
                "vendorHealth.\(state.rawValue): only a penalty of 1 may be latched")
        }
        try share(throughput.minimumShare, "throughput.minimumShare")
        try share(throughput.penalty, "throughput.penalty")
        try require(throughput.penalty < 1, "throughput.penalty must be below 1: slow is not broken")
        var families = Set<String>()
        for family in faults {
            let key = "\(family.vendor.rawValue)/\(family.family)"
            try require(families.insert(key).inserted, "\(key) is given twice")
            var seen = family.hard.codes
            var names = Set<String>()
            for group in family.soft {
                try require(names.insert(group.name).inserted, "\(key): soft group '\(group.name)' is given twice")
                try require(
                    seen.isDisjoint(with: group.codes), "\(key): a code of '\(group.name)' is in another list too")
                seen.formUnion(group.codes)
                try share(group.weight, "\(key).\(group.name).weight")
                try share(group.cap, "\(key).\(group.name).cap")
                try halfLife(group.halfLifeSeconds, "\(key).\(group.name).halfLifeSeconds")
            }
        }
    }

    func family(of fault: Fault) -> FaultFamily? {
        faults.first { $0.family == fault.family && $0.vendor == fault.vendor }
    }
}
