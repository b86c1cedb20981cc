package import HCSModel

/// Something that happened to a device's health, for the history.
package struct HealthRecord: Hashable, Sendable, Codable {
    package enum Kind: String, Codable, Hashable, Sendable {
        case fault, latched, cleared
        case person = "operator"
    }
    package var atMilliseconds: Int64
    package var kind: Kind
    /// `vendor/family/code`; empty where there is none.
    package var code: String
    package var detail: String
}

/// An operator's word that a device is well, and what it took away.
package struct HealthClearing: Hashable, Sendable, Codable {
    package var atMilliseconds: Int64
    package var device: DeviceID
    /// Who said it: a user's name or a token's.
    package var actor: String
    package var reason: String
    /// The details of the latches that were taken off.
    package var latches: [String]
    package var scoreBefore: Int?
    /// The scheduler's order that asked for it: each is carried out once. Nil for a word said here.
    package var order: String?
}

/// What is remembered of a device, or of the node, over restarts of the agent. It belongs to the device's identity, so it
/// follows a card to another slot.
package struct DeviceMemory: Hashable, Sendable {
    package static let maximumLatches = 32
    package static let maximumRecords = 32
    package static let maximumJobs = 8
    package static let maximumCodes = 64

    package struct Job: Hashable, Sendable, Codable {
        package var name: String
        package var atMilliseconds: Int64
    }

    /// The action that the driver asked for last.
    package struct Recovery: Hashable, Sendable, Codable {
        package var action: Int
        package var sinceMilliseconds: Int64
        package var source: String

        package init(action: Int, sinceMilliseconds: Int64, source: String) {
            self.action = action
            self.sinceMilliseconds = sinceMilliseconds
            self.source = source
        }
    }

    /// Hard faults that hold until there is evidence of a repair.
    package var latches: [HealthLatch] = []
    /// Soft faults by the policy's group name.
    package var buckets: [String: LeakyBucket] = [:]
    /// The last code that fell into a bucket, for people.
    package var lastCodes: [String: LastCode] = [:]
    /// Distinct jobs by group.
    package var jobs: [String: [Job]] = [:]
    /// Times of codes that may escalate.
    package var sightings: [String: [Int64]] = [:]
    /// Codes that the vendor's health call names now.
    package var present: [String] = []
    package var recovery: Recovery?
    package var history: [HealthRecord] = []
    package var slow = Slow()

    package struct LastCode: Hashable, Sendable, Codable {
        package var code: String
        package var detail: String
        package var source: String
        package var advice: FaultAdvice?
        package var authority: String
    }

    /// What changes all the time and is worth no write of its own.
    package struct Slow: Hashable, Sendable, Codable {
        package var corrected = CorrectableErrorWatch()
        package var trend = TemperatureTrend()
        /// Counters as they stood last, by signal.
        package var counters: [String: Double] = [:]
        package var band = BandKeeper()
        package init() {}
    }

    package init() {}

    package var isEmpty: Bool { self == DeviceMemory() }

    /// What stands until a reset is over: soft faults without a half-life, what the driver asked for.
    mutating func dropUntilReset(_ policy: HealthPolicy) {
        buckets = buckets.filter { policy.groups[$0.key]?.halfLifeSeconds != nil }
        recovery = nil
    }

    mutating func note(_ record: HealthRecord) {
        history.append(record)
        history.removeFirst(max(0, history.count - Self.maximumRecords))
    }

    mutating func fall(into group: String, _ policy: HealthPolicy.FaultGroup, at now: Int64, last: LastCode) {
        if buckets[group] == nil {
            buckets[group] = LeakyBucket(weight: policy.weight, atMilliseconds: now)
        } else {
            buckets[group]?.add(policy.weight, at: now, halfLifeSeconds: policy.halfLifeSeconds ?? .infinity)
        }
        lastCodes[group] = last
    }

    /// One latch for each factor and code. Another sight of it withdraws the evidence of its repair.
    mutating func latch(_ new: HealthLatch, repeated: Bool) {
        if let i = latches.firstIndex(where: { $0.factor == new.factor && $0.code == new.code }) {
            guard repeated else { return }
            latches[i].lastMilliseconds = max(latches[i].lastMilliseconds, new.lastMilliseconds)
            latches[i].count = latches[i].count == .max ? .max : latches[i].count + 1
            if new.bootID != nil { latches[i].bootID = new.bootID }
            latches[i].repairedMilliseconds = nil
            if new.repair == .person { latches[i].repair = .person }
        } else if latches.count < Self.maximumLatches {
            latches.append(new)
            note(
                HealthRecord(
                    atMilliseconds: new.sinceMilliseconds, kind: .latched, code: new.fault ?? new.factor,
                    detail: new.detail))
        }
    }
}

extension DeviceMemory: Codable {
    private enum CodingKeys: String, CodingKey {
        case latches, buckets, lastCodes, jobs, sightings, present, recovery, history, slow
    }

    /// Files of older agents lack what came later; what is too much is cut.
    package init(from decoder: any Decoder) throws {
        let c = try decoder.container(keyedBy: CodingKeys.self)
        func bounded<Value>(_ table: [String: Value]?) -> [String: Value] {
            Dictionary(
                uniqueKeysWithValues: (table ?? [:]).sorted { $0.key < $1.key }.prefix(Self.maximumCodes).map { $0 })
        }
        latches = Array((try c.decodeIfPresent([HealthLatch].self, forKey: .latches) ?? []).prefix(Self.maximumLatches))
        let buckets = bounded(try c.decodeIfPresent([String: LeakyBucket].self, forKey: .buckets))
        // An older agent wrote `family/group`.
        self.buckets = Dictionary(
            buckets.map { ($0.key.split(separator: "/").last.map(String.init) ?? $0.key, $0.value) },
            uniquingKeysWith: { $0.value > $1.value ? $0 : $1 })
        lastCodes = bounded(try c.decodeIfPresent([String: LastCode].self, forKey: .lastCodes))
        jobs = bounded(try c.decodeIfPresent([String: [Job]].self, forKey: .jobs)).mapValues {
            Array($0.suffix(Self.maximumJobs))
        }
        sightings = bounded(try c.decodeIfPresent([String: [Int64]].self, forKey: .sightings)).mapValues {
            Array($0.suffix(Self.maximumCodes))
        }
        present = Array((try c.decodeIfPresent([String].self, forKey: .present) ?? []).prefix(Self.maximumCodes))
        recovery = try c.decodeIfPresent(Recovery.self, forKey: .recovery)
        history = Array(
            (try c.decodeIfPresent([HealthRecord].self, forKey: .history) ?? []).suffix(Self.maximumRecords))
        slow = try c.decodeIfPresent(Slow.self, forKey: .slow) ?? Slow()
        slow.counters = bounded(slow.counters)
    }
}
