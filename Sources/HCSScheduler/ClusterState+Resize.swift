package import HCSAPI
package import HCSModel
import HCSPlacement

extension ClusterState {
    /// Changes a workload's quota. One that waits asks for another size; one that is placed keeps its attempt and its
    /// device, and its node is told. A raise must fit what is free on the device; a lower one always does: below its
    /// present use it only denies new memory.
    package mutating func resize(_ id: WorkloadID, to change: WorkloadChange, monotonic: Int64, now: Int64)
        throws(APIProblem)
    {
        do { try change.validate() } catch { throw .badRequest(error.message) }
        guard var record = workloads[id] else { throw .notFound("no workload \(id)") }
        guard !record.spec.placement.wholeDevices else {
            throw .conflict("workload '\(record.spec.name)' has whole devices, with all their memory")
        }
        let old = record.spec.vram
        guard change.vram != old else { return }
        switch record.phase {
        case .queued: break
        case .assigned, .running:
            for grant in record.grants where change.vram > grant.quota {
                try checkRoom(for: record, on: grant, raisedTo: change.vram)
            }
            if record.grants.contains(where: { change.vram > $0.quota }),
                let why = limitObjection(to: change, of: record)
            {
                throw .conflict("\(change.vram) for workload '\(record.spec.name)': \(why)")
            }
        case .stopping, .succeeded, .failed, .deleted:
            throw .conflict("workload '\(record.spec.name)' is \(record.phase.rawValue): it takes no other quota")
        }
        record.spec.vram = change.vram
        for index in record.grants.indices { record.grants[index].quota = change.vram }
        record.note(
            .resized, "quota changed from \(old) to \(change.vram)", device: record.grants.first?.device, at: now)
        update(record)
        // Less is promised now, or less is asked for: something that waits may fit.
        scheduleSoon(monotonic: monotonic, now: now)
    }

    private func checkRoom(for record: WorkloadRecord, on grant: DeviceGrant, raisedTo quota: ByteCount)
        throws(APIProblem)
    {
        guard let node = record.node, let entry = nodes[node],
            let report = reports(of: entry).first(where: { $0.device.id == grant.device })
        else { throw .conflict("device \(grant.device) of workload '\(record.spec.name)' is not known now") }
        let state = state(of: report, on: node, ledger(of: [node]))
        let more = quota.subtracting(grant.quota)
        guard more <= state.free else {
            let used = state.driverUsed.map { ", \($0) in use by the driver's count" } ?? ""
            let margin = state.margin > .zero ? ", \(state.margin) kept as margin" : ""
            throw .conflict(
                "\(quota) for workload '\(record.spec.name)' is \(more) more than its \(grant.quota), and \(state.free) of "
                    + "\(report.device.memory) is free on device \(grant.device) (\(state.granted) granted\(used)\(margin))"
            )
        }
    }
}
