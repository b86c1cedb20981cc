import HCSAPI
import HCSModel

/// What of the inputs is worth an event.
extension ClusterState {
    /// An agent's process this young has not seen everything yet: what it lacks is not lost.
    package static let youngAgentMilliseconds: Int64 = 60_000
    /// Escapes that are told one by one in one report.
    private static let escapesTold = 32

    func isSimulated(_ key: DeviceKey) -> Bool {
        nodes[key.node]?.record.devices.first { $0.id == key.device }?.simulated ?? false
    }

    // MARK: Nodes

    mutating func noteChanges(in report: NodeReport, since before: NodeEntry?, now: Int64) {
        func event(_ kind: FleetEvent.Kind, _ severity: FleetEvent.Severity, _ message: String) -> FleetEvent {
            FleetEvent(atMilliseconds: now, kind: kind, severity: severity, node: report.node, message: message)
        }
        let wasUnreachable = known.unreachable.remove(report.node) != nil
        if let before {
            if before.record.bootID != report.bootID {
                emit(event(.nodeRebooted, .warning, "the host was booted again (boot \(report.bootID))"))
            }
            if wasUnreachable { emit(event(.nodeReady, .info, "it reports again")) }
        } else {
            emit(event(.nodeReady, .info, "it joined with \(report.devices.count) devices"))
        }
        let isYoung = report.sentMilliseconds - report.agentStartMilliseconds < Self.youngAgentMilliseconds
        let lastSeen = before?.report
        noteDevices(in: report, since: lastSeen, isYoung: isYoung, now: now)
        let old = Dictionary(
            (lastSeen?.devices ?? []).map { ($0.device.id, $0.health.score) }, uniquingKeysWith: { first, _ in first })
        for seen in report.devices where !(isYoung && seen.health.band == .unknown) {
            noteHealth(of: seen, on: report.node, oldScore: old[seen.device.id] ?? nil, now: now)
            noteFaults(of: seen, on: report.node, now: now)
        }
        noteEscapes(in: report, since: lastSeen, now: now)
    }

    /// Called with the ticks.
    mutating func noteSilence(monotonic: Int64, now: Int64) {
        for (name, entry) in nodes.sorted(by: { $0.key < $1.key }) where !known.unreachable.contains(name) {
            let silence = monotonic - (entry.lastHeard ?? openedAt)
            guard silence > Self.silenceLimitMilliseconds else { continue }
            known.unreachable.insert(name)
            emit(
                FleetEvent(
                    atMilliseconds: now, kind: .nodeUnreachable, severity: .critical, node: name,
                    message: "it has not reported for \(silence / 1000) s: no new work"))
        }
    }

    // MARK: Devices

    private mutating func noteDevices(in report: NodeReport, since last: NodeReport?, isYoung: Bool, now: Int64) {
        func event(_ kind: FleetEvent.Kind, _ device: DeviceID, _ message: String, simulated: Bool) -> FleetEvent {
            FleetEvent(
                atMilliseconds: now, kind: kind, severity: kind == .deviceLost ? .critical : .info, node: report.node,
                device: device, message: message, simulated: simulated)
        }
        for seen in report.devices {
            let key = DeviceKey(node: report.node, device: seen.device.id)
            if let blocked = seen.blocked {
                let wasOffered = last?.devices.first { $0.device.id == key.device }.map { $0.blocked == nil } ?? false
                guard wasOffered, known.devices.remove(key) != nil else { continue }
                emit(event(.deviceLost, key.device, blocked, simulated: seen.device.simulated))
            } else if known.devices.insert(key).inserted {
                emit(event(.deviceAppeared, key.device, seen.device.model, simulated: seen.device.simulated))
            }
        }
        guard !isYoung else { return }
        let present = Set(report.devices.map(\.device.id))
        for key in known.devices.filter({ $0.node == report.node && !present.contains($0.device) }).sorted() {
            known.devices.remove(key)
            let simulated = last?.devices.first { $0.device.id == key.device }?.device.simulated ?? false
            emit(event(.deviceLost, key.device, "its agent does not report it any more", simulated: simulated))
        }
    }

    private mutating func noteHealth(of seen: DeviceReport, on node: String, oldScore: Int?, now: Int64) {
        let key = DeviceKey(node: node, device: seen.device.id)
        let old = known.bands[key]
        let new = seen.health.band
        guard old != new else { return }
        known.bands[key] = new
        // The first word on a device is news only if it is bad.
        guard old != nil || !(new == .healthy || new == .unknown) else { return }
        let why = seen.health.reasons.first.map { ": \($0.detail)" } ?? ""
        let from = old.map { "\(oldScore.map { "\($0) " } ?? "")\($0.rawValue)" } ?? "not known"
        let to = "\(seen.health.score.map { "\($0) " } ?? "")\(new.rawValue)"
        let severity: FleetEvent.Severity =
            new == .failed ? .critical : new.concern > (old ?? .healthy).concern ? .warning : .info
        emit(
            FleetEvent(
                atMilliseconds: now, kind: .deviceHealth, severity: severity, node: node, device: key.device,
                message: "\(from) -> \(to)\(why)", simulated: seen.device.simulated,
                health: .init(
                    oldScore: oldScore, oldBand: old, newScore: seen.health.score, newBand: new,
                    reasons: seen.health.reasons)))
    }

