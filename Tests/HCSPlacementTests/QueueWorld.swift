import HCSModel
import HCSPlacement

/// A pool and what is on it, for tests of the queue.
struct QueueWorld {
    var policy = QueuePolicy()
    var book = QueueBook()
    var now: Int64 = 1_000_000
    var nodes: [NodeState] = []
    var queued: [QueuedWork] = []
    var placed: [PlacedWork] = []
    var draining: [DrainingWork] = []
    var failed: [QueueInput.FailedMember] = []
    var decisions: [QueueDecision] = []
    private var next: UInt64 = 1
    private var names: [WorkloadID: String] = [:]

    /// Nodes `n1`, `n2` … of devices with `gibibytes` each.
    init(_ devices: [[UInt64]]) {
        for (n, sizes) in devices.enumerated() {
            nodes.append(
                NodeState(
                    name: "n\(n + 1)",
                    devices: sizes.enumerated().map { d, size in device("n\(n + 1)-\(d)", memory: size) }))
        }
    }

    mutating func id(_ name: String) -> WorkloadID {
        if let known = names.first(where: { $0.value == name }) { return known.key }
        let digits = String(next)
        next += 1
        let text = "00000000-0000-4000-8000-" + String(repeating: "0", count: 12 - digits.count) + digits
        guard let id = WorkloadID(text) else { preconditionFailure("\(text) is a UUID") }
        names[id] = name
        return id
    }

    func name(_ id: WorkloadID) -> String { names[id] ?? "?" }

    mutating func queue(
        _ name: String, _ gibibytes: UInt64, priority: Int = 0, tenant: String = "default", devices: Int = 1,
        gang: Gang? = nil, pool: String? = nil, waited: Int64 = 0, age: Int64 = 0, hasRun: Bool = false,
        isDue: Bool = true
    ) {
        let request = PlacementRequest(
            runtime: .cuda, vram: .gibibytes(gibibytes),
            placement: PlacementSpec(devices: devices, priority: priority, gang: gang, pool: pool, tenant: tenant))
        queued.append(
            QueuedWork(
                id: id(name), name: name, request: request, createdMilliseconds: now - age,
                queuedMilliseconds: now - waited * 1000, isDue: isDue, hasRun: hasRun))
    }

    /// As it is, the youngest of all.
    mutating func queue(_ name: String, _ request: PlacementRequest) {
        queued.append(
            QueuedWork(
                id: id(name), name: name, request: request, createdMilliseconds: now + Int64(queued.count),
                queuedMilliseconds: now))
    }

    mutating func run(
        _ name: String, _ gibibytes: UInt64, on devices: [String], priority: Int = 0, tenant: String = "default",
        gang: Gang? = nil, since: Int64 = 100, mayRestart: Bool = true, ends: Int64? = nil
    ) {
        let node = String(devices[0].prefix { $0 != "-" })
        let request = PlacementRequest(
            runtime: .cuda, vram: .gibibytes(gibibytes),
            placement: PlacementSpec(devices: devices.count, priority: priority, gang: gang, tenant: tenant))
        placed.append(
            PlacedWork(
                id: id(name), name: name, request: request,
                placement: PlacementCycle.Placement(
                    node: node,
                    grants: devices.map {
                        DeviceGrant(device: DeviceID($0), vendor: .nvidia, quota: .gibibytes(gibibytes))
                    }),
                createdMilliseconds: now - since * 1000, sinceMilliseconds: now - since * 1000,
                latestEndMilliseconds: ends.map { now + $0 * 1000 }, mayRestart: mayRestart))
    }

    var input: QueueInput {
        let devices = nodes.flatMap(\.devices)
        var pools: [String: [DeviceID: String]] = [:]
        for node in nodes {
            for device in node.devices {
                pools[node.name, default: [:]][device.device.id] = policy.pool(
                    node: node.name, model: device.device.model)
            }
        }
        return QueueInput(
            queued: queued, placed: placed, draining: draining, failedMembers: failed,
            capacity: Amounts(
                devices: devices.count, vram: devices.reduce(.zero) { $0.adding($1.device.memory) },
                computeMilli: devices.count * 1000), pools: pools, now: now)
    }

    /// With all that is placed and drains.
    var room: PlacementCycle {
        let states = nodes.map { node in
            var node = node
            for d in node.devices.indices {
                node.devices[d].pool = policy.pool(node: node.name, model: node.devices[d].device.model)
            }
            return node
        }
        var room = PlacementCycle(snapshot: ClusterSnapshot(revision: .zero, nodes: states))
        for work in placed { room.reserve(work.placement, using: work.used) }
        for work in draining { room.reserve(work.placement, using: work.used) }
        return room
    }

    /// Runs a cycle and does what it decided; what is preempted drains.
    mutating func cycle(
        nodesLookedAt: Int = QueueCycle.nodesLookedAt, searchLooks: Int = QueueCycle.searchesLimit
    ) {
        var room = room
        decisions = QueueCycle.run(
            input, policy: policy, book: &book, room: &room, nodesLookedAt: nodesLookedAt, searchLooks: searchLooks)
        for decision in decisions {
            switch decision {
            case .place(let id, let placement):
                guard let index = queued.firstIndex(where: { $0.id == id }) else { continue }
                let work = queued.remove(at: index)
                placed.append(
                    PlacedWork(
                        id: id, name: work.name, request: work.request, placement: placement,
                        createdMilliseconds: work.createdMilliseconds, sinceMilliseconds: now))
            case .preempt(let id, _), .regroup(let id, _):
                guard let index = placed.firstIndex(where: { $0.id == id }) else { continue }
                let work = placed.remove(at: index)
                stop(work)
                queued.append(
                    QueuedWork(
                        id: id, name: work.name, request: work.request, createdMilliseconds: work.createdMilliseconds,
                        queuedMilliseconds: now, hasRun: true))
            case .fail(let id, _):
                queued.removeAll { $0.id == id }
                placed.removeAll { $0.id == id }
            case .wait: continue
            }
        }
    }

    /// It is asked to end, as by an order.
    mutating func stop(_ name: String) {
        for work in placed where work.name == name { stop(work) }
        end(name)
    }

    private mutating func stop(_ work: PlacedWork) {
        draining.append(
            DrainingWork(
                id: work.id, tenant: work.request.placement.tenant, placement: work.placement, used: work.used,
                endsByMilliseconds: now + Int64(work.graceSeconds) * 1000))
    }

    /// What drains has ended, after so many seconds.
    mutating func drained(after seconds: Int64 = 5) {
        draining = []
        now += seconds * 1000
    }

    mutating func end(_ names: String...) { placed.removeAll { names.contains($0.name) } }

    // MARK: What was decided

    var placedNow: [String] {
        decisions.compactMap { if case .place(let id, _) = $0 { name(id) } else { nil } }
    }

    var preemptedNow: Set<String> {
        Set(decisions.compactMap { if case .preempt(let id, _) = $0 { name(id) } else { nil } })
    }

    var failedNow: Set<String> { Set(decisions.compactMap { if case .fail(let id, _) = $0 { name(id) } else { nil } }) }

    func wait(_ wanted: String) -> (code: WaitCode, reason: String)? {
        decisions.lazy.compactMap { decision -> (WaitCode, String)? in
            if case .wait(let id, let code, let reason) = decision, name(id) == wanted { (code, reason) } else { nil }
        }.first.map { (code: $0.0, reason: $0.1) }
    }

    func devices(of name: String) -> [String] {
        placed.first { $0.name == name }?.placement.grants.map(\.device.uuid) ?? []
    }
}
