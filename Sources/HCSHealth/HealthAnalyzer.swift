package import HCSModel

/// Turns samples, faults and silence into scores with reasons. A value: no clock, no I/O; `now` comes in (milliseconds since 1970).
package struct HealthAnalyzer: Sendable {
    /// Limits of what comes from outside.
    package static let maximumEntries = 1024
    package static let maximumSequences = 4096
    package static let maximumUnmatched = 64
    package static let maximumLatches = 32

    /// What became of a fault record.
    package enum FaultOutcome: Hashable, Sendable {
        /// The devices whose evidence changed.
        case counted([DeviceID])
        /// This record was counted before.
        case duplicate
        /// The policy says that this code says nothing of the device.
        case notDeviceFault
        /// No such device (yet): kept, and counted when it arrives.
        case unmatched
    }

    /// Whose worker process: a simulated vendor and the real one beside it are asked apart.
    private struct Source: Hashable {
        var vendor: Vendor
        var simulated: Bool

        init(_ device: Device) { (vendor, simulated) = (device.vendor, device.simulated) }
        init(vendor: Vendor, simulated: Bool) { (self.vendor, self.simulated) = (vendor, simulated) }
    }

    package let policy: HealthPolicy
    private let rules: [any HealthRule]
    private let bootID: String
    private var evidence: [DeviceID: DeviceEvidence] = [:]
    private var absent: [DeviceID: HealthState.Entry] = [:]
    private var workers: [Source: WorkerEvidence] = [:]
    private var sequences: Set<UInt64>
    private var unmatched: [Fault] = []

    /// `state` is what an earlier agent exported; the record numbers of another boot are dropped, its latches are not.
    package init(
        policy: HealthPolicy, bootID: String, state: HealthState? = nil, rules: [any HealthRule] = HealthRules.all
    ) {
        self.policy = policy
        self.rules = rules
        self.bootID = bootID
        self.sequences = state?.bootID == bootID ? Set(state?.sequences.suffix(Self.maximumSequences) ?? []) : []
        for entry in (state?.entries ?? []).prefix(Self.maximumEntries) { absent[entry.device] = entry }
    }

    // MARK: What is there

    /// The devices of the host. What is known of one that left is kept for its return.
    package mutating func update(devices: [Device], at now: Int64) {
        let present = Set(devices.map(\.id))
        for (id, old) in evidence where !present.contains(id) {
            evidence[id] = nil
            let entry = HealthState.Entry(device: id, latches: old.latches, buckets: old.buckets)
            if !entry.isEmpty, absent.count < Self.maximumEntries { absent[id] = entry }
        }
        for device in devices {
            if evidence[device.id] != nil {
                evidence[device.id]?.device = device
                continue
            }
            let entry = absent.removeValue(forKey: device.id)
            var new = DeviceEvidence(device: device, latches: entry?.latches ?? [], buckets: entry?.buckets ?? [:])
            new.worker = workers[Source(device)] ?? WorkerEvidence()
            evidence[device.id] = new
        }
        let waiting = unmatched
        unmatched = []
        for fault in waiting where count(fault, devices: matches(fault)).isEmpty { unmatched.append(fault) }
    }

    // MARK: What happens

    /// Counts a fault record once. It is its device's, where one is named; else its PCI address matches a device by domain,
    /// bus and device (the function is ignored), and one without an address is every device's of its vendor. A simulated record never touches a real device.
    package mutating func record(_ fault: Fault) -> FaultOutcome {
        guard let family = policy.family(of: fault),
            family.hard.codes.contains(fault.code) || family.soft.contains(where: { $0.codes.contains(fault.code) })
        else { return .notDeviceFault }
        if let sequence = fault.sequence {
            guard !sequences.contains(sequence) else { return .duplicate }
            sequences.insert(sequence)
            if sequences.count > Self.maximumSequences, let oldest = sequences.min() { sequences.remove(oldest) }
        }
        let counted = count(fault, devices: matches(fault))
        guard counted.isEmpty else { return .counted(counted) }
        if unmatched.count >= Self.maximumUnmatched { unmatched.removeFirst() }
        unmatched.append(fault)
        return .unmatched
    }

    /// A sample of one device: also the proof that its vendor's library answers.
    package mutating func record(_ sample: DeviceSample, for id: DeviceID, at now: Int64) {
        guard var known = evidence[id] else { return }
        if known.sample?.vendorHealth != sample.vendorHealth || known.vendorHealthSinceMilliseconds == nil {
            known.vendorHealthSinceMilliseconds = now
        }
        let warn = policy.temperature[known.device.vendor]?.warnCelsius ?? .infinity
        let warm = (sample.temperatureCelsius ?? -.infinity) > warn
        known.warmSinceMilliseconds = warm ? known.warmSinceMilliseconds ?? now : nil
        known.sample = sample
        known.sampledMilliseconds = now
        if let state = sample.vendorHealth, let verdict = policy.vendorHealth[state], verdict.latched {
            known.latch(
                HealthLatch(
                    factor: "vendor-health", code: 0,
                    detail: "\(known.device.vendor.displayName)'s own health call says \(state.rawValue)",
                    source: "vendor-library",
                    atMilliseconds: now), repeated: false)
        }
        evidence[id] = known
        setWorker(Source(known.device)) { $0.inARow = 0 }
    }

    /// A vendor worker's count of missed deadlines, which starts at 0 with the agent. Whether it only grows or is set back
    /// by an answer: each growth is so many misses, and a smaller count is one since an answer.
    package mutating func record(missedDeadlines total: UInt64, vendor: Vendor, simulated: Bool, at now: Int64) {
        let limits = policy.unresponsive
        setWorker(Source(vendor: vendor, simulated: simulated)) { worker in
            let before = worker.total ?? 0
            worker.total = total
            if total < before { worker.inARow = total }
            guard total > before else { return }
            let new = total - before
            if worker.inARow == 0 { worker.sinceMilliseconds = now }
            worker.inARow = worker.inARow.addingReportingOverflow(new).overflow ? .max : worker.inARow + new
            for _ in 0..<min(new, 16) {
                if worker.bucket == nil {
                    worker.bucket = LeakyBucket(weight: limits.weight, atMilliseconds: now, source: "worker")
                } else {
                    worker.bucket?.add(
                        limits.weight, at: now, halfLifeSeconds: limits.halfLifeSeconds, source: "worker")
                }
            }
        }
    }

    /// Takes the latches off a device, at an operator's word. Returns what was taken.
    package mutating func clearLatches(of id: DeviceID) -> [HealthLatch] {
        let taken = evidence[id]?.latches ?? absent[id]?.latches ?? []
        evidence[id]?.latches = []
        absent[id]?.latches = []
        return taken
    }

    // MARK: What follows

    package func evaluate(at now: Int64) -> [DeviceID: DeviceHealth] {
        evidence.mapValues { known in
            HealthScorer.health(rules.flatMap { $0.findings(on: known, policy: policy, now: now) })
        }
    }

    /// What to keep over a restart.
    package var state: HealthState {
        let present = evidence.map {
            HealthState.Entry(device: $0.key, latches: $0.value.latches, buckets: $0.value.buckets)
        }
        let entries = (present + absent.values).filter { !$0.isEmpty }.sorted { $0.device < $1.device }
        return HealthState(bootID: bootID, entries: entries, sequences: sequences.sorted())
    }

    // MARK: Parts

    private func matches(_ fault: Fault) -> [DeviceID] {
        evidence.values.filter { known in
            guard known.device.vendor == fault.vendor, !fault.simulated || known.device.simulated else { return false }
            if let id = fault.device { return known.device.id == id }
            guard let address = fault.pci else { return true }
            guard let own = known.device.pci else { return false }
            return (own.domain, own.bus, own.device) == (address.domain, address.bus, address.device)
        }.map(\.device.id).sorted()
    }

    private mutating func count(_ fault: Fault, devices: [DeviceID]) -> [DeviceID] {
        guard let family = policy.family(of: fault) else { return [] }
        for id in devices {
            if family.hard.codes.contains(fault.code) {
                evidence[id]?.latch(
                    HealthLatch(
                        factor: fault.family, code: fault.code, detail: Self.detail(fault),
                        source: fault.source,
                        atMilliseconds: fault.atMilliseconds), repeated: true)
            }
            for group in family.soft where group.codes.contains(fault.code) {
                let key = group.bucketKey(in: family)
                if evidence[id]?.buckets[key] == nil {
                    evidence[id]?.buckets[key] = LeakyBucket(
                        weight: group.weight, atMilliseconds: fault.atMilliseconds, source: fault.source)
                } else {
                    evidence[id]?.buckets[key]?.add(
                        group.weight, at: fault.atMilliseconds, halfLifeSeconds: group.halfLifeSeconds,
                        source: fault.source)
                }
            }
        }
        return devices
    }

    private static func detail(_ fault: Fault) -> String {
        let what = "\(fault.family == "xid" ? "Xid" : fault.family) \(fault.code)"
        let said = fault.message.isEmpty ? "" : ": \(fault.message.prefix(120))"
        return what + said + (fault.simulated ? " (simulated)" : "")
    }

    private mutating func setWorker(_ source: Source, _ change: (inout WorkerEvidence) -> Void) {
        var worker = workers[source] ?? WorkerEvidence()
        change(&worker)
        guard worker != workers[source] else { return }
        workers[source] = worker
        for (id, known) in evidence where Source(known.device) == source { evidence[id]?.worker = worker }
    }
}

extension HealthState.Entry {
    fileprivate var isEmpty: Bool { latches.isEmpty && buckets.isEmpty }
}

extension DeviceEvidence {
    /// One latch for each factor and code; `repeated` counts another sight of it.
    fileprivate mutating func latch(_ new: HealthLatch, repeated: Bool) {
        if let i = latches.firstIndex(where: { $0.factor == new.factor && $0.code == new.code }) {
            guard repeated else { return }
            latches[i].lastMilliseconds = max(latches[i].lastMilliseconds, new.lastMilliseconds)
            latches[i].count = latches[i].count == .max ? .max : latches[i].count + 1
        } else if latches.count < HealthAnalyzer.maximumLatches {
            latches.append(new)
        }
    }
}
