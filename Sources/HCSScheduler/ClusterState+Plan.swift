package import HCSAPI
package import HCSModel
import HCSPlacement

extension ClusterState {
    /// What would become of a request now.
    package mutating func plan(_ spec: WorkloadSpec, monotonic: Int64) throws(APIProblem) -> PlanView {
        try check(spec)
        let request = PlacementRequest(spec)
        let requests = QueueCycle.together(with: request)
        var cycle = openRoom(monotonic: monotonic)
        let outlook = QueueCycle.outlook(requests, in: &cycle)
        let place = outlook.placements?.first
        let asked = requests.reduce(Amounts.zero) { $0 + Amounts(asking: $1) }
        let limit = place == nil ? limitObjection(to: asked, for: spec.placement.tenant) : nil
        return PlanView(
            name: spec.name, revision: revision, fits: place != nil, summary: limit ?? outlook.summary,
            node: place?.node, grants: place?.grants ?? [], devices: QueueCycle.verdicts(for: requests, in: &cycle),
            changes: PlanSearch.changes(for: request, in: cycle, running: runningWork()))
    }

    package mutating func explanation(of record: WorkloadRecord, monotonic: Int64) -> Explanation {
        let request = PlacementRequest(record.spec)
        var cycle = openRoom(for: UnitKey(record.id, request), monotonic: monotonic)
        let waits = record.phase == .queued
        // Who waits for room may have found some by now; all else is the queue's to say.
        let asks = waits && self.waits[record.id] ?? .room == .room
        let requests = waits ? companions(of: record) : [request]
        return Explanation(
            workload: record.id, name: record.spec.name, phase: record.phase, revision: revision,
            summary: asks ? QueueCycle.outlook(requests, in: &cycle).summary : record.message,
            devices: QueueCycle.verdicts(for: requests, in: &cycle),
            changes: waits ? PlanSearch.changes(for: request, in: cycle, running: runningWork()) : nil)
    }

    /// What waits for one node together with a workload, itself first; alone where it does not.
    private func companions(of record: WorkloadRecord) -> [PlacementRequest] {
        let request = PlacementRequest(record.spec)
        guard let gang = GangKey(request) else { return [request] }
        let others = workloads.values.lazy.filter { $0.phase == .queued && $0.id != record.id }
            .map { PlacementRequest($0.spec) }.filter { GangKey($0) == gang }
        let requests = [request] + others
        return QueueCycle.goTogether(requests) ? requests : [request]
    }

    /// What is placed, with what its processes use by their segments' count.
    private func runningWork() -> [PlacedWork] { queueInput(focus: [], now: 0).placed }
}
