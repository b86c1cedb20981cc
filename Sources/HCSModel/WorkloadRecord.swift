/// Something that happened to a workload.
package struct WorkloadEvent: Hashable, Sendable, Codable {
    package enum Kind: String, Codable, Hashable, Sendable {
        case submitted, placed, refused, started, deviceFault, moved, preempted, resized, stopping, ended, deleted
    }

    package var atMilliseconds: Int64
    package var kind: Kind
    package var message: String
    package var device: DeviceID?

    package init(atMilliseconds: Int64, kind: Kind, message: String, device: DeviceID? = nil) {
        self.atMilliseconds = atMilliseconds
        self.kind = kind
        self.message = message
        self.device = device
    }
}

/// Everything the scheduler keeps about a workload; what the store persists.
package struct WorkloadRecord: Hashable, Sendable, Codable {
    package var id: WorkloadID
    package var spec: WorkloadSpec
    package var phase: WorkloadPhase
    /// Starts at 1; +1 at each new start. 0 before the first placement.
    package var attempt: Int
    package var node: String?
    package var grants: [DeviceGrant]
    /// The attempt before, while its processes may still be alive: the present one waits for its end.
    package var previous: PreviousAttempt?
    package var exit: ExitStatus?
    package var message: String
    package var createdMilliseconds: Int64
    package var updatedMilliseconds: Int64
    /// Since when it waits this time; nil = since it was submitted, or by an older store.
    package var queuedMilliseconds: Int64?
    /// Back-off: not placed before this time.
    package var notBeforeMilliseconds: Int64?
    package var failures: Int
    package var deleteRequested: Bool
    /// Newest last, at most `maximumEvents`.
    package var events: [WorkloadEvent]

    package struct PreviousAttempt: Hashable, Sendable, Codable {
        package var node: String
        package var attempt: Int
        package var grants: [DeviceGrant]
        package init(node: String, attempt: Int, grants: [DeviceGrant]) {
            self.node = node
            self.attempt = attempt
            self.grants = grants
        }
    }

    package static let maximumEvents = 64

    package init(id: WorkloadID, spec: WorkloadSpec, createdMilliseconds: Int64) {
        self.id = id
        self.spec = spec
        self.phase = .queued
        self.attempt = 0
        self.node = nil
        self.grants = []
        self.previous = nil
        self.exit = nil
        self.message = "waiting to be placed"
        self.createdMilliseconds = createdMilliseconds
        self.updatedMilliseconds = createdMilliseconds
        self.queuedMilliseconds = nil
        self.notBeforeMilliseconds = nil
        self.failures = 0
        self.deleteRequested = false
        self.events = [WorkloadEvent(atMilliseconds: createdMilliseconds, kind: .submitted, message: "submitted")]
    }

    /// Sets the message and appends the event, dropping the oldest beyond the limit.
    package mutating func note(_ kind: WorkloadEvent.Kind, _ message: String, device: DeviceID? = nil, at now: Int64) {
        self.message = message
        updatedMilliseconds = now
        events.append(WorkloadEvent(atMilliseconds: now, kind: kind, message: message, device: device))
        if events.count > Self.maximumEvents { events.removeFirst(events.count - Self.maximumEvents) }
    }
}

/// A host as the store remembers it between reports.
package struct NodeRecord: Hashable, Sendable, Codable {
    package var name: String
    package var agentVersion: String
    package var bootID: String
    package var host: HostFacts
    package var devices: [Device]
    package var topology: Topology?

    package init(
        name: String, agentVersion: String, bootID: String, host: HostFacts, devices: [Device],
        topology: Topology? = nil
    ) {
        self.name = name
        self.agentVersion = agentVersion
        self.bootID = bootID
        self.host = host
        self.devices = devices
        self.topology = topology
    }
}
