package import HCSModel

/// Keeps what a scheduler must not forget. Every implementation passes `StateStoreContractTests`.
package protocol StateStore: Sendable {
    /// Everything, with the revision it belongs to.
    func load() async throws(StoreError) -> StoredState

    /// Makes the change durable and answers the new revision, one above `expected`. All or nothing; returns only when
    /// it would survive a power cut. Throws `.staleRevision` when the store is not at `expected`.
    func commit(_ change: StateChange, expecting expected: Revision) async throws(StoreError) -> Revision
}

package struct StoredState: Sendable, Equatable {
    package var revision: Revision
    package var nodes: [NodeRecord]
    package var workloads: [WorkloadRecord]

    package init(revision: Revision, nodes: [NodeRecord], workloads: [WorkloadRecord]) {
        self.revision = revision
        self.nodes = nodes
        self.workloads = workloads
    }
}

package struct StateChange: Sendable, Equatable {
    package var nodes: [NodeRecord]
    package var workloads: [WorkloadRecord]
    package var removedWorkloads: [WorkloadID]

    package init(nodes: [NodeRecord] = [], workloads: [WorkloadRecord] = [], removedWorkloads: [WorkloadID] = []) {
        self.nodes = nodes
        self.workloads = workloads
        self.removedWorkloads = removedWorkloads
    }

    package var isEmpty: Bool { nodes.isEmpty && workloads.isEmpty && removedWorkloads.isEmpty }
}

/// The store failed: what was attempted, on what, and the cause in the store's own words.
package struct StoreError: Error, Sendable, Equatable, CustomStringConvertible {
    package enum Code: String, Sendable {
        case staleRevision
        /// The file was written by a newer version, or is no store at all.
        case unsupported
        /// A record cannot be read; nothing was changed.
        case corrupt
        case failed
    }

    package let code: Code
    package let message: String

    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    package var description: String { message }
}