    /// Hard faults: what brings a score to 0 by itself.
    private mutating func noteFaults(of seen: DeviceReport, on node: String, now: Int64) {
        let key = DeviceKey(node: node, device: seen.device.id)
        let hard = seen.health.reasons.filter { $0.penalty >= 1 }
        let present = Dictionary(hard.map { (FleetKnowledge.Fault($0), $0) }, uniquingKeysWith: { first, _ in first })
        let before = known.faults[key] ?? [:]
        guard Set(present.keys) != Set(before.keys) else { return }
        known.faults[key] = present.isEmpty ? nil : present
        func tell(_ kind: FleetEvent.Kind, _ severity: FleetEvent.Severity, _ faults: [HealthReason]) {
            for fault in faults.sorted(by: { ($0.factor, $0.sinceMilliseconds) < ($1.factor, $1.sinceMilliseconds) }) {
                emit(
                    FleetEvent(
                        atMilliseconds: now, kind: kind, severity: severity, node: node, device: key.device,
                        message: fault.detail, simulated: seen.device.simulated, fault: fault))
            }
        }
        tell(.faultLatched, .critical, present.filter { before[$0.key] == nil }.map(\.value))
        tell(.faultCleared, .info, before.filter { present[$0.key] == nil }.map(\.value))
    }

    // MARK: Escapes

    private mutating func noteEscapes(in report: NodeReport, since last: NodeReport?, now: Int64) {
        guard let escapes = report.escapes else { return }
        /// Without its size, which changes all the time.
        func identity(_ escape: Escape) -> Escape {
            var escape = escape
            escape.bytes = .zero
            escape.commandLine = nil
            return escape
        }
        let old = Set((last?.escapes ?? []).map(identity))
        let new = Set(escapes.map(identity))
        tell(.escapeStarted, .warning, escapes.filter { !old.contains(identity($0)) }, node: report.node, now: now)
        tell(
            .escapeEnded, .info, (last?.escapes ?? []).filter { !new.contains(identity($0)) }, node: report.node,
            now: now)
    }

    private mutating func tell(
        _ kind: FleetEvent.Kind, _ severity: FleetEvent.Severity, _ escapes: [Escape], node: String, now: Int64
    ) {
        for escape in escapes.prefix(Self.escapesTold) {
            let who = escape.pid.map { "process \($0)" } ?? "an unknown process"
            let what = escape.commandLine.map { " (\($0))" } ?? ""
            emit(
                FleetEvent(
                    atMilliseconds: now, kind: kind, severity: severity, node: node, device: escape.device,
                    workload: escape.workload, message: "\(escape.kind.rawValue), \(escape.bytes), \(who)\(what)",
                    simulated: isSimulated(DeviceKey(node: node, device: escape.device))))
        }
        guard escapes.count > Self.escapesTold else { return }
        emit(
            FleetEvent(
                atMilliseconds: now, kind: kind, severity: severity, node: node,
                message: "and \(escapes.count - Self.escapesTold) more: see `escapes` of the node"))
    }

    // MARK: Workloads

    /// Phase, attempt and place; a waiting one's changing reasons are not told.
    mutating func noteTransition(from old: WorkloadRecord?, to new: WorkloadRecord) {
        guard old?.phase != new.phase || old?.attempt != new.attempt || old?.node != new.node else { return }
        if let decision = Decision(from: old, to: new) { decisions[decision, default: 0] += 1 }
        if new.phase.hasEnded, old?.phase.hasEnded != true { ended[new.phase, default: 0] += 1 }
        let grant = new.grants.first ?? old?.grants.first
        let node = new.node ?? old?.node
        let key = node.flatMap { node in grant.map { DeviceKey(node: node, device: $0.device) } }
        let isBad = new.phase == .failed || new.events.last?.kind == .deviceFault
        emit(
            FleetEvent(
                atMilliseconds: new.updatedMilliseconds, kind: .workload, severity: isBad ? .warning : .info,
                node: node, device: grant?.device, workload: new.id,
                message: "\(new.spec.name) \(new.phase.rawValue): \(new.message)",
                simulated: key.map(isSimulated) ?? false))
    }
}

extension HealthBand {
    /// How much it should worry; unknown gets no work either.
    fileprivate var concern: Int {
        switch self {
        case .healthy: 0
        case .degraded: 1
        case .unknown: 2
        case .suspect: 3
        case .failed: 4
        }
    }
}
