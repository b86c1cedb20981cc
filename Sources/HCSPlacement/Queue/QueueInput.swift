package import HCSModel

/// A workload that waits for a place.
package struct QueuedWork: Hashable, Sendable {
    package var id: WorkloadID
    package var name: String
    package var request: PlacementRequest
    package var createdMilliseconds: Int64
    /// Since when it waits this time.
    package var queuedMilliseconds: Int64
    /// Its back-off is over.
    package var isDue: Bool
    /// It had a place before.
    package var hasRun: Bool

    package init(
        id: WorkloadID, name: String, request: PlacementRequest, createdMilliseconds: Int64, queuedMilliseconds: Int64,
        isDue: Bool = true, hasRun: Bool = false
    ) {
        self.id = id
        self.name = name
        self.request = request
        self.createdMilliseconds = createdMilliseconds
        self.queuedMilliseconds = queuedMilliseconds
        self.isDue = isDue
        self.hasRun = hasRun
    }
}

/// A workload that has a place.
package struct PlacedWork: Equatable, Sendable {
    package var id: WorkloadID
    package var name: String
    package var request: PlacementRequest
    package var placement: PlacementCycle.Placement
    package var createdMilliseconds: Int64
    /// Since when it is there: what a restart would lose.
    package var sinceMilliseconds: Int64
    /// When it ends at the latest, by its own limit; nil = nobody knows.
    package var latestEndMilliseconds: Int64?
    /// Its restart policy lets it be started again.
    package var mayRestart: Bool
    package var graceSeconds: Int
    /// Device memory that its processes free when they end, by the driver's and the segments' count.
    package var used: [DeviceID: ByteCount]

    package init(
        id: WorkloadID, name: String, request: PlacementRequest, placement: PlacementCycle.Placement,
        createdMilliseconds: Int64, sinceMilliseconds: Int64, latestEndMilliseconds: Int64? = nil,
        mayRestart: Bool = true, graceSeconds: Int = 10, used: [DeviceID: ByteCount] = [:]
    ) {
        self.id = id
        self.name = name
        self.request = request
        self.placement = placement
        self.createdMilliseconds = createdMilliseconds
        self.sinceMilliseconds = sinceMilliseconds
        self.latestEndMilliseconds = latestEndMilliseconds
        self.mayRestart = mayRestart
        self.graceSeconds = graceSeconds
        self.used = used
    }
}

/// An attempt that was asked to end and still takes room.
package struct DrainingWork: Equatable, Sendable {
    package var id: WorkloadID
    /// Its limits hold it until it has ended.
    package var tenant: String
    package var placement: PlacementCycle.Placement
    package var used: [DeviceID: ByteCount]
    /// When it is ended by force at the latest. What is there long after that may stay for ever: a process that is stuck in
    /// its driver.
    package var endsByMilliseconds: Int64

    package init(
        id: WorkloadID, tenant: String, placement: PlacementCycle.Placement, used: [DeviceID: ByteCount] = [:],
        endsByMilliseconds: Int64 = .max
    ) {
        self.id = id
        self.tenant = tenant
        self.placement = placement
        self.used = used
        self.endsByMilliseconds = endsByMilliseconds
    }
}

/// Everything that a cycle of the queue decides on.
package struct QueueInput: Sendable {
    package var queued: [QueuedWork]
    package var placed: [PlacedWork]
    /// Attempts that were asked to end and still take room.
    package var draining: [DrainingWork]
    /// Members of gangs that failed for good.
    package var failedMembers: [FailedMember]
    /// Of all devices and hosts.
    package var capacity: Amounts
    /// The pool of each device that is in one.
    package var pools: [String: [DeviceID: String]]
    /// Wall clock, milliseconds.
    package var now: Int64
    /// `queued` has only what is new; the others keep what they have.
    package var isPartial = false

    package struct FailedMember: Hashable, Sendable {
        package var gang: GangKey
        package var name: String
        package var reason: String
        package var atMilliseconds: Int64

        package init(gang: GangKey, name: String, reason: String, atMilliseconds: Int64) {
            self.gang = gang
            self.name = name
            self.reason = reason
            self.atMilliseconds = atMilliseconds
        }
    }

    package init(
        queued: [QueuedWork], placed: [PlacedWork], draining: [DrainingWork] = [], failedMembers: [FailedMember] = [],
        capacity: Amounts, pools: [String: [DeviceID: String]] = [:], now: Int64
    ) {
        self.queued = queued
        self.placed = placed
        self.draining = draining
        self.failedMembers = failedMembers
        self.capacity = capacity
        self.pools = pools
        self.now = now
    }
}

