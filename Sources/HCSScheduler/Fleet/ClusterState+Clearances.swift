package import HCSAPI
package import HCSModel

extension ClusterState {
    /// Keeps the order until the device's agent tells what became of it. A second one for the device replaces the first.
    package mutating func requestClearance(_ request: ClearanceRequest, id: WorkloadID, now: Int64) throws(APIProblem)
        -> Clearance
    {
        do { try request.validate() } catch { throw .badRequest(error.message) }
        let key = try device(request.device, node: request.node)
        let earlier = clearances.values.filter { $0.node == key.node && $0.device == key.device }
        guard !earlier.isEmpty || clearances.count < APILimits.clearances else {
            throw .tooMany("\(clearances.count) clearances wait for their agents")
        }
        for old in earlier { set(nil, as: old.id) }
        let clearance = Clearance(
            id: id, node: key.node, device: key.device, reason: request.reason, by: request.by, atMilliseconds: now)
        set(clearance, as: id)
        emit(event(.clearanceRequested, clearance, request.reason, now: now))
        return clearance
    }

    mutating func takeOutcomes(of report: NodeReport, now: Int64) {
        for outcome in report.clearances ?? [] {
            guard let clearance = clearances[outcome.id], clearance.node == report.node else { continue }
            set(nil, as: outcome.id)
            emit(
                event(outcome.applied ? .clearanceApplied : .clearanceRefused, clearance, outcome.message, now: now))
        }
    }

    package func clearanceList() -> [Clearance] {
        clearances.values.sorted { ($0.atMilliseconds, $0.id) < ($1.atMilliseconds, $1.id) }
    }

    private func event(_ kind: FleetEvent.Kind, _ clearance: Clearance, _ message: String, now: Int64) -> FleetEvent {
        FleetEvent(
            atMilliseconds: now, kind: kind, severity: kind == .clearanceRefused ? .warning : .info,
            node: clearance.node, device: clearance.device, message: message,
            simulated: isSimulated(DeviceKey(node: clearance.node, device: clearance.device)), by: clearance.by)
    }
}
