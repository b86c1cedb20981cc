package import HCSModel

/// Forgets at exit: for tests.
package actor MemoryStore: StateStore {
    private var revision = Revision.zero
    private var nodes: [String: NodeRecord] = [:]
    private var workloads: [WorkloadID: WorkloadRecord] = [:]

    package init() {}

    package func load() -> StoredState {
        StoredState(
            revision: revision, nodes: nodes.values.sorted { $0.name < $1.name },
            workloads: workloads.values.sorted { $0.id < $1.id })
    }

    package func commit(_ change: StateChange, expecting expected: Revision) throws(StoreError) -> Revision {
        guard expected == revision else {
            throw StoreError(
                .staleRevision, "the store is at revision \(revision), the change was made for \(expected)")
        }
        for node in change.nodes { nodes[node.name] = node }
        for workload in change.workloads { workloads[workload.id] = workload }
        for id in change.removedWorkloads { workloads[id] = nil }
        revision = revision.next
        return revision
    }
}
