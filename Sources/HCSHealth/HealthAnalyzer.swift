package import HCSModel

/// Turns samples, faults and silence into scores with reasons. A value: no clock, no I/O; `now` comes in (milliseconds since 1970).
package struct HealthAnalyzer: Sendable {
    /// Limits of what comes from outside.
    package static let maximumEntries = 1024
    package static let maximumUnmatched = 64

    /// What became of a fault record.
    package enum FaultOutcome: Hashable, Sendable {
        /// The devices whose evidence changed.
        case counted([DeviceID])
        /// It was counted before: this record, or the same fault told by another.
        case duplicate
        /// The policy says that this code says nothing of the device.
        case notDeviceFault
        /// No such device (yet): kept, and counted when it arrives.
        case unmatched
    }

    /// Whose worker process: a simulated vendor and the real one beside it are asked apart.
    struct Source: Hashable {
        var vendor: Vendor
        var simulated: Bool

        init(_ device: Device) { (vendor, simulated) = (device.vendor, device.simulated) }
        init(vendor: Vendor, simulated: Bool) { (self.vendor, self.simulated) = (vendor, simulated) }
    }

    /// A PCI address without the function.
    struct PCISlot: Hashable {
        var domain: UInt32
        var bus: UInt8
        var device: UInt8

        init(_ address: PCIAddress) { (domain, bus, device) = (address.domain, address.bus, address.device) }
    }

    package let policy: HealthPolicy
    package let catalogue: FaultCatalogue
    let rules: [any HealthRule]
    let bootID: String
    let sampleSeconds: Double
    /// Indices of `policy.duplicates.sameFault` by code.
    let sameFault: [String: [Int]]
    var evidence: [DeviceID: DeviceEvidence] = [:]
    /// Where the devices of `evidence` are.
    var slots: [PCISlot: [DeviceID]] = [:]
    var node: DeviceEvidence
    private var absent: [DeviceID: HealthState.Entry] = [:]
    private var workers: [Source: WorkerEvidence] = [:]
    var sequences: SequenceWindow
    private var unmatched: [Fault] = []
    private var clearings: [HealthClearing]

    /// `state` is what an earlier agent exported; the record numbers of another boot are dropped, its latches are not.
    /// - Parameter sampleSeconds: how often a sample of each device is expected.
    package init(
        policy: HealthPolicy, bootID: String, state: HealthState? = nil, sampleSeconds: Double = 10,
        catalogue: FaultCatalogue = .builtIn, rules: [any HealthRule] = HealthRules.all
    ) {
        self.policy = policy
        self.catalogue = catalogue
        self.rules = rules
        self.bootID = bootID
        self.sampleSeconds = sampleSeconds
        var sameFault: [String: [Int]] = [:]
        for (i, codes) in policy.duplicates.sameFault.enumerated() {
            for code in codes { sameFault[code, default: []].append(i) }
        }
        self.sameFault = sameFault
        sequences = SequenceWindow(state?.bootID == bootID ? state?.sequences ?? [] : [])
        clearings = state?.clearings ?? []
        node = DeviceEvidence(
            device: Device(id: DeviceID(""), vendor: .nvidia, model: "", index: 0, memory: .zero, simulated: false),
            policy: policy, sampleSeconds: sampleSeconds)
        node.memory = Self.adopt(state?.node ?? DeviceMemory(), from: state?.bootID, in: bootID, policy)
        for entry in (state?.entries ?? []).prefix(Self.maximumEntries) {
            absent[entry.device] = HealthState.Entry(
                device: entry.device, memory: Self.adopt(entry.memory, from: state?.bootID, in: bootID, policy))
        }
    }

    /// What a file of boot `old` says: latches that do not tell their boot have the file's, and what stood until a reset is
    /// over after a reboot.
    private static func adopt(
        _ memory: DeviceMemory, from old: String?, in bootID: String, _ policy: HealthPolicy
    ) -> DeviceMemory {
        var memory = memory
        for i in memory.latches.indices where memory.latches[i].bootID == nil { memory.latches[i].bootID = old }
        if old != bootID { memory.dropUntilReset(policy) }
        return memory
    }

    // MARK: What is there

    /// The devices of the host. What is known of one that left is kept for its return.
    package mutating func update(devices: [Device], at now: Int64) {
        let present = Set(devices.map(\.id))
        for (id, old) in evidence where !present.contains(id) {
            evidence[id] = nil
            if !old.memory.isEmpty, absent.count < Self.maximumEntries {
                absent[id] = HealthState.Entry(device: id, memory: old.memory)
            }
        }
        for device in devices {
            if evidence[device.id] != nil {
                evidence[device.id]?.device = device
                continue
            }
            let memory = absent.removeValue(forKey: device.id)?.memory ?? DeviceMemory()
            var new = DeviceEvidence(
                device: device, memory: memory, at: now, policy: policy, sampleSeconds: sampleSeconds)
            new.worker = workers[Source(device)] ?? WorkerEvidence()
            new.noticeBoot(bootID, at: now, policy: policy)
            evidence[device.id] = new
        }
        slots = [:]
        for device in devices { if let pci = device.pci { slots[PCISlot(pci), default: []].append(device.id) } }
        node.noticeBoot(bootID, at: now, policy: policy)
        let waiting = unmatched
        unmatched = []
        for fault in waiting {
            guard let row = row(of: fault) else { continue }
            let devices = matches(fault, row)
            if devices.isEmpty { unmatched.append(fault) } else { _ = count(fault, row, devices) }
        }
    }

    // MARK: What happens

    /// Counts a fault once. It is its device's, where one is named; else its PCI address matches a device by domain, bus and
    /// device (the function is ignored), and one without an address is every device's of its vendor; a link's and a
    /// switch's fault is that of every device it touches. A simulated record never touches a real device.
    package mutating func record(_ fault: Fault) -> FaultOutcome {
        guard let row = row(of: fault), row.faultClass != .none else { return .notDeviceFault }
        if let sequence = fault.sequence {
            guard sequences.insert(sequence) else { return .duplicate }
        }
        let devices = matches(fault, row)
        guard devices.isEmpty else {
            let changed = count(fault, row, devices)
            return changed.isEmpty ? .duplicate : .counted(changed)
        }
        if unmatched.count >= Self.maximumUnmatched { unmatched.removeFirst() }
        unmatched.append(fault)
        return .unmatched
    }

    /// A sample of one device: also the proof that its vendor's library answers.
    package mutating func record(_ sample: DeviceSample, for id: DeviceID, at now: Int64) {
        guard let known = evidence[id] else { return }
        let told = evidence[id]?.take(sample, at: now, policy: policy) ?? []
        for fault in told {
            guard let row = row(of: fault), row.faultClass != .none else { continue }
            _ = count(fault, row, [id])
        }
        setWorker(Source(known.device)) { $0.inARow = 0 }
        settle(id, at: now)
    }

    /// A vendor worker's count of missed deadlines, which starts at 0 with the agent. Whether it only grows or is set back
    /// by an answer: each growth is so many misses, and a smaller count is one since an answer.
    package mutating func record(missedDeadlines total: UInt64, vendor: Vendor, simulated: Bool, at now: Int64) {
        let limits = policy.collector
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
                    worker.bucket = LeakyBucket(weight: limits.weight, atMilliseconds: now)
                } else {
                    worker.bucket?.add(limits.weight, at: now, halfLifeSeconds: limits.halfLifeSeconds)
                }
            }
        }
    }

    /// How long a vendor's worker took for one answer.
    package mutating func record(answerMilliseconds: Double, vendor: Vendor, simulated: Bool, at now: Int64) {
        let policy = policy.collector
        setWorker(Source(vendor: vendor, simulated: simulated)) {
            $0.answered(milliseconds: answerMilliseconds, at: now, policy: policy)
        }
    }

    /// Takes off what holds a device's score down, at an operator's word; what still is so counts again at once.
    /// - Throws: `unknownDevice`; `badReason` for none or too long a one.
    package mutating func setHealthy(
        _ id: DeviceID, reason: String, actor: String, order: String? = nil, at now: Int64
    ) throws(HealthError) -> HealthClearing {
        let words = reason.unicodeScalars.filter { $0.properties.generalCategory != .control }
        guard !words.allSatisfy({ $0.properties.isWhitespace }), reason.utf8.count <= 500 else {
            throw HealthError(
                .badReason, "a reason of 1 to 500 bytes is needed: who looked at the device, and what was found")
        }
        guard var memory = evidence[id]?.memory ?? absent[id]?.memory else {
            throw HealthError(.unknownDevice, "no device \(id.uuid.prefix(128)) here")
        }
        let clearing = HealthClearing(
            atMilliseconds: now, device: id, actor: String(actor.prefix(128)),
            reason: String(String.UnicodeScalarView(words)), latches: memory.latches.map(\.detail),
            scoreBefore: evidence[id].flatMap { health(of: $0, at: now).score }, order: order)
        memory.latches = []
        memory.buckets = [:]
        memory.lastCodes = [:]
        memory.jobs = [:]
        memory.sightings = [:]
        memory.recovery = nil
        memory.slow.corrected.forgive()
        memory.slow.band = BandKeeper()
        memory.note(
            HealthRecord(
                atMilliseconds: now, kind: .person, code: "", detail: "\(clearing.actor): \(clearing.reason)"))
        if evidence[id] != nil { evidence[id]?.forgive(memory) } else { absent[id]?.memory = memory }
        clearings.append(clearing)
        clearings.removeFirst(max(0, clearings.count - HealthState.maximumClearings))
        return clearing
    }

    // MARK: What follows

    /// Scores at `now`, with the bands that hysteresis leaves them in; keeps the time that bands have lasted.
    package mutating func judge(at now: Int64) -> [DeviceID: DeviceHealth] {
        let peers = PeerComparison.compare(evidence, policy: policy, now: now)
        for id in Array(evidence.keys) {
            evidence[id]?.peers = peers[id] ?? PeerComparison()
            settle(id, at: now)
            guard let known = evidence[id] else { continue }
            evidence[id]?.followTemperature(policy)
            let score = health(of: known, at: now).score
            _ = evidence[id]?.memory.slow.band.advance(score: score, at: now, policy: policy.hysteresis)
        }
        settleNode(at: now)
        _ = node.memory.slow.band.advance(score: nodeFactors(at: now).score, at: now, policy: policy.hysteresis)
        return evaluate(at: now)
    }

    /// The same without keeping anything.
    package func evaluate(at now: Int64) -> [DeviceID: DeviceHealth] {
        evidence.mapValues { health(of: $0, at: now) }
    }

    /// The node's own faults, without those of its devices.
    package func nodeHealth(at now: Int64) -> DeviceHealth { nodeFactors(at: now) }

    /// What a workload may expect that takes the whole node: the worst of the node and its devices.
    package func wholeNodeScore(at now: Int64) -> Int? {
        let scores = evaluate(at: now).values.map(\.score) + [nodeFactors(at: now).score]
        return scores.contains(nil) ? (scores.contains(0) ? 0 : nil) : scores.compactMap(\.self).min()
    }

    /// What happened to a device, oldest first.
    package func history(of id: DeviceID) -> [HealthRecord] {
        evidence[id]?.memory.history ?? absent[id]?.memory.history ?? []
    }

    /// What to keep over a restart.
    package var state: HealthState {
        let present = evidence.map { HealthState.Entry(device: $0.key, memory: $0.value.memory) }
        let entries = (present + absent.values).filter { !$0.memory.isEmpty }.sorted { $0.device < $1.device }
        return HealthState(
            bootID: bootID, entries: Array(entries.prefix(Self.maximumEntries)), sequences: sequences.latest,
            node: node.memory, clearings: clearings)
    }

    // MARK: Parts

    private func health(of known: DeviceEvidence, at now: Int64) -> DeviceHealth {
        var result = HealthScorer.health(rules.flatMap { $0.findings(on: known, policy: policy, now: now) })
        var keeper = known.memory.slow.band
        result.band = keeper.advance(score: result.score, at: now, policy: policy.hysteresis)
        result.coverage = known.coverage(at: now)
        return result
    }

    private func nodeFactors(at now: Int64) -> DeviceHealth {
        var result = HealthScorer.health(HealthRules.ofNode.flatMap { $0.findings(on: node, policy: policy, now: now) })
        var keeper = node.memory.slow.band
        result.band = keeper.advance(score: result.score, at: now, policy: policy.hysteresis)
        return result
    }

    /// Devices that arrive later take theirs from here.
    mutating func shiftWorkers(by step: Int64) {
        for source in Array(workers.keys) { workers[source]?.clockWasSet(by: step) }
    }

    private mutating func setWorker(_ source: Source, _ change: (inout WorkerEvidence) -> Void) {
        var worker = workers[source] ?? WorkerEvidence()
        change(&worker)
        guard worker != workers[source] else { return }
        workers[source] = worker
        for (id, known) in evidence where Source(known.device) == source { evidence[id]?.worker = worker }
    }
}
