import HCSModel

/// One telling of a fault, with what it is worth.
struct Telling {
    var row: FaultCatalogue.Row
    /// As it was told: the number, even where the catalogue knows only the family.
    var code: FaultCode
    var number: UInt32
    private let told: Told
    var text: String
    var source: String
    var job: String?
    var atMilliseconds: Int64
    var bootID: String

    private enum Told {
        case fault(Fault)
        case host(HostFault)
    }

    init(_ fault: Fault, _ row: FaultCatalogue.Row, job: String?, bootID: String) {
        self.row = row
        code = FaultCode(fault)
        number = fault.code
        text = fault.record
        source = fault.source
        self.job = job
        atMilliseconds = fault.atMilliseconds
        self.bootID = bootID
        told = .fault(fault)
    }

    init(_ fault: HostFault, _ row: FaultCatalogue.Row, bootID: String) {
        self.row = row
        code = fault.code
        // Latches are told apart by family and number.
        number = UInt32(HostFault.Severity.allCases.firstIndex(of: fault.severity) ?? 0)
        text = fault.message
        source = fault.source
        atMilliseconds = fault.atMilliseconds
        self.bootID = bootID
        told = .host(fault)
    }

    /// Made where it is asked for: most tellings of a storm were counted before.
    var detail: String {
        switch told {
        case .fault(let fault):
            let isNumbered = row.code.code != FaultCode.any || fault.code != 0
            let what = isNumbered ? "\(fault.family == "xid" ? "Xid" : fault.family) \(code.code)" : row.name
            let words = fault.message.isEmpty && isNumbered ? row.name : String(fault.message.prefix(120))
            return what + (words.isEmpty ? "" : ": \(words)") + (fault.simulated ? " (simulated)" : "")
        case .host(let fault):
            return row.name + (fault.message.isEmpty ? "" : ": \(fault.message.prefix(120))")
                + (fault.simulated ? " (simulated)" : "")
        }
    }

    /// One that does not say whose program it was tells of any that was told.
    var key: String {
        row.faultClass == .application ? job.map { "\(row.code) \($0)" } ?? row.code.description : row.code.description
    }

    var last: DeviceMemory.LastCode {
        DeviceMemory.LastCode(
            code: code.description, detail: detail, source: source, advice: row.advice, authority: row.source)
    }
}

extension DeviceEvidence {
    /// Counts one telling. False: the same fault was counted before.
    mutating func count(_ telling: Telling, policy: HealthPolicy, sets: [Int]) -> Bool {
        let now = telling.atMilliseconds
        guard
            duplicates.admit(
                telling.key, also: telling.row.code.description, sets: sets, faultClass: telling.row.faultClass,
                at: now,
                windowSeconds: policy.duplicates.windowSeconds)
        else {
            if telling.row.faultClass >= .held { memory.latchAgain(telling) }
            return false
        }
        switch telling.row.faultClass {
        case .none, .decode: return false
        case .recoveryAction: setRecovery(telling)
        case .application: countJob(telling, policy)
        case .soft:
            if let group = policy.groups[telling.row.group] {
                memory.fall(into: telling.row.group, group, at: now, last: telling.last)
                note(.fault, telling)
            }
        case .held, .hard: memory.latch(latchOf(telling, repair: repair(telling, policy)), repeated: true)
        }
        escalate(telling, policy)
        return true
    }

    private mutating func note(_ kind: HealthRecord.Kind, _ telling: Telling) {
        memory.note(
            HealthRecord(
                atMilliseconds: telling.atMilliseconds, kind: kind, code: telling.code.description,
                detail: telling.detail))
    }

    private mutating func setRecovery(_ telling: Telling) {
        guard let action = FaultText.recoveryAction(in: telling.text) ?? FaultText.recoveryAction(in: telling.detail)
        else { return }
        memory.recovery =
            action == 0
            ? nil
            : DeviceMemory.Recovery(
                action: action, sinceMilliseconds: telling.atMilliseconds, source: telling.source)
        note(.fault, telling)
    }

