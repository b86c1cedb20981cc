import HCSAPI
import HCSModel
package import HCSPlacement

/// The queue's core over the scheduler's records.
extension ClusterState {
    package var policy: QueuePolicy { settings.queue }

    /// Places what is queued, and ends what makes room for it.
    /// - Parameter focus: the only ones that are tried, because for the others nothing has changed.
    mutating func runQueue(focus: Set<WorkloadID>? = nil, monotonic: Int64, now: Int64) {
        let hadNews = hasNewsForQueue && focus != nil
        defer { hasNewsForQueue = hadNews }
        let input = queueInput(focus: focus, now: now)
        guard !input.queued.isEmpty || !input.failedMembers.isEmpty else {
            book = QueueBook()
            return
        }
        var room = takeRoom(monotonic: monotonic)
        let decisions = QueueCycle.run(input, policy: policy, book: &book, room: &room.cycle)
        keptRoom = room
        for decision in decisions { apply(decision, now: now) }
    }

    private mutating func apply(_ decision: QueueDecision, now: Int64) {
        switch decision {
        case .place(let id, let placement):
            guard let record = workloads[id] else { return }
            update(Reconciler.placed(record, on: placement, now: now))
        case .preempt(let id, let reason):
            guard let record = workloads[id] else { return }
            update(Reconciler.requeued(record, .preempted, reason, now: now))
        case .regroup(let id, let reason):
            guard let record = workloads[id] else { return }
            update(Reconciler.requeued(record, .moved, reason, now: now))
        case .fail(let id, let reason):
            guard let record = workloads[id] else { return }
            update(Reconciler.abandoned(record, reason, now: now))
        case .wait(let id, let code, let reason):
            guard var record = workloads[id] else { return }
            waits[id] = code
            guard record.message != reason else { return }
            record.note(.refused, reason, at: now)
            update(record)
        }
    }

    // MARK: What the queue sees

    /// - Parameter focus: what is looked at of what waits; nil = all of it.
    func queueInput(focus: Set<WorkloadID>? = nil, now: Int64) -> QueueInput {
        let used = usedByWorkload()
        var input = QueueInput(queued: [], placed: [], capacity: capacity(), pools: devicePools(), now: now)
        input.isPartial = focus != nil
        for record in workloads.values {
            if let previous = record.previous {
                input.draining.append(
                    DrainingWork(
                        id: record.id, tenant: record.spec.placement.tenant,
                        placement: placement(of: record, previous.grants, on: previous.node),
                        used: used[record.id]?[previous.attempt] ?? [:], endsByMilliseconds: endsBy(record)))
            }
            switch record.phase {
            case .queued where focus?.contains(record.id) == false: continue
            case .queued: input.queued.append(queuedWork(record, now: now))
            case .assigned, .running:
                guard let node = record.node else { continue }
                input.placed.append(
                    placedWork(record, on: node, used: used[record.id]?[record.attempt] ?? [:]))
            case .stopping:
                guard let node = record.node else { continue }
                input.draining.append(
                    DrainingWork(
                        id: record.id, tenant: record.spec.placement.tenant,
                        placement: placement(of: record, record.grants, on: node),
                        used: used[record.id]?[record.attempt] ?? [:], endsByMilliseconds: endsBy(record)))
            case .failed:
                guard let gang = GangKey(PlacementRequest(record.spec)) else { continue }
                input.failedMembers.append(
                    .init(
                        gang: gang, name: record.spec.name, reason: record.exit?.description ?? "ended",
                        atMilliseconds: record.updatedMilliseconds))
            case .succeeded, .deleted: continue
            }
        }
        input.queued.sort { ($0.createdMilliseconds, $0.id) < ($1.createdMilliseconds, $1.id) }
        input.placed.sort { $0.id < $1.id }
        input.draining.sort { ($0.id, $0.placement.node) < ($1.id, $1.placement.node) }
        input.failedMembers.sort { ($0.atMilliseconds, $0.name) < ($1.atMilliseconds, $1.name) }
        return input
    }

    /// When an attempt that was asked to end is ended by force.
    private func endsBy(_ record: WorkloadRecord) -> Int64 {
        let ways: Set<WorkloadEvent.Kind> = [.stopping, .preempted, .moved, .deviceFault, .ended, .deleted]
        let asked = record.events.last { ways.contains($0.kind) }?.atMilliseconds ?? record.updatedMilliseconds
        return asked + Int64(record.spec.graceSeconds) * 1000
    }

    private func queuedWork(_ record: WorkloadRecord, now: Int64) -> QueuedWork {
        QueuedWork(
            id: record.id, name: record.spec.name, request: PlacementRequest(record.spec),
            createdMilliseconds: record.createdMilliseconds,
            queuedMilliseconds: record.queuedMilliseconds ?? record.createdMilliseconds,
            isDue: Reconciler.isDue(record, now: now), hasRun: record.attempt > 0)
    }

    private func placedWork(_ record: WorkloadRecord, on node: String, used: [DeviceID: ByteCount]) -> PlacedWork {
        let since =
            record.events.last { [.started, .placed, .moved].contains($0.kind) }?.atMilliseconds
            ?? record.updatedMilliseconds
        let limit = record.phase == .running ? record.spec.maximumRunSeconds : nil
        return PlacedWork(
            id: record.id, name: record.spec.name, request: PlacementRequest(record.spec),
            placement: placement(of: record, record.grants, on: node),
            createdMilliseconds: record.createdMilliseconds, sinceMilliseconds: since,
            latestEndMilliseconds: limit.map { since + Int64($0) * 1000 }, mayRestart: record.spec.restart != .never,
            graceSeconds: record.spec.graceSeconds, used: used)
    }

