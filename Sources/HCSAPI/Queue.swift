package import HCSModel

/// `GET /v1/queue`: what waits, in the order in which it would be served now, and what the tenants have.
package struct QueueView: Hashable, Sendable, Codable {
    package struct Entry: Hashable, Sendable, Codable {
        /// From 1; the members of a gang share one. nil = not in line: in back-off, or its gang is not complete.
        package var position: Int?
        package var workload: WorkloadID
        package var name: String
        package var tenant: String
        package var priority: Int
        package var gang: Gang?
        package var pool: String?
        package var queuedMilliseconds: Int64
        /// What it waits for: `room`, `quota`, `gang`, `backoff`, `policy`, `preempting`, `reserved`.
        package var code: String
        package var reason: String

        package init(
            position: Int?, workload: WorkloadID, name: String, tenant: String, priority: Int, gang: Gang?,
            pool: String?, queuedMilliseconds: Int64, code: String, reason: String
        ) {
            self.position = position
            self.workload = workload
            self.name = name
            self.tenant = tenant
            self.priority = priority
            self.gang = gang
            self.pool = pool
            self.queuedMilliseconds = queuedMilliseconds
            self.code = code
            self.reason = reason
        }
    }

    /// Compute and CPU in thousandths of devices and cores.
    package struct Use: Hashable, Sendable, Codable {
        package var devices: Int
        package var vram: ByteCount
        package var computeMilli: Int
        package var cpuMilli: Int
        package var memory: ByteCount

        package init(devices: Int, vram: ByteCount, computeMilli: Int, cpuMilli: Int, memory: ByteCount) {
            self.devices = devices
            self.vram = vram
            self.computeMilli = computeMilli
            self.cpuMilli = cpuMilli
            self.memory = memory
        }
    }

    package struct Tenant: Hashable, Sendable, Codable {
        package var name: String
        package var weight: Double
        /// The largest part of any resource of the pool that it has, 0 to 1.
        package var dominantShare: Double
        package var use: Use
        /// It has more than it is guaranteed.
        package var borrows: Bool
        package var queued: Int
        package var placed: Int

        package init(
            name: String, weight: Double, dominantShare: Double, use: Use, borrows: Bool, queued: Int, placed: Int
        ) {
            self.name = name
            self.weight = weight
            self.dominantShare = dominantShare
            self.use = use
            self.borrows = borrows
            self.queued = queued
            self.placed = placed
        }
    }

    package var items: [Entry]
    package var tenants: [Tenant]
    /// The scheduler's wall clock.
    package var atMilliseconds: Int64
    package var revision: Revision

    package init(items: [Entry], tenants: [Tenant], atMilliseconds: Int64, revision: Revision) {
        self.items = items
        self.tenants = tenants
        self.atMilliseconds = atMilliseconds
        self.revision = revision
    }
}

/// `GET /v1/queue/policy`.
package struct QueuePolicyView: Hashable, Sendable, Codable {
    /// In the form of scheduler.yaml, defaults filled in.
    package var yaml: String
    /// The file that it was read from; nil = there is none.
    package var file: String?

    package init(yaml: String, file: String?) {
        self.yaml = yaml
        self.file = file
    }
}

/// `POST /v1/defragmentation`. Strict: an unknown field is an error.
package struct DefragmentationRequest: Hashable, Sendable, Codable {
    /// Name or id of a workload that waits; nil = the first in line that moves would help.
    package var workload: String?
    /// Carries the plan out, where the policy allows it.
    package var run: Bool
    /// As the caller names itself.
    package var by: String

    package init(workload: String? = nil, run: Bool, by: String) {
        self.workload = workload
        self.run = run
        self.by = by
    }

    package enum CodingKeys: String, CodingKey, CaseIterable { case workload, run, by }

    package init(from decoder: any Decoder) throws {
        try decoder.rejectUnknownKeys(CodingKeys.self)
        let c = try decoder.container(keyedBy: CodingKeys.self)
        workload = try c.decodeIfPresent(String.self, forKey: .workload)
        run = try c.decodeIfPresent(Bool.self, forKey: .run) ?? false
        by = try c.decode(String.self, forKey: .by)
    }

    package func validate() throws(ModelError) { try FleetText.check("by", by, atMost: APILimits.caller) }
}

package struct DefragmentationView: Hashable, Sendable, Codable {
    package struct Place: Hashable, Sendable, Codable {
        package var node: String
        package var devices: [DeviceID]

        package init(node: String, devices: [DeviceID]) {
            self.node = node
            self.devices = devices
        }
    }

    package struct Move: Hashable, Sendable, Codable {
        package var workload: WorkloadID
        package var name: String
        package var from: Place
        package var to: Place
        /// How long it has run: it starts again.
        package var runMilliseconds: Int64

        package init(workload: WorkloadID, name: String, from: Place, to: Place, runMilliseconds: Int64) {
            self.workload = workload
            self.name = name
            self.from = from
            self.to = to
            self.runMilliseconds = runMilliseconds
        }
    }

    /// The workload or gang that the plan is for.
    package var target: String?
    package var moves: [Move]
    /// Where the target's workloads go once the moves are done.
    package var then: [Place]
    /// No smaller plan exists; without moves: none exists.
    package var isProven: Bool
    package var isRunning: Bool
    package var summary: String

    package init(
        target: String?, moves: [Move], then: [Place], isProven: Bool, isRunning: Bool, summary: String
    ) {
        self.target = target
        self.moves = moves
        self.then = then
        self.isProven = isProven
        self.isRunning = isRunning
        self.summary = summary
    }
}
