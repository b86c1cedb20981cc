package import HCSModel

/// What becomes of a workload when something was seen of it. Pure: record, observation and `now` in, record out.
package enum Reconciler {
    /// What an agent saw of one attempt.
    package struct Observation: Sendable {
        package var node: String
        package var attempt: Int
        package var isRunning: Bool
        package var hasEnded: Bool
        package var exit: ExitStatus?
        /// It was never started: what the scheduler knew of the device was out of date.
        package var wasRefused: Bool

        package init(
            node: String, attempt: Int, isRunning: Bool, hasEnded: Bool, exit: ExitStatus?, wasRefused: Bool = false
        ) {
            self.node = node
            self.attempt = attempt
            self.isRunning = isRunning
            self.hasEnded = hasEnded
            self.exit = exit
            self.wasRefused = wasRefused
        }
    }

    /// A workload that failed this long before its device was known to be faulty is counted as that fault's victim.
    package static let victimWindowMilliseconds: UInt64 = 30_000
    package static let firstBackoffMilliseconds: Int64 = 1_000
    package static let longestBackoffMilliseconds: Int64 = 300_000

    /// Applies an agent's observation. `faulty` tells the reason why a device no longer takes work, nil if it does.
    package static func observe(
        _ record: WorkloadRecord, _ seen: Observation, faulty: (DeviceID) -> String?, now: Int64
    ) -> WorkloadRecord {
        var record = record
        if let previous = record.previous, seen.node == previous.node, seen.attempt <= previous.attempt {
            if seen.hasEnded && seen.attempt == previous.attempt { record.previous = nil }
            return record
        }
        guard seen.node == record.node, seen.attempt == record.attempt, !record.phase.hasEnded else { return record }
        if seen.hasEnded {
            let exit = seen.exit ?? ExitStatus()
            if seen.wasRefused && !record.deleteRequested { return refused(record, by: seen.node, exit, now: now) }
            return ended(record, exit: exit, faulty: faulty, now: now)
        }
        if seen.isRunning && record.phase == .assigned {
            record.phase = .running
            record.note(.started, "running on \(seen.node)", device: record.grants.first?.device, at: now)
        }
        return record
    }

    /// Planned again, whatever the restart policy: nothing ran. The wait grows, so that two that disagree do not spin.
    private static func refused(_ old: WorkloadRecord, by node: String, _ exit: ExitStatus, now: Int64)
        -> WorkloadRecord
    {
        var record = old
        record.failures += 1
        record.notBeforeMilliseconds = now + backoff(failures: record.failures)
        record.note(.refused, "refused by \(node), planned again: \(exit.error ?? exit.description)", at: now)
        return queued(record, at: now)
    }

    private static func ended(
        _ old: WorkloadRecord, exit: ExitStatus, faulty: (DeviceID) -> String?, now: Int64
    ) -> WorkloadRecord {
        var record = old
        record.exit = exit
        if record.deleteRequested {
            record.phase = .deleted
            record.note(.deleted, "deleted; its process ended with: \(exit)", at: now)
            return record
        }
        if exit.isSuccess {
            record.phase = .succeeded
            record.note(.ended, "succeeded", at: now)
            return record
        }
        let fault = record.grants.compactMap { grant in faulty(grant.device).map { (grant.device, $0) } }.first
        if let (device, reason) = fault, record.spec.restart != .never {
            record.note(.deviceFault, "ended with \(exit) on a faulty device: \(reason)", device: device, at: now)
            return queued(record, at: now)
        }
        record.failures += 1
        if record.spec.restart == .onFailure {
            let wait = backoff(failures: record.failures)
            record.notBeforeMilliseconds = now + wait
            record.note(.ended, "failed (\(exit)), starts again in \(wait / 1000) s", at: now)
            return queued(record, at: now)
        }
        record.phase = .failed
        record.note(.ended, "failed: \(exit)", at: now)
        return record
    }

    package static func backoff(failures: Int) -> Int64 {
        let doublings = min(max(failures - 1, 0), 20)
        return min(firstBackoffMilliseconds << Int64(doublings), longestBackoffMilliseconds)
    }

    /// Whether its back-off is over. A wall clock that was set back must not make it wait longer than the longest.
    package static func isDue(_ record: WorkloadRecord, now: Int64) -> Bool {
        guard let due = record.notBeforeMilliseconds else { return true }
        return due <= now || due - now > longestBackoffMilliseconds
    }

    private static func queued(_ old: WorkloadRecord, at now: Int64) -> WorkloadRecord {
        var record = old
        record.phase = .queued
        record.node = nil
        record.grants = []
        record.updatedMilliseconds = now
        return record
    }

    /// A device of a live workload became faulty: the attempt is to end, and the workload queues for another device
    /// (policy `never`: it is left alone, and told). Also revives one that the fault killed just before it was known.
    package static func deviceFault(
        _ old: WorkloadRecord, device: DeviceID, reason: String, now: Int64
    ) -> WorkloadRecord {
        var record = old
        let isVictim =
            record.phase == .failed && !record.deleteRequested
            && (now - record.updatedMilliseconds).magnitude <= victimWindowMilliseconds
        guard record.phase == .assigned || record.phase == .running || isVictim,
            record.grants.contains(where: { $0.device == device })
        else { return record }
        guard record.spec.restart != .never else {
            if record.phase != .failed {
                record.note(
                    .deviceFault, "its device is faulty, left alone by policy never: \(reason)", device: device, at: now
                )
            }
            return record
        }
        record.note(.deviceFault, "moved off a faulty device: \(reason)", device: device, at: now)
        return queued(isVictim ? record : leaving(record), at: now)
    }

    /// Queued again, with its present attempt to be ended: moved by an order, preempted, or with its gang.
    package static func requeued(
        _ old: WorkloadRecord, _ kind: WorkloadEvent.Kind, _ reason: String, device: DeviceID? = nil, now: Int64
    ) -> WorkloadRecord {
        guard old.phase == .assigned || old.phase == .running else { return old }
        var record = leaving(old)
        record.note(kind, reason, device: device ?? old.grants.first?.device, at: now)
        return queued(record, at: now)
    }

    /// Failed for good without an end of its own; what it runs is ended.
    package static func abandoned(_ old: WorkloadRecord, _ reason: String, now: Int64) -> WorkloadRecord {
        guard !old.phase.hasEnded else { return old }
        var record = leaving(old)
        record.phase = .failed
        record.exit = ExitStatus(error: reason)
        record.node = nil
        record.grants = []
        record.note(.ended, "failed: \(reason)", at: now)
        return record
    }

    /// One hop at a time: while an older attempt still drains, the present one was never handed out.
    private static func leaving(_ old: WorkloadRecord) -> WorkloadRecord {
        var record = old
        if let node = record.node, record.previous == nil {
            record.previous = .init(node: node, attempt: record.attempt, grants: record.grants)
        }
        return record
    }

    /// Its node reports and does not tell of it: planned again, whatever the restart policy. Its node is told to end that
    /// attempt, whose end the next one waits for.
    package static func unconfirmed(_ old: WorkloadRecord, after milliseconds: Int64, now: Int64) -> WorkloadRecord {
        guard old.phase == .assigned, old.previous == nil, let node = old.node else { return old }
        var record = old
        record.previous = .init(node: node, attempt: record.attempt, grants: record.grants)
        record.failures += 1
        record.notBeforeMilliseconds = now + backoff(failures: record.failures)
        record.note(
            .refused, "not taken by \(node) within \(milliseconds / 1000) s, planned again",
            device: record.grants.first?.device, at: now)
        return queued(record, at: now)
    }

    /// Places a queued workload.
    package static func placed(_ old: WorkloadRecord, on placement: PlacementCycle.Placement, now: Int64)
        -> WorkloadRecord
    {
        var record = old
        let isMove = record.attempt > 0
        record.phase = .assigned
        record.attempt += 1
        record.node = placement.node
        record.grants = placement.grants
        record.notBeforeMilliseconds = nil
        record.exit = nil
        let wait = record.previous.map { "; waits until attempt \($0.attempt) on \($0.node) has ended" } ?? ""
        record.note(
            isMove ? .moved : .placed,
            "placed on \(placement.node), \(Self.words(placement.grants))\(wait)",
            device: placement.grants.first?.device, at: now)
        return record
    }

    private static func words(_ grants: [DeviceGrant]) -> String {
        let devices = grants.map(\.device.uuid).joined(separator: ", ")
        let quota = grants.first.map { $0.whole == true ? ", whole" : ", quota \($0.quota)" } ?? ""
        return "\(grants.count == 1 ? "device" : "devices") \(devices)\(quota)\(grants.count > 1 ? " each" : "")"
    }

    /// A user asks for the end.
    package static func delete(_ old: WorkloadRecord, now: Int64) -> WorkloadRecord {
        var record = old
        guard !record.phase.hasEnded else { return record }
        record.deleteRequested = true
        if record.phase == .queued {
            record.phase = .deleted
            record.note(.deleted, "deleted while it was queued", at: now)
        } else if record.phase == .assigned, record.previous != nil {
            // Never handed out, and its node may be the one that lives: there is nothing to wait for.
            record.phase = .deleted
            record.note(.deleted, "deleted before it was started", at: now)
        } else if record.phase != .stopping {
            record.phase = .stopping
            record.note(.stopping, "asked to stop", at: now)
        }
        return record
    }
}
