import HCSModel

extension HealthAnalyzer {
    /// What the fault is worth: catalogue and policy, and for some the message itself. Nil: a code that nobody knows.
    func row(of fault: Fault) -> FaultCatalogue.Row? {
        guard var row = policy.row(FaultCode(fault), in: catalogue) else { return nil }
        if row.faultClass == .decode {
            row.faultClass = FaultText.isFatal(fault.record) || FaultText.isFatal(fault.message) ? .hard : .soft
        }
        return row
    }

    /// The devices that a fault touches.
    func matches(_ fault: Fault, _ row: FaultCatalogue.Row) -> [DeviceID] {
        func isMeant(_ device: Device) -> Bool {
            device.vendor == fault.vendor && (!fault.simulated || device.simulated)
        }
        if let id = fault.device { return evidence[id].map { isMeant($0.device) } == true ? [id] : [] }
        if let address = fault.pci, !Self.isSwitchFamily(fault.family) {
            var found = devices(at: address).filter(isMeant)
            let ends =
                fault.also + (row.group == "link-fault" || Self.isLinkCode(row.code) ? farEnds(of: found, fault) : [])
            for end in ends {
                found += devices(at: end).filter { device in
                    isMeant(device) && !found.contains { $0.id == device.id }
                }
            }
            return found.map(\.id).sorted()
        }
        // A switch is no device; what it does is felt by all that hang on it.
        let isOfSwitch = Self.isSwitchFamily(fault.family)
        return evidence.values.filter { isMeant($0.device) && (!isOfSwitch || $0.hasLinks) }.map(\.device.id).sorted()
    }

    private func devices(at address: PCIAddress) -> [Device] {
        (slots[PCISlot(address)] ?? []).compactMap { evidence[$0]?.device }
    }

    private static func isSwitchFamily(_ family: String) -> Bool { family == "sxid" || family == "hydcu-sxid" }

    /// NVIDIA's own links: Xid 74 and, from NVLink 5 on, 144 to 150.
    private static func isLinkCode(_ code: FaultCode) -> Bool {
        code.vendor == "nvidia" && code.family == "xid" && ["74", "137", "155"].contains(code.code)
    }

    private func farEnds(of found: [Device], _ fault: Fault) -> [PCIAddress] {
        guard let lane = FaultText.lane(in: fault.message) ?? FaultText.lane(in: fault.record) else { return [] }
        return found.flatMap { device in
            device.details.links.filter { $0.lane == lane }.compactMap(\.peerAddress)
        }
    }

    /// The devices for which it was no duplicate.
    mutating func count(_ fault: Fault, _ row: FaultCatalogue.Row, _ devices: [DeviceID]) -> [DeviceID] {
        let job = fault.job ?? fault.pid.map { "pid \($0)" }
        let telling = Telling(fault, row, job: job, bootID: bootID)
        let sets = sets(of: row.code)
        return devices.filter { evidence[$0]?.count(telling, policy: policy, sets: sets) == true }
    }

    private func sets(of code: FaultCode) -> [Int] {
        (sameFault[code.description] ?? [])
            + (code.code == FaultCode.any ? [] : sameFault[code.wildcard.description] ?? [])
    }

    /// What a probe of the host saw. Returns the devices it concerns; none: it is the node's, or nobody's.
    package mutating func record(_ fault: HostFault) -> FaultOutcome {
        switch fault.kind {
        case .stuckCall, .holderFound, .holderGone: return recordProcess(fault)
        case .pcieError: return recordDevices(fault)
        case .thermalTrip where !fault.devices.isEmpty: return recordDevices(fault)
        case .fabricManager: return recordFabricManager(fault)
        case .fabricPort: return recordFabricPort(fault)
        case .thermalTrip, .machineCheck, .memoryError, .firmwareRecord, .outOfMemoryKill, .kernelOops, .hungTask,
            .diskError:
            return recordNode(fault)
        }
    }

    private mutating func recordFabricManager(_ fault: HostFault) -> FaultOutcome {
        guard !fault.simulated else { return .notDeviceFault }
        let isDown = fault.severity != .corrected
        guard isDown != (node.fabricManagerDown != nil) else { return .duplicate }
        node.fabricManagerDown =
            isDown ? .init(sinceMilliseconds: fault.atMilliseconds, source: fault.source, detail: fault.message) : nil
        return .counted([])
    }

    /// Down for as long as it is; each return is a fault of its own.
    private mutating func recordFabricPort(_ fault: HostFault) -> FaultOutcome {
        guard !fault.simulated, let port = fault.subject else { return .notDeviceFault }
        guard fault.severity == .corrected else {
            guard node.downPorts[port] == nil, node.downPorts.count < DeviceEvidence.maximumPorts else {
                return .duplicate
            }
            node.downPorts[port] = .init(
                sinceMilliseconds: fault.atMilliseconds, source: fault.source, detail: fault.message)
            return .counted([])
        }
        let wasDown = node.downPorts.removeValue(forKey: port) != nil
        let flap = recordNode(fault)
        return wasDown ? .counted([]) : flap
    }

