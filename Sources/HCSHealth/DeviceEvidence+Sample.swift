import HCSModel

extension DeviceEvidence {
    /// Takes a sample in. Returns the faults that it tells of: codes that were not there before, counters that grew.
    mutating func take(_ new: DeviceSample, at now: Int64, policy: HealthPolicy) -> [Fault] {
        let before = sample
        let elapsed = sampledMilliseconds.map { now.subtractingReportingOverflow($0) }
        let seconds = elapsed.flatMap { $0.overflow || $0.partialValue <= 0 ? nil : Double($0.partialValue) / 1000 }
        if new.vendorHealth != before?.vendorHealth || vendorHealthSinceMilliseconds == nil {
            vendorHealthSinceMilliseconds = now
        }
        let warn = policy.temperature[device.vendor.rawValue]?.warn ?? .infinity
        warmSinceMilliseconds = (new.temperatureCelsius ?? -.infinity) > warn ? warmSinceMilliseconds ?? now : nil
        sample = new
        sampledMilliseconds = now
        presence.mark(now)
        if new.vendorHealth == .lost {
            takeLost(at: now, policy)
            return []
        }
        noticeReset(new, at: now, policy)
        watchThrottle(new, at: now, policy)
        watchLink(new, at: now, policy)
        let corrected = growth(of: .eccCorrected, .eccCorrectedVolatile, in: new)
        memory.slow.corrected.add(corrected ?? 0, at: now, policy: policy.correctableErrors)
        if let new = growth(of: .pcieReplays, in: new) {
            replays.add(new, at: now, halfLifeSeconds: policy.pcieReplay.level.halfLifeSeconds)
        }
        watchLinks(new, seconds: seconds, at: now, policy)
        watchMemory(new, at: now, policy)
        takeRecovery(new, at: now)
        return newCodes(new, at: now) + uncorrected(new, at: now)
    }

    /// Of the samples that were due in the window, the share that came; nil while none was due.
    func coverage(at now: Int64) -> Double? {
        let (marked, slots) = presence.count(at: now, since: arrivedMilliseconds)
        return slots > 0 ? Double(marked) / Double(slots) : nil
    }

    // MARK: Counters

    private func total(_ signal: Signal, in sample: DeviceSample) -> Double? {
        if let bare = sample.signals[signal] { return bare }
        let parts = sample.signals.all(signal).map(\.value)
        return parts.isEmpty ? nil : parts.reduce(0, +)
    }

    /// How much the first of the counters that is there grew since it was read last, over a restart of the agent too. One that
    /// fell began anew.
    private mutating func growth(of signals: Signal..., in sample: DeviceSample) -> Double? {
        for signal in signals {
            guard let value = total(signal, in: sample) else { continue }
            let before = memory.slow.counters.updateValue(value, forKey: signal.rawValue)
            guard let before else { return nil }
            return value >= before ? value - before : value
        }
        return nil
    }

    private mutating func uncorrected(_ new: DeviceSample, at now: Int64) -> [Fault] {
        var faults: [Fault] = []
        if let errors = growth(of: .eccUncorrected, .eccUncorrectedVolatile, in: new), errors > 0 {
            let places = new.signals.all(.eccUncorrectedVolatile).filter { $0.value > 0 }.compactMap(\.instance)
            faults.append(
                fault(
                    "ecc-counter", 0,
                    "\(Self.text(errors)) more" + (places.isEmpty ? "" : " (\(places.joined(separator: ", ")))"),
                    at: now))
        }
        if new.signals[.rowRemapFailed] == 1, memory.slow.counters.updateValue(1, forKey: "rowRemapFailed") != 1 {
            faults.append(fault("remap-failed", 0, "", at: now))
        }
        if new.signals[.rowRemapFailed] == 0 { memory.slow.counters["rowRemapFailed"] = nil }
        return faults
    }

    static func text(_ value: Double) -> String {
        value.isFinite && abs(value) < 1e15 ? String(Int64(value.rounded())) : "\(value)"
    }

    private func fault(_ family: String, _ code: UInt32, _ message: String, at now: Int64) -> Fault {
        Fault(
            family: family, code: code, vendor: device.vendor, pci: device.pci, message: message, sequence: nil,
            atMilliseconds: now, simulated: device.simulated, source: "vendor-library")
    }

    /// Energy and volatile error counters begin anew with a reset or a load of the driver.
    private mutating func noticeReset(_ new: DeviceSample, at now: Int64, _ policy: HealthPolicy) {
        var isReset = false
        if let energy = new.signals[.energy] {
            let before = memory.slow.counters.updateValue(energy, forKey: Signal.energy.rawValue)
            if let before, energy < before / 2 { isReset = true }
        }
        for signal in [Signal.eccCorrectedVolatile, .eccUncorrectedVolatile] {
            guard let value = total(signal, in: new) else { continue }
            let key = "reset " + signal.rawValue
            let before = memory.slow.counters.updateValue(value, forKey: key)
            if let before, value < before { isReset = true }
        }
        if isReset { repaired(by: .reset, at: now, policy: policy) }
    }

    // MARK: Codes of the vendor's health call

    private mutating func newCodes(_ new: DeviceSample, at now: Int64) -> [Fault] {
        let codes = new.faultCodes.prefix(DeviceMemory.maximumCodes).compactMap(family)
        let names = codes.map { "\($0.family)/\($0.code)" }
        let fresh = zip(codes, names).filter { !memory.present.contains($0.1) }.map(\.0)
        memory.present = Array(Set(names)).sorted()
        return fresh.map { fault($0.family, $0.code, "", at: now) }
    }

