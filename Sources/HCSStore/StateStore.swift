package import HCSModel

/// Keeps what a scheduler must not forget. Every implementation passes `StateStoreContractTests`.
package protocol StateStore: Sendable {
    /// Everything, with the revision it belongs to.
    func load() async throws(StoreError) -> StoredState

    /// Makes the change durable and answers the new revision, one above `expected`. All or nothing; returns only when
    /// it would survive a power cut. Throws `.staleRevision` when the store is not at `expected`.
    func commit(_ change: StateChange, expecting expected: Revision) async throws(StoreError) -> Revision

    /// Makes events durable that belong to no change: history has no revision.
    func append(_ events: [FleetEvent]) async throws(StoreError)
}

package struct StoredState: Sendable, Equatable {
    package var revision: Revision
    package var nodes: [NodeRecord]
    package var workloads: [WorkloadRecord]
    package var cordons: [Cordon]
    package var clearances: [Clearance]
    package var throughput: [ThroughputRecord]
    /// The newest `FleetEvent.kept`, by number.
    package var events: [FleetEvent]

    package init(
        revision: Revision, nodes: [NodeRecord], workloads: [WorkloadRecord], cordons: [Cordon] = [],
        clearances: [Clearance] = [], throughput: [ThroughputRecord] = [], events: [FleetEvent] = []
    ) {
        self.revision = revision
        self.nodes = nodes
        self.workloads = workloads
        self.cordons = cordons
        self.clearances = clearances
        self.throughput = throughput
        self.events = events
    }
}

package struct StateChange: Sendable, Equatable {
    package var nodes: [NodeRecord]
    package var removedNodes: [String]
    package var workloads: [WorkloadRecord]
    package var removedWorkloads: [WorkloadID]
    package var cordons: [Cordon]
    package var removedCordons: [Cordon.Target]
    package var clearances: [Clearance]
    package var removedClearances: [WorkloadID]
    package var throughput: [ThroughputRecord]
    package var removedThroughput: [ThroughputRecord.Key]
    /// Appended; the store drops the oldest beyond `FleetEvent.kept`.
    package var events: [FleetEvent]

    package init(
        nodes: [NodeRecord] = [], removedNodes: [String] = [], workloads: [WorkloadRecord] = [],
        removedWorkloads: [WorkloadID] = [], cordons: [Cordon] = [], removedCordons: [Cordon.Target] = [],
        clearances: [Clearance] = [], removedClearances: [WorkloadID] = [], throughput: [ThroughputRecord] = [],
        removedThroughput: [ThroughputRecord.Key] = [], events: [FleetEvent] = []
    ) {
        self.nodes = nodes
        self.removedNodes = removedNodes
        self.workloads = workloads
        self.removedWorkloads = removedWorkloads
        self.cordons = cordons
        self.removedCordons = removedCordons
        self.clearances = clearances
        self.removedClearances = removedClearances
        self.throughput = throughput
        self.removedThroughput = removedThroughput
        self.events = events
    }

    package var isEmpty: Bool { self == StateChange() }
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