    /// Of the devices that are named; where none of them is known here, of those that the process holds.
    private mutating func recordProcess(_ fault: HostFault) -> FaultOutcome {
        guard let pid = fault.pid else { return .notDeviceFault }
        let candidates = evidence.values.filter { !fault.simulated || $0.device.simulated }
        let named = candidates.filter { known in fault.devices.contains { known.device.isAt($0) } }
        let held = candidates.filter { known in
            known.sample?.processes.contains { $0.pid == pid } == true || known.holders.contains(pid)
                || known.stuck.contains { $0.pid == pid }
        }
        let meant = (named.isEmpty ? held : named).map(\.device.id).sorted()
        guard !meant.isEmpty else { return .unmatched }
        for id in meant {
            switch fault.kind {
            case .holderFound: evidence[id]?.holds(pid)
            case .stuckCall: evidence[id]?.isStuck(pid, fault)
            default: evidence[id]?.letGo(pid)
            }
        }
        return fault.kind == .holderFound ? .notDeviceFault : .counted(meant)
    }

    private mutating func recordDevices(_ fault: HostFault) -> FaultOutcome {
        guard let row = policy.row(fault.code, in: catalogue) else { return .notDeviceFault }
        let touched = evidence.values.filter { known in
            (!fault.simulated || known.device.simulated) && fault.devices.contains { known.device.isAt($0) }
        }.map(\.device.id).sorted()
        guard !touched.isEmpty else { return .unmatched }
        let telling = Telling(fault, row, bootID: bootID)
        let changed = touched.filter { id in
            if fault.kind == .pcieError, fault.severity == .corrected {
                return evidence[id]?.countCorrected(fault, policy.pcieErrors.level) == true
            }
            return evidence[id]?.count(telling, policy: policy, sets: []) == true
        }
        return changed.isEmpty ? .duplicate : .counted(changed)
    }

    private mutating func recordNode(_ fault: HostFault) -> FaultOutcome {
        guard !fault.simulated, let row = policy.row(fault.code, in: catalogue), row.faultClass != .none else {
            return .notDeviceFault
        }
        if let sequence = fault.sequence {
            guard sequences.insert(sequence) else { return .duplicate }
        }
        return node.count(Telling(fault, row, bootID: bootID), policy: policy, sets: []) ? .counted([]) : .duplicate
    }
}

extension Device {
    fileprivate func isAt(_ address: PCIAddress) -> Bool {
        pci.map { HealthAnalyzer.PCISlot($0) } == HealthAnalyzer.PCISlot(address)
    }
}

extension DeviceEvidence {
    fileprivate var hasLinks: Bool {
        !device.details.links.isEmpty || sample?.signals.all(.linkUp).isEmpty == false
    }

    /// Whether the penalty moved by a point: a storm of corrected errors is no storm of news.
    fileprivate mutating func countCorrected(_ fault: HostFault, _ level: HealthPolicy.Level) -> Bool {
        let now = fault.atMilliseconds
        func penalty() -> Double {
            level.measure(pcieErrors.worst.level(at: now, halfLifeSeconds: level.halfLifeSeconds), unit: "").penalty
        }
        let before = penalty()
        pcieErrors.add(
            Double(min(fault.count, 1 << 40)), at: now, halfLifeSeconds: level.halfLifeSeconds, warn: level.warn)
        return penalty() - before >= 0.01
    }

    fileprivate mutating func holds(_ pid: Int32) {
        if holders.count < Self.maximumHolders { holders.insert(pid) }
    }

    fileprivate mutating func letGo(_ pid: Int32) {
        holders.remove(pid)
        stuck.removeAll { $0.pid == pid }
    }

    fileprivate mutating func isStuck(_ pid: Int32, _ fault: HostFault) {
        let before = stuck.first { $0.pid == pid }
        stuck.removeAll { $0.pid == pid }
        guard stuck.count < Self.maximumStuck else { return }
        let seconds = fault.seconds.flatMap { $0.isFinite ? min(31_536_000, max(0, $0)) : nil } ?? 0
        let since = fault.atMilliseconds.subtractingReportingOverflow(Int64(seconds * 1000)).partialValue
        stuck.append(
            StuckProcess(
                pid: pid, sinceMilliseconds: min(since, before?.sinceMilliseconds ?? since),
                seenMilliseconds: fault.atMilliseconds, source: fault.source))
    }
}
