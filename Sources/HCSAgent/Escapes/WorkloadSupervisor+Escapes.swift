import Glibc
import HCSAPI
package import HCSModel
import HCSSystem
import Logging

extension WorkloadSupervisor {
    /// Between SIGTERM and SIGKILL where no workload's own grace says otherwise.
    static let escapeGraceMilliseconds: Int64 = 10_000
    private static let shownCommandLine = 256
    private static let ancestors = 64

    /// A process that was asked to end, for what it is an escape.
    struct Ending {
        var signalledAt: Int64
        var grace: Int64
    }

    /// Compares a sweep's samples with the segments, tells what began and acts by the policy.
    package func inspect(samples: [DeviceID: DeviceSample]) -> (current: [Escape], totals: [EscapeCount]) {
        guard settings.escapePolicy != .ignore else {
            _ = quotas.takeLimitChanges()
            return ([], [])
        }
        for id in quotas.ids { look(at: id) }
        // A device that is given no work (a real one under --simulate) is none of ours.
        let managed = samples.filter { devices[$0.key].map { $0.blocked == nil } ?? false }
        let changes = quotas.takeLimitChanges()
        let begun = escapes.record(
            sightings(managed), of: Set(managed.keys), limitChanges: changes, at: RealtimeClock.nowMilliseconds())
        shares.turn()
        for escape in begun { logger.warning("escape: \(Self.text(escape))") }
        let current = escapes.current
        act(on: current, MonotonicClock.nowMilliseconds())
        return (current, escapes.totals)
    }

    /// Reads a segment and remembers what it says of each process.
    @discardableResult
    func look(at id: WorkloadID) -> QuotaManager.Reading {
        let reading = quotas.observe(id)
        shares.note(reading.slots, of: id, on: reading.usage.map(\.device))
        remember(reading.slots, of: id)
        return reading
    }

    // MARK: Seeing

    private func sightings(_ samples: [DeviceID: DeviceSample]) -> [EscapeDetector.Sighting] {
        let procfs = Procfs()
        let own = procfs.pidNamespace()
        var result: [EscapeDetector.Sighting] = []
        for (device, sample) in samples {
            for process in sample.processes {
                // A pid that is not here has ended, or is of a namespace that we do not see: nothing can be said of it.
                guard process.memory > .zero, let stat = try? procfs.stat(of: process.pid), !isOwn(stat) else {
                    continue
                }
                var sighting = EscapeDetector.Sighting(
                    device: device, simulated: devices[device]?.device.simulated ?? false, pid: process.pid,
                    startTime: stat.startTime, driverBytes: process.memory)
                sighting.claim = claim(of: stat, on: device, procfs, own)
                if sighting.surplus != nil {
                    sighting.uid = try? procfs.uid(of: process.pid)
                    sighting.commandLine = Self.shown((try? procfs.commandLine(of: process.pid)) ?? [stat.name])
                    sighting.workload = workload(around: stat, procfs)
                }
                result.append(sighting)
            }
        }
        return result
    }

    /// The agent, and its vendor workers: a vendor's library may take a context of its own. Workloads are below it too.
    private func isOwn(_ stat: ProcessStat) -> Bool {
        if stat.pid == getpid() { return true }
        guard stat.parent == getpid(), let program = try? SmallFile.link("/proc/\(stat.pid)/exe") else { return false }
        return program.split(separator: "/").last?.hasPrefix("hcs-vendor-worker") ?? false
    }

    /// A slot is its workload's own claim: it counts for a process of the workload's user or in its tree only.
    private func claim(
        of stat: ProcessStat, on device: DeviceID, _ procfs: Procfs, _ own: UInt64
    ) -> EscapeDetector.Claim? {
        let namespace = procfs.pidNamespace(of: String(stat.pid))
        let inner = (try? procfs.namespacePIDs(of: stat.pid))?.last ?? stat.pid
        func find(_ namespace: UInt64, _ pid: Int32) -> EscapeDetector.Claim? {
            guard let pid = UInt32(exactly: pid) else { return nil }
            return shares.claim(of: .init(namespace: namespace, pid: pid, startTime: stat.startTime), on: device)
        }
        // 0: the process could not read its namespace.
        let found = find(namespace == 0 ? own : namespace, inner) ?? find(0, inner)
        guard let found else { return nil }
        let owner =
            leases[found.workload]?.record.uid
            ?? entries.filter { $0.key.id == found.workload }.max { $0.key < $1.key }.map {
                self.owner($0.value.record).uid
            }
        if owner == (try? procfs.uid(of: stat.pid)) || workload(around: stat, procfs) == found.workload { return found }
        return nil
    }

