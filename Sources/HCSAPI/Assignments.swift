package import HCSModel

/// What a node should run: `GET /v1/nodes/{name}/assignments?after=REVISION&wait=SECONDS`. The whole set, always.
package struct NodeAssignments: Hashable, Sendable, Codable {
    package var node: String
    package var revision: Revision
    package var workloads: [Assignment]
    /// Until the node's report tells what became of them; nil where there are none.
    package var clearances: [Clearance]?
    /// Of the node and of its devices: it leases nothing that is cordoned. nil where nothing is, and from an older
    /// scheduler.
    package var cordons: [Cordon]?

    package init(
        node: String, revision: Revision, workloads: [Assignment], clearances: [Clearance]? = nil,
        cordons: [Cordon]? = nil
    ) {
        self.node = node
        self.revision = revision
        self.workloads = workloads
        self.clearances = clearances
        self.cordons = cordons
    }
}

/// One workload's order. Of a workload in the set, every attempt but the one to run is stopped. A workload that the agent
/// runs and the set does not name is left alone and reported: a scheduler that lost its store must not end anything.
package struct Assignment: Hashable, Sendable, Codable {
    package enum Desired: String, Codable, Hashable, Sendable { case run, stop }

    package var id: WorkloadID
    package var attempt: Int
    package var desired: Desired
    package var spec: WorkloadSpec
    package var grants: [DeviceGrant]

    package init(id: WorkloadID, attempt: Int, desired: Desired, spec: WorkloadSpec, grants: [DeviceGrant]) {
        self.id = id
        self.attempt = attempt
        self.desired = desired
        self.spec = spec
        self.grants = grants
    }
}