    func placement(of record: WorkloadRecord, _ grants: [DeviceGrant], on node: String) -> PlacementCycle.Placement {
        PlacementCycle.Placement(
            node: node, grants: grants, cpuMilli: record.spec.placement.cpuMilli,
            memory: record.spec.placement.memory, group: PlacementRequest(record.spec).spreadGroup)
    }

    /// Device memory in use by attempt, from the segments.
    private func usedByWorkload() -> [WorkloadID: [Int: [DeviceID: ByteCount]]] {
        var result: [WorkloadID: [Int: [DeviceID: ByteCount]]] = [:]
        for entry in nodes.values {
            for seen in entry.report?.workloads ?? [] where seen.phase != .ended {
                for usage in seen.usage {
                    result[seen.id, default: [:]][seen.attempt, default: [:]][usage.device] =
                        usage.used.adding(usage.overhead ?? .zero)
                }
            }
        }
        return result
    }

    private func capacity() -> Amounts {
        nodes.values.reduce(.zero) { sum, entry in
            let host = entry.report?.host ?? entry.record.host
            let devices = entry.record.devices
            return sum
                + Amounts(
                    devices: devices.count, vram: devices.reduce(.zero) { $0.adding($1.memory) },
                    computeMilli: devices.count * DeviceState.wholeCompute, cpuMilli: Self.cpuMilli(of: host),
                    memory: host.memory)
        }
    }

    private func devicePools() -> [String: [DeviceID: String]] {
        guard !policy.pools.isEmpty else { return [:] }
        return nodes.mapValues { entry in
            var pools: [DeviceID: String] = [:]
            for device in entry.record.devices {
                pools[device.id] = policy.pool(node: entry.record.name, model: device.model)
            }
            return pools
        }
    }

    // MARK: What is taken in

    /// Refuses a member too many of a gang, or one that says another size.
    func checkGang(of spec: WorkloadSpec) throws(APIProblem) {
        guard let gang = spec.placement.gang, let key = GangKey(PlacementRequest(spec)) else { return }
        let members = workloads.values.filter { !$0.phase.hasEnded && GangKey(PlacementRequest($0.spec)) == key }
        if let other = members.first(where: { $0.spec.placement.gang?.size != gang.size }) {
            throw .conflict(
                "gang '\(gang.name)' of tenant \(key.tenant) has size \(other.spec.placement.gang?.size ?? 0) by member "
                    + "'\(other.spec.name)', not \(gang.size)")
        }
        let isTogether = spec.placement.interconnect == .sameNode
        if let other = members.first(where: { ($0.spec.placement.interconnect == .sameNode) != isTogether }) {
            let words = ["asks for", "does not ask for"]
            throw .conflict(
                "member '\(other.spec.name)' of gang '\(gang.name)' \(words[isTogether ? 1 : 0]) interconnect same-node, "
                    + "this one \(isTogether ? "does" : "does not"): all go to one node or none has to")
        }
        // Its node was chosen for the others.
        if isTogether, let other = members.first(where: { $0.attempt > 0 }) {
            throw .conflict(
                "gang '\(gang.name)' goes to one node and was started with '\(other.spec.name)': nobody joins it any more"
            )
        }
        guard members.count < gang.size else {
            throw .conflict("gang '\(gang.name)' of tenant \(key.tenant) has its \(gang.size) members")
        }
    }

    /// Why a tenant may not have more beside what it has, wherever it is; nil = it may.
    func limitObjection(to more: Amounts, for tenant: String) -> String? {
        QuotaUse(policy: policy, input: queueInput(focus: [], now: 0)).objection(to: more, for: tenant)
    }

    /// Why a workload's tenant may not have it with another quota, over everything or in a pool; nil = it may.
    func limitObjection(to change: WorkloadChange, of record: WorkloadRecord) -> String? {
        guard let node = record.node else { return nil }
        var use = QuotaUse(policy: policy, input: queueInput(focus: [], now: 0))
        var raised = placement(of: record, record.grants, on: node)
        use.remove(raised, of: record.spec.placement.tenant)
        for i in raised.grants.indices { raised.grants[i].quota = change.vram }
        return use.objection(to: raised, of: record.spec.placement.tenant)
    }
}

extension ClusterState {
    /// The room as one more request finds it: beside what is kept for other units, within its tenant's quota.
    package mutating func openRoom(for key: UnitKey? = nil, monotonic: Int64) -> PlacementCycle {
        var room = placementCycle(monotonic: monotonic)
        let input = queueInput(focus: [], now: 0)
        // Its own last attempts end before it starts.
        let own = input.draining.map(\.id).filter { id in
            key != nil && workloads[id].map { UnitKey(id, PlacementRequest($0.spec)) } == key
        }
        var use = QuotaUse(policy: policy, input: input).onceEnded(own)
        for (other, claim) in book.claims where other != key {
            for placement in claim.placements {
                room.reserve(placement)
                use.keep(placement, of: claim.tenant)
            }
        }
        room.quota = use
        return room
    }
}