    /// The workload or lease that a process came from, by the process tree.
    func workload(around stat: ProcessStat, _ procfs: Procfs) -> WorkloadID? {
        for (key, entry) in entries where entry.ended == nil && launcher.contains(stat.pid, directory: entry.directory)
        {
            return key.id
        }
        var present = stat
        for _ in 0..<Self.ancestors {
            if let lease = leases.values.first(where: {
                $0.record.pid == present.pid && $0.record.startTime == present.startTime
            }) {
                return lease.record.id
            }
            guard present.parent > 1, let next = try? procfs.stat(of: present.parent) else { return nil }
            present = next
        }
        return nil
    }

    private static func shown(_ commandLine: [String]) -> String {
        let text = commandLine.joined(separator: " ").prefix(shownCommandLine)
        return String(text.map { $0.unicodeScalars.contains { $0.value < 32 || $0.value == 127 } ? "?" : $0 })
    }

    private static func text(_ escape: Escape) -> String {
        let whose = escape.workload.map { " of workload \($0)" } ?? ""
        switch escape.kind {
        case .limitChanged:
            return
                "the quota\(whose) on \(escape.device) was changed by somebody else, by \(escape.bytes) more; put back"
        case .unmanaged, .overSegment:
            return
                "process \(escape.pid ?? 0) (\(escape.commandLine ?? ""))\(whose) holds \(escape.bytes) on \(escape.device) "
                + (escape.kind == .unmanaged ? "and is in no segment" : "more than its segment explains")
        }
    }

    // MARK: Acting

    private func act(on current: [Escape], _ now: Int64) {
        let keys = current.map(Self.processKey)
        ending = ending.filter { keys.contains($0.key) }
        for escape in current {
            let attempt = entries.first { $0.key.id == escape.workload && $0.value.ended == nil }
            guard settings.escapePolicy.ends(escape, isSubmitted: attempt != nil) else { continue }
            if escape.kind == .limitChanged, let attempt {
                // Nobody knows which of its processes did it. The usual stop: signal, grace, SIGKILL.
                guard attempt.value.stopping == nil else { continue }
                logger.warning("workload \(attempt.key) is stopped: its quota was changed by somebody else")
                entries[attempt.key]?.stopping = Entry.Stop()
            } else {
                end(escape, grace: attempt.map { Int64($0.value.record.assignment.spec.graceSeconds) * 1000 }, now)
            }
        }
    }

    /// `device` is left out: a process on two devices is one process.
    private static func processKey(_ escape: Escape) -> ShareWindow.Process {
        ShareWindow.Process(namespace: 0, pid: UInt32(clamping: escape.pid ?? 0), startTime: escape.startTime ?? 0)
    }

    private func end(_ escape: Escape, grace: Int64?, _ now: Int64) {
        guard let pid = escape.pid, pid > 1, let startTime = escape.startTime, startTime > 0 else { return }
        let key = Self.processKey(escape)
        let signal: Int32
        if let already = ending[key] {
            guard now - already.signalledAt >= already.grace else { return }
            signal = SIGKILL
        } else {
            ending[key] = Ending(signalledAt: now, grace: grace ?? Self.escapeGraceMilliseconds)
            signal = SIGTERM
        }
        do {
            guard let process = try ProcessHandle.open(pid: pid, startTime: startTime) else { return }
            logger.warning("escape: signal \(signal) to process \(pid) (\(escape.commandLine ?? ""))")
            try process.signal(signal)
        } catch { logger.error("process \(pid), an escape, is not ended: \(error)") }
    }
}
