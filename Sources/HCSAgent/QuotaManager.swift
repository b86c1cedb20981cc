package import HCSModel
package import HCSSystem

/// The segments of this host's workloads. The agent keeps its own copy of every limit, since a workload can write its
/// segment: a limit that somebody else changed is put back and told.
///
/// Not Sendable: it belongs to the supervisor's thread (a segment is used by one thread at a time, and at most one
/// `SegmentFile` for a path may exist in the process).
package final class QuotaManager {
    /// What a segment says and what had to be put right.
    package struct Reading: Hashable, Sendable {
        package var usage: [DeviceUsage]
        /// Pids of the live slots that are in this pid namespace, with start times.
        package var processes: [Int32: UInt64]
        /// Live slots.
        package var count: Int
        package var slots: [SegmentSnapshot.Slot] = []
        /// In words for the log: changed limits, damage, a truncated file.
        package var problems: [String]

        package init(
            usage: [DeviceUsage] = [], processes: [Int32: UInt64] = [:], count: Int = 0, problems: [String] = []
        ) {
            self.usage = usage
            self.processes = processes
            self.count = count
            self.problems = problems
        }
    }

    private final class Segment {
        let file: SegmentFile
        var limits: [SegmentDevice]
        /// Last good figures, shown while the file cannot be read.
        var last = Reading()

        init(file: consuming SegmentFile, limits: [SegmentDevice]) {
            self.file = file
            self.limits = limits
        }
    }

    private let directory: String
    private let namespace: UInt64
    private var segments: [WorkloadID: Segment] = [:]
    private static let limitChangesKept = 256
    private var limitChanges: [EscapeDetector.LimitChange] = []

    package init(directory: String, procfs: Procfs = Procfs()) {
        self.directory = directory
        namespace = procfs.pidNamespace()
    }

    package func path(of id: WorkloadID) -> String { "\(directory)/\(id)" }

    package var ids: [WorkloadID] { segments.keys.sorted() }

    /// Limits that were found changed and put back since the last call.
    package func takeLimitChanges() -> [EscapeDetector.LimitChange] {
        defer { limitChanges = [] }
        return limitChanges
    }

    package func has(_ id: WorkloadID) -> Bool { segments[id] != nil }

    package static func limits(_ grants: [DeviceGrant], _ devices: [Device]) -> [SegmentDevice] {
        grants.compactMap { grant in
            devices.first { $0.id == grant.device }.map {
                SegmentDevice(
                    vendor: $0.vendor, id: $0.id, hostIndex: $0.index, physical: $0.memory, limit: grant.quota)
            }
        }
    }

    /// Makes a workload's segment before its first process. A segment left by an earlier attempt is removed first, unless
    /// processes still hold it: then `unavailable`.
    package func create(
        _ id: WorkloadID, limits: [SegmentDevice], owner: (uid: UInt32, gid: UInt32), group: Bool = false
    ) throws(AgentError) {
        if segments[id] == nil, SegmentFile.workloads(in: directory).contains(id) {
            try adopt(id, limits: limits, owner: owner.uid)
        }
        if segments[id] != nil, !remove(id) {
            throw AgentError(.unavailable, "processes of an earlier attempt still hold \(path(of: id))")
        }
        do {
            let file = try SegmentFile.create(
                directory: directory, workload: id, owner: owner, group: group, devices: limits)
            segments[id] = Segment(file: file, limits: limits)
        } catch {
            throw AgentError(error.code == .permission ? .permission : .io, "no segment for the workload: \(error)")
        }
    }

    /// Takes up a segment that an earlier agent made. `limits` are the agent's own record, which rules; `earlier` are
    /// those before the last change, which that agent may not have come to write.
    package func adopt(
        _ id: WorkloadID, limits: [SegmentDevice], owner: UInt32, earlier: [SegmentDevice] = []
    ) throws(AgentError) {
        guard segments[id] == nil else { return }
        do {
            let file = try SegmentFile.open(path: path(of: id), owner: owner)
            let found = earlier.isEmpty ? [] : try file.snapshot().devices.map(\.device)
            let unfinished = earlier.filter { old in found.contains { $0.id == old.id && $0.limit == old.limit } }
            for limit in limits where unfinished.contains(where: { $0.id == limit.id }) {
                try file.setLimit(limit.limit, of: limit.id, vendor: limit.vendor)
            }
            segments[id] = Segment(file: file, limits: limits)
        } catch {
            throw AgentError(error.code == .notFound ? .unavailable : .io, "the workload's segment: \(error)")
        }
    }

    /// Changes the limits of a live workload, and the agent's own copy with them. The devices stay the same.
    package func setLimits(of id: WorkloadID, _ limits: [SegmentDevice]) throws(AgentError) {
        guard let segment = segments[id] else { throw AgentError(.unavailable, "the workload's segment is not here") }
        // The copy first: whatever the segment says after a failure is put right by the next look at it.
        segment.limits = limits
        do {
            for limit in limits { try segment.file.setLimit(limit.limit, of: limit.id, vendor: limit.vendor) }
        } catch {
            throw AgentError(.io, "the quota in \(path(of: id)) is not changed yet: \(error)")
        }
    }

    /// Takes back what dead processes held, puts changed limits right, and reads.
    package func observe(_ id: WorkloadID) -> Reading {
        guard let segment = segments[id] else { return Reading() }
        do {
            _ = try segment.file.reap()
            let snapshot = try segment.file.snapshot()
            var reading = Reading(problems: snapshot.problems)
            reading.problems += try restoreLimits(of: segment, id, snapshot)
            reading.usage = segment.limits.map { limit in
                let now = snapshot.devices.first { $0.device.id == limit.id && $0.device.vendor == limit.vendor }
                let overhead = snapshot.overhead(on: limit.id)
                return DeviceUsage(
                    device: limit.id, used: now?.used ?? .zero, peak: now?.peak ?? .zero, quota: limit.limit,
                    denied: now?.deniedRequests ?? 0, overhead: overhead == .zero ? nil : overhead)
            }
            reading.count = snapshot.slots.count
            reading.slots = snapshot.slots
            for slot in snapshot.slots where slot.pidNamespace == namespace || slot.pidNamespace == 0 {
                if let pid = Int32(exactly: slot.pid), pid > 0 { reading.processes[pid] = slot.startTime }
            }
            segment.last = reading
            segment.last.problems = []
            return reading
        } catch {
            var reading = segment.last
            reading.problems = [error.message]
            return reading
        }
    }

    private func restoreLimits(
        of segment: Segment, _ id: WorkloadID, _ snapshot: SegmentSnapshot
    ) throws(SystemError) -> [String] {
        var told: [String] = []
        for limit in segment.limits {
            guard
                let found = snapshot.devices.first(where: {
                    $0.device.id == limit.id && $0.device.vendor == limit.vendor
                })
            else {
                told.append("the entry of device \(limit.id) is gone from the segment")
                continue
            }
            guard found.device.limit != limit.limit else { continue }
            try segment.file.setLimit(limit.limit, of: limit.id, vendor: limit.vendor)
            if limitChanges.count < Self.limitChangesKept {
                let found = min(found.device.limit, limit.physical)
                limitChanges.append(.init(workload: id, device: limit.id, found: found, right: limit.limit))
            }
            told.append(
                "the quota on \(limit.id) was changed to \(found.device.limit) by somebody else; put back to \(limit.limit)"
            )
        }
        return told
    }

    /// Removes the segment of a workload that ended. False: live processes still hold it, try again later.
    @discardableResult
    package func remove(_ id: WorkloadID) -> Bool {
        guard let segment = segments[id] else { return true }
        // One that cannot be read (its owner cut it) is of no use to anybody: it goes.
        if (try? segment.file.reap()) != nil, ((try? segment.file.liveSlotCount()) ?? 0) > 0 { return false }
        try? segment.file.unlink()
        segments[id] = nil
        return true
    }

    /// Segments in the directory that belong to none of `known`: left by attempts whose records are gone. Those nobody holds
    /// are removed; returns how many.
    package func sweep(keeping known: Set<WorkloadID>) -> Int {
        var removed = 0
        for id in SegmentFile.workloads(in: directory) where !known.contains(id) && segments[id] == nil {
            guard let file = try? SegmentFile.open(path: path(of: id)), ((try? file.liveSlotCount()) ?? 1) == 0 else {
                continue
            }
            _ = try? file.reap()
            if (try? file.unlink()) != nil { removed += 1 }
        }
        return removed
    }
}