package struct GangKey: Hashable, Sendable, Comparable {
    package var tenant: String
    package var name: String

    package init(tenant: String, name: String) {
        self.tenant = tenant
        self.name = name
    }

    /// nil for work that is in no gang.
    package init?(_ request: PlacementRequest) {
        guard let gang = request.placement.gang else { return nil }
        self.init(tenant: request.placement.tenant, name: gang.name)
    }

    package static func < (a: GangKey, b: GangKey) -> Bool { (a.tenant, a.name) < (b.tenant, b.name) }
}

/// What is placed, waits and is preempted as one: a workload, or all of a gang.
package enum UnitKey: Hashable, Sendable, Comparable {
    case single(WorkloadID)
    case gang(GangKey)

    package init(_ id: WorkloadID, _ request: PlacementRequest) {
        self = GangKey(request).map(UnitKey.gang) ?? .single(id)
    }

    package static func < (a: UnitKey, b: UnitKey) -> Bool {
        switch (a, b) {
        case (.single(let a), .single(let b)): a < b
        case (.gang(let a), .gang(let b)): a < b
        case (.single, .gang): true
        case (.gang, .single): false
        }
    }
}

/// Work that is placed together or not at all.
package struct QueueUnit: Hashable, Sendable {
    package var key: UnitKey
    /// By age.
    package var members: [QueuedWork]

    package var tenant: String { members[0].request.placement.tenant }
    /// The highest of its members'.
    package var priority: Int { members.reduce(Int.min) { max($0, $1.request.placement.priority) } }
    package var createdMilliseconds: Int64 { members[0].createdMilliseconds }
    /// A gang waits for room since its last member came.
    package var queuedMilliseconds: Int64 { members.reduce(Int64.min) { max($0, $1.queuedMilliseconds) } }
    package var isDue: Bool { members.allSatisfy(\.isDue) }
    package var requests: [PlacementRequest] { members.map(\.request) }
    /// Equal for units that ask for the same.
    var asked: [PlacementRequest] { members.map(\.request.ofAnyGang) }
    /// For people: the workload's name, or the gang's.
    package var name: String {
        if case .gang(let gang) = key { return "gang \(gang.name)" }
        return members[0].name
    }
}

extension PlacementRequest {
    /// Whichever gang of this size it belongs to.
    var ofAnyGang: PlacementRequest {
        guard let gang = placement.gang else { return self }
        var request = self
        request.placement.gang = Gang(name: "", size: gang.size)
        return request
    }
}

/// What the queue decided about one workload.
package enum QueueDecision: Equatable, Sendable {
    case place(WorkloadID, PlacementCycle.Placement)
    /// Its attempt is to end and it waits again.
    case preempt(WorkloadID, reason: String)
    /// As `preempt`, for the reason that another member of its gang was lost.
    case regroup(WorkloadID, reason: String)
    /// It has failed for good.
    case fail(WorkloadID, reason: String)
    /// Why it waits; `code` for programs.
    case wait(WorkloadID, WaitCode, reason: String)
}

package enum WaitCode: String, Codable, Hashable, Sendable, CaseIterable {
    case room, quota, gang, backoff, policy
    /// Room is being made or kept for it.
    case preempting, reserved
}