    /// A program's fault counts when it has hit the device in several jobs.
    private mutating func countJob(_ telling: Telling, _ policy: HealthPolicy) {
        guard let group = policy.groups[telling.row.group] else { return }
        let now = telling.atMilliseconds
        let needed = group.minimumJobs ?? 1
        var jobs = (memory.jobs[telling.row.group] ?? []).filter { job in
            let (age, overflow) = now.subtractingReportingOverflow(job.atMilliseconds)
            return !overflow && age <= (group.jobWindowSeconds ?? 86_400) * 1000
        }
        let before = jobs.count
        // The library's word came first, and now the line with the process: one fault.
        let isNamed =
            telling.job != nil
            && jobs.contains {
                let (age, overflow) = now.subtractingReportingOverflow($0.atMilliseconds)
                return $0.name.isEmpty && !overflow && age.magnitude < UInt64(policy.duplicates.windowSeconds) * 1000
            }
        // One that names no job is taken for one of those that are known.
        if let name = telling.job ?? (jobs.isEmpty ? "" : nil) {
            jobs.removeAll { $0.name == name || $0.name.isEmpty }
            jobs.append(DeviceMemory.Job(name: name, atMilliseconds: now))
            jobs.removeFirst(max(0, jobs.count - DeviceMemory.maximumJobs))
        }
        memory.jobs[telling.row.group] = jobs
        guard jobs.count >= needed, !(isNamed && before >= needed) else { return }
        for _ in 0..<(before < needed ? jobs.count : 1) {
            memory.fall(into: telling.row.group, group, at: now, last: telling.last)
        }
        note(.fault, telling)
    }

    private func repair(_ telling: Telling, _ policy: HealthPolicy) -> HealthLatch.Repair {
        if telling.row.faultClass == .held { return .process }
        let own = (telling.row.advice ?? .reset).repair
        return isSecond(telling, policy) ? .person : own
    }

    /// Whether a hard fault of this family was there before: one that is over, or another code outside the burst.
    private func isSecond(_ telling: Telling, _ policy: HealthPolicy) -> Bool {
        let now = telling.atMilliseconds
        return memory.history.contains { record in
            guard record.kind == .latched, let code = FaultCode(record.code), code.vendor == telling.code.vendor,
                code.family == telling.code.family
            else { return false }
            let (age, overflow) = now.subtractingReportingOverflow(record.atMilliseconds)
            guard !overflow, age >= policy.duplicates.windowSeconds * 1000,
                age <= policy.latches.operatorWindowSeconds * 1000
            else { return false }
            return !memory.latches.contains { $0.factor == telling.code.family && $0.code == telling.number }
        }
    }

    private func latchOf(_ telling: Telling, repair: HealthLatch.Repair) -> HealthLatch {
        var latch = HealthLatch(
            factor: telling.code.family, code: telling.number, detail: telling.detail, source: telling.source,
            atMilliseconds: telling.atMilliseconds)
        latch.fault = telling.code.description
        latch.advice = telling.row.advice
        latch.authority = telling.row.source
        latch.repair = repair
        latch.bootID = telling.bootID
        if repair == .process { latch.holders = sample?.processes.prefix(64).map(\.pid) ?? [] }
        return latch
    }

    /// So many of one code in a window are for a person.
    private mutating func escalate(_ telling: Telling, _ policy: HealthPolicy) {
        let name = telling.row.code.description
        for rule in policy.escalations where rule.codes.contains(name) {
            let now = telling.atMilliseconds
            var times = (memory.sightings[name] ?? []).filter { at in
                let (age, overflow) = now.subtractingReportingOverflow(at)
                return !overflow && age < rule.windowSeconds * 1000
            }
            times.append(now)
            times.removeFirst(max(0, times.count - DeviceMemory.maximumCodes))
            memory.sightings[name] = times
            guard times.count >= rule.count else { continue }
            var latch = latchOf(telling, repair: .person)
            latch.detail += " (\(times.count) times in \(rule.windowSeconds / 3600) h)"
            latch.advice = .service
            latch.authority = rule.source
            memory.latch(latch, repeated: true)
        }
    }
}

extension DeviceMemory {
    /// A burst of a fault that is latched: it goes on.
    fileprivate mutating func latchAgain(_ telling: Telling) {
        guard let i = latches.firstIndex(where: { $0.factor == telling.code.family && $0.code == telling.number })
        else { return }
        latches[i].lastMilliseconds = max(latches[i].lastMilliseconds, telling.atMilliseconds)
        latches[i].count = latches[i].count == .max ? .max : latches[i].count + 1
        latches[i].bootID = telling.bootID
        latches[i].repairedMilliseconds = nil
    }
}
