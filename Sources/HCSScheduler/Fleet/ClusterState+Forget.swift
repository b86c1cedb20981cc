package import HCSAPI
import HCSModel
import HCSPlacement

extension ClusterState {
    /// Forgets a node that never returns, with its cordons and clearances. Its workloads are planned again, those of
    /// policy never have failed, and those that were to end are gone.
    package mutating func forget(_ name: String, _ request: ForgetRequest, monotonic: Int64, now: Int64)
        throws(APIProblem) -> ForgetResult
    {
        do { try request.validate() } catch { throw .badRequest(error.message) }
        guard let entry = nodes[name] else { throw .notFound("no node '\(name.prefix(80))' has reported") }
        let silence = monotonic - (entry.lastHeard ?? openedAt)
        guard silence > Self.silenceLimitMilliseconds else {
            throw .conflict(
                entry.lastHeard == nil
                    ? "this scheduler was started \(silence / 1000) s ago and node \(name) may yet report: try again"
                    : "node \(name) reported \(silence / 1000) s ago: end its agent first, or `hcs drain` it")
        }
        var result = ForgetResult(
            node: name, devices: entry.record.devices.count, queued: [], failed: [], deleted: [])
        for record in workloads.values.sorted(by: { $0.spec.name < $1.spec.name }) {
            leave(name, record, reason: request.reason, result: &result, now: now)
        }
        for target in cordons.keys where target.node == name { set(nil, on: target) }
        for clearance in clearances.values where clearance.node == name { set(nil, as: clearance.id) }
        remove(node: name)
        emit(
            FleetEvent(
                atMilliseconds: now, kind: .nodeForgotten, severity: .warning, node: name, message: request.reason,
                by: request.by))
        scheduleSoon(monotonic: monotonic, now: now)
        return result
    }

    private mutating func leave(
        _ node: String, _ old: WorkloadRecord, reason: String, result: inout ForgetResult, now: Int64
    ) {
        var record = old
        if record.previous?.node == node { record.previous = nil }
        if record.node == node, !record.phase.hasEnded {
            if record.deleteRequested {
                record.phase = .deleted
                record.note(.deleted, "its node was forgotten: \(reason)", at: now)
                result.deleted.append(record.spec.name)
            } else if record.spec.restart == .never {
                record.phase = .failed
                record.exit = ExitStatus(error: "its node was forgotten")
                record.note(.ended, "failed: its node was forgotten: \(reason)", at: now)
                result.failed.append(record.spec.name)
            } else {
                record.phase = .queued
                record.node = nil
                record.grants = []
                record.note(.moved, "its node was forgotten, planned again: \(reason)", at: now)
                result.queued.append(record.spec.name)
            }
        }
        update(record)
    }

    /// An attempt that runs on a node where its workload no longer is: the node was forgotten and is back. It is ended,
    /// and counts until it has.
    func strayAttempt(_ seen: WorkloadObservation, of record: WorkloadRecord, in report: NodeReport)
        -> WorkloadRecord.PreviousAttempt?
    {
        guard seen.phase != .ended, record.previous == nil, record.node != report.node || record.phase.hasEnded,
            seen.attempt <= record.attempt
        else { return nil }
        let grants = seen.usage.compactMap { usage in
            report.devices.first { $0.device.id == usage.device }.map {
                DeviceGrant(device: usage.device, vendor: $0.device.vendor, quota: usage.quota)
            }
        }
        return .init(node: report.node, attempt: seen.attempt, grants: grants)
    }
}