    /// CNDEV tells Xids above the incident codes of its health call.
    private func family(_ code: UInt64) -> (family: String, code: UInt32)? {
        switch device.vendor {
        case .ascend: UInt32(exactly: code).map { ("dcmi-code", $0) }
        case .cambricon:
            code >> 32 == 1
                ? ("cnrm-xid", UInt32(truncatingIfNeeded: code)) : UInt32(exactly: code).map { ("cndev-code", $0) }
        default: nil
        }
    }

    // MARK: Verdicts

    private mutating func takeLost(at now: Int64, _ policy: HealthPolicy) {
        guard let verdict = policy.vendorHealth["lost"], verdict.latched else { return }
        var latch = HealthLatch(
            factor: "vendor-health", code: 0,
            detail: "\(device.vendor.displayName)'s own health call says lost", source: "vendor-library",
            atMilliseconds: now)
        latch.advice = verdict.advice
        latch.authority = verdict.source
        latch.repair = verdict.advice?.repair ?? .reboot
        memory.latch(latch, repeated: false)
        if let i = memory.latches.firstIndex(where: { $0.factor == "vendor-health" }) {
            memory.latches[i].lastMilliseconds = max(memory.latches[i].lastMilliseconds, now)
        }
    }

    private mutating func takeRecovery(_ new: DeviceSample, at now: Int64) {
        guard let value = new.signals[.recoveryAction], let action = Int(exactly: value.rounded()) else { return }
        guard action != memory.recovery?.action else { return }
        memory.recovery =
            action <= 0
            ? nil : DeviceMemory.Recovery(action: action, sinceMilliseconds: now, source: "vendor-library")
    }

    // MARK: Live watches

    private mutating func watchThrottle(_ new: DeviceSample, at now: Int64, _ policy: HealthPolicy) {
        let causes = new.signals.all(.throttle)
        guard !causes.isEmpty else { return }
        throttleSeen.mark(now)
        if causes.contains(where: { $0.value == 1 && policy.throttle.causes.contains($0.instance ?? "") }) {
            throttled.mark(now)
        }
    }

    private mutating func watchLink(_ new: DeviceSample, at now: Int64, _ policy: HealthPolicy) {
        let isBusy = (new.utilizationPercent ?? 0) > policy.pcieLink.minimumUtilization
        narrowSinceMilliseconds = isBusy && Self.isNarrow(new) ? narrowSinceMilliseconds ?? now : nil
    }

    /// Memory that a driver did not give back when its process ended. A library that never listed a process may not be able
    /// to, and one that is stuck holds what it had.
    private mutating func watchMemory(_ new: DeviceSample, at now: Int64, _ policy: HealthPolicy) {
        hasListedProcesses = hasListedProcesses || !new.processes.isEmpty
        let limits = policy.processes
        let abandoned =
            hasListedProcesses && new.processes.isEmpty && holders.isEmpty && stuck.isEmpty
            && (new.memoryUsed ?? .zero) >= limits.abandonedMemory(of: device.memory)
        abandonedSinceMilliseconds = abandoned ? abandonedSinceMilliseconds ?? now : nil
    }

    static func isNarrow(_ sample: DeviceSample) -> Bool {
        func isBelow(_ now: Signal, _ maximum: Signal) -> Bool {
            guard let value = sample.signals[now], let best = sample.signals[maximum] else { return false }
            return value < best
        }
        return isBelow(.pcieWidth, .pcieWidthMaximum) || isBelow(.pcieGeneration, .pcieGenerationMaximum)
    }

    /// Links between devices: errors by kind and rate, lanes that go down and come back.
    private mutating func watchLinks(_ new: DeviceSample, seconds: Double?, at now: Int64, _ policy: HealthPolicy) {
        for (lane, value) in new.signals.all(.linkUp) {
            let name = lane ?? "0"
            let wasUp = memory.slow.counters.updateValue(value, forKey: "up \(name)")
            if value == 0, wasUp == 1 { downLinks[name] = now }
            // A lane that came back was a fault that is over.
            if value == 1, downLinks.removeValue(forKey: name) != nil {
                linkFault("link \(name) went down and came back", at: now, policy)
            }
        }
        let errors = new.signals.all(.linkErrors)
        for (part, value) in errors {
            let name = part ?? ""
            let before = memory.slow.counters.updateValue(value, forKey: "errors \(name)")
            guard let before, value > before, let seconds else { continue }
            let pieces = name.split(separator: "/")
            // NVML tells a lane's sum beside its kinds.
            if pieces.count == 1, errors.contains(where: { $0.instance?.hasPrefix("\(name)/") == true }) { continue }
            let limit = pieces.count == 2 ? policy.links.perSecond[String(pieces[1])] : nil
            let rate = (value - before) / seconds
            guard limit.map({ rate >= $0 }) ?? true else { continue }
            linkFault("\(Self.text(value - before)) errors on link \(name)", at: now, policy)
        }
    }

    private mutating func linkFault(_ detail: String, at now: Int64, _ policy: HealthPolicy) {
        let name = "link-fault"
        guard let group = policy.groups[name],
            duplicates.admit(
                "links", sets: [], faultClass: .soft, at: now, windowSeconds: policy.duplicates.windowSeconds)
        else { return }
        let last = DeviceMemory.LastCode(
            code: "", detail: detail, source: "vendor-library", advice: nil, authority: policy.links.source)
        memory.fall(into: name, group, at: now, last: last)
        memory.note(HealthRecord(atMilliseconds: now, kind: .fault, code: "", detail: detail))
    }
}
