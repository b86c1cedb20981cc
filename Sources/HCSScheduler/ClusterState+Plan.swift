package import HCSAPI
package import HCSModel
import HCSPlacement

extension ClusterState {
    /// What would become of a request now.
    package mutating func plan(_ spec: WorkloadSpec, monotonic: Int64) throws(APIProblem) -> PlanView {
        try check(spec)
        let request = PlacementRequest(spec)
        var cycle = openRoom(monotonic: monotonic)
        let placement = cycle.canPlace(request)
        let limit = limitObjection(to: Amounts(asking: request), for: spec.placement.tenant)
        return PlanView(
            name: spec.name, revision: revision, fits: placement != nil,
            summary: placement == nil ? limit ?? cycle.summary(of: request) : cycle.summary(of: request),
            node: placement?.node, grants: placement?.grants ?? [], devices: cycle.verdicts(for: request),
            changes: PlanSearch.changes(for: request, in: cycle, running: runningWork()))
    }

    package mutating func explanation(of record: WorkloadRecord, monotonic: Int64) -> Explanation {
        let request = PlacementRequest(record.spec)
        var cycle = openRoom(for: UnitKey(record.id, request), monotonic: monotonic)
        let waits = record.phase == .queued
        // Who waits for room may have found some by now; all else is the queue's to say.
        let asks = waits && self.waits[record.id] ?? .room == .room
        return Explanation(
            workload: record.id, name: record.spec.name, phase: record.phase, revision: revision,
            summary: asks ? cycle.summary(of: request) : record.message, devices: cycle.verdicts(for: request),
            changes: waits ? PlanSearch.changes(for: request, in: cycle, running: runningWork()) : nil)
    }

    /// What is placed, with what its processes use by their segments' count.
    private func runningWork() -> [PlacedWork] { queueInput(focus: [], now: 0).placed }
}
