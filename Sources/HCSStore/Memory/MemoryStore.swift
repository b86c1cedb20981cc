package import HCSModel

/// Forgets at exit: for tests.
package actor MemoryStore: StateStore {
    private var revision = Revision.zero
    private var nodes: [String: NodeRecord] = [:]
    private var workloads: [WorkloadID: WorkloadRecord] = [:]
    private var cordons: [Cordon.Target: Cordon] = [:]
    private var clearances: [WorkloadID: Clearance] = [:]
    private var throughput: [ThroughputRecord.Key: ThroughputRecord] = [:]
    private var events: [FleetEvent] = []

    package init() {}

    package func load() -> StoredState {
        StoredState(
            revision: revision, nodes: nodes.values.sorted { $0.name < $1.name },
            workloads: workloads.values.sorted { $0.id < $1.id },
            cordons: cordons.values.sorted { $0.target < $1.target },
            clearances: clearances.values.sorted { $0.id < $1.id },
            throughput: throughput.values.sorted { $0.key < $1.key }, events: events)
    }

    package func commit(_ change: StateChange, expecting expected: Revision) throws(StoreError) -> Revision {
        guard expected == revision else {
            throw StoreError(
                .staleRevision, "the store is at revision \(revision), the change was made for \(expected)")
        }
        for node in change.nodes { nodes[node.name] = node }
        for workload in change.workloads { workloads[workload.id] = workload }
        for name in change.removedNodes { nodes[name] = nil }
        for id in change.removedWorkloads { workloads[id] = nil }
        for cordon in change.cordons { cordons[cordon.target] = cordon }
        for target in change.removedCordons { cordons[target] = nil }
        for clearance in change.clearances { clearances[clearance.id] = clearance }
        for id in change.removedClearances { clearances[id] = nil }
        for record in change.throughput { throughput[record.key] = record }
        for key in change.removedThroughput { throughput[key] = nil }
        append(change.events)
        revision = revision.next
        return revision
    }

    package func append(_ fresh: [FleetEvent]) { events = (events + fresh).suffix(FleetEvent.kept) }
}
