package import HCSAPI
package import HCSModel
import HCSPlacement

extension ClusterState {
    /// Finds what `text` names: a node, or a device by its UUID or a beginning of at least 4 characters that no other
    /// has.
    func resolve(_ text: String, node: String?) throws(APIProblem) -> Cordon.Target {
        if node == nil, nodes[text] != nil { return Cordon.Target(node: text) }
        let found = try device(text, node: node)
        return Cordon.Target(node: found.node, device: found.device)
    }

    func device(_ text: String, node: String?) throws(APIProblem) -> DeviceKey {
        let wanted = text.lowercased()
        let all = nodes.values.filter { node == nil || $0.record.name == node }.flatMap { entry in
            reports(of: entry).map { DeviceKey(node: entry.record.name, device: $0.device.id) }
        }
        let exact = all.filter { $0.device.uuid.lowercased() == wanted }
        let found =
            exact.isEmpty && wanted.count >= 4 ? all.filter { $0.device.uuid.lowercased().hasPrefix(wanted) } : exact
        guard let first = found.min() else {
            throw .notFound("no node or device '\(text)'\(node.map { " on node \($0)" } ?? ""): see `hcs devices`")
        }
        guard found.count == 1 else {
            let names = found.sorted().prefix(4).map { "\($0.device) on \($0.node)" }.joined(separator: ", ")
            throw .badRequest(
                "'\(text)' could be any of \(found.count) devices (\(names)): give more of it, or the node")
        }
        return first
    }

    /// The cordon that keeps work off a device: its own, else its node's.
    func cordon(on key: DeviceKey) -> Cordon? {
        cordons[Cordon.Target(node: key.node, device: key.device)] ?? cordons[Cordon.Target(node: key.node)]
    }

    // MARK: Orders

    /// Takes a node or a device out of service. A second one replaces the first, so it also ends or begins a drain.
    package mutating func cordon(_ request: CordonRequest, monotonic: Int64, now: Int64) throws(APIProblem)
        -> Cordon.Target
    {
        do { try request.validate() } catch { throw .badRequest(error.message) }
        let target = try resolve(request.target, node: request.node)
        guard cordons[target] != nil || cordons.count < APILimits.cordons else {
            throw .tooMany("\(cordons.count) cordons stand: lift some")
        }
        set(
            Cordon(
                target: target, reason: request.reason, by: request.by, atMilliseconds: now, drains: request.drain),
            on: target)
        emit(order(request.drain ? .drainStarted : .cordoned, target, request.reason, by: request.by, now: now))
        // Others may now be free of what this one would have taken; a drain begins at once.
        scheduleSoon(monotonic: monotonic, now: now)
        return target
    }

    /// Lifts an operator's cordon and nothing else: what health blocks stays blocked.
    package mutating func uncordon(_ request: UncordonRequest, monotonic: Int64, now: Int64) throws(APIProblem)
        -> UncordonResult
    {
        do { try request.validate() } catch { throw .badRequest(error.message) }
        let target = try resolve(request.target, node: request.node)
        guard cordons[target] != nil else {
            let others = obstacles(to: target, monotonic: monotonic)
            let rest = others.isEmpty ? "" : ". It gets no work for another reason: \(others.joined(separator: "; "))"
            throw .conflict("nobody cordoned \(target)\(rest)")
        }
        set(nil, on: target)
        emit(order(.uncordoned, target, "in service again", by: request.by, now: now))
        scheduleSoon(monotonic: monotonic, now: now)
        return UncordonResult(target: target, remaining: obstacles(to: target, monotonic: monotonic))
    }

    private func order(_ kind: FleetEvent.Kind, _ target: Cordon.Target, _ message: String, by: String, now: Int64)
        -> FleetEvent
    {
        FleetEvent(
            atMilliseconds: now, kind: kind, severity: .info, node: target.node, device: target.device,
            message: message,
            simulated: target.device.map { isSimulated(DeviceKey(node: target.node, device: $0)) } ?? false, by: by)
    }

    /// Why devices of a target get no work.
    private func obstacles(to target: Cordon.Target, monotonic: Int64) -> [String] {
        guard let entry = nodes[target.node] else { return [] }
        if let why = notReady(entry, monotonic: monotonic) { return ["node \(target.node) is not ready: \(why)"] }
        var obstacles: [String] = []
        if target.device != nil, let cordon = cordons[Cordon.Target(node: target.node)] {
            obstacles.append("its node is cordoned by \(cordon.by): \(cordon.reason)")
        }
        for seen in reports(of: entry) where target.device == nil || target.device == seen.device.id {
            let own = Cordon.Target(node: target.node, device: seen.device.id)
            if own != target, let cordon = cordons[own] {
                obstacles.append("\(seen.device.id) is cordoned by \(cordon.by): \(cordon.reason)")
            }
            if let blocked = seen.blocked {
                obstacles.append("\(seen.device.id) is not offered by its agent: \(blocked)")
            }
            if !seen.health.band.acceptsWork {
                let why = seen.health.reasons.first.map { ": \($0.detail)" } ?? ""
                obstacles.append("\(seen.device.id) has health \(seen.health.band.rawValue)\(why)")
            }
        }
        return obstacles
    }

    // MARK: Drain

    /// Moves what can move off devices that are drained, as soon as other devices take it: nothing is ended that has
    /// nowhere to go. A gang moves as a whole.
    mutating func drain(monotonic: Int64, now: Int64) {
        guard cordons.values.contains(where: \.drains) else { return }
        let units = Dictionary(grouping: workloads.values.filter { $0.phase == .assigned || $0.phase == .running }) {
            UnitKey($0.id, PlacementRequest($0.spec))
        }.values.filter { members in
            members.contains { drainedDevice(under: $0) != nil } && members.allSatisfy { $0.spec.restart != .never }
        }.map { members in
            members.sorted { ($0.createdMilliseconds, $0.id) < ($1.createdMilliseconds, $1.id) }
        }.sorted { ($0[0].createdMilliseconds, $0[0].id) < ($1[0].createdMilliseconds, $1[0].id) }
        if !units.isEmpty {
            var room = takeRoom(monotonic: monotonic)
            for placement in book.held { room.cycle.reserve(placement) }
            var use = QuotaUse(policy: policy, input: queueInput(now: now))
            var refused: Set<[PlacementRequest]> = []
            var looks = QueueCycle.searchLimit
            for members in units {
                let requests = members.map { PlacementRequest($0.spec) }
                guard let (device, cordon) = members.compactMap(drainedDevice).first, looks > 0,
                    !refused.contains(requests)
                else {
                    continue
                }
                // What moves leaves its tenant's account first.
                var less = use
                let tenant = members[0].spec.placement.tenant
                let places = members.map { record in record.node.map { placement(of: record, record.grants, on: $0) } }
                for case let place? in places { less.remove(place, of: tenant) }
                room.cycle.quota = less
                guard let placements = QueueCycle.fit(requests, in: &room.cycle, looks: &looks) else {
                    refused.insert(requests)
                    continue
                }
                use = less
                for (record, place) in zip(members, places) {
                    if let place { use.end(place, of: record.id, tenant) }
                }
                for (record, placement) in zip(members, placements) {
                    room.cycle.reserve(placement)
                    use.add(placement, of: tenant)
                    use.succeed(record.id, with: placement)
                    let own = drainedDevice(under: record)?.0 ?? record.grants.first?.device ?? device
                    move(
                        record, to: placement, off: own, reason: "moved off, drained by \(cordon.by): \(cordon.reason)",
                        now: now)
                }
            }
            room.cycle.quota = nil
            keptRoom = room
        }
        for cordon in cordons.values.sorted(by: { $0.target < $1.target }) { noteIfDrained(cordon, now: now) }
    }

    /// Ends the present attempt and starts the next where room was found for it.
    mutating func move(
        _ record: WorkloadRecord, to placement: PlacementCycle.Placement, off device: DeviceID?, reason: String,
        now: Int64
    ) {
        let leaving = Reconciler.requeued(record, .moved, reason, device: device, now: now)
        update(leaving)
        update(Reconciler.placed(leaving, on: placement, now: now))
    }

    private func drainedDevice(under record: WorkloadRecord) -> (DeviceID, Cordon)? {
        guard record.phase == .assigned || record.phase == .running, let node = record.node else { return nil }
        for grant in record.grants {
            let targets = [Cordon.Target(node: node, device: grant.device), Cordon.Target(node: node)]
            if let cordon = targets.lazy.compactMap({ cordons[$0] }).first(where: \.drains) {
                return (grant.device, cordon)
            }
        }
        return nil
    }

    private mutating func noteIfDrained(_ cordon: Cordon, now: Int64) {
        guard cordon.drains, cordon.drainedMilliseconds == nil, nodes[cordon.target.node]?.report != nil,
            occupants(of: cordon).isEmpty
        else { return }
        var done = cordon
        done.drainedMilliseconds = now
        set(done, on: cordon.target)
        emit(order(.drained, cordon.target, "nothing is left on it", by: cordon.by, now: now))
    }

    // MARK: Views

    package func cordonViews() -> [CordonView] {
        cordons.values.sorted { $0.target < $1.target }.map { CordonView(cordon: $0, occupants: occupants(of: $0)) }
    }

    /// What is still on the devices of a cordon.
    private func occupants(of cordon: Cordon) -> [CordonView.Occupant] {
        let target = cordon.target
        func covers(_ node: String?, _ device: DeviceID) -> Bool {
            node == target.node && (target.device == nil || target.device == device)
        }
        var result: [CordonView.Occupant] = []
        for record in workloads.values {
            for grant in record.previous?.grants ?? [] where covers(record.previous?.node, grant.device) {
                result.append(
                    .init(
                        workload: record.id, name: record.spec.name, device: grant.device, stays: false,
                        why: "attempt \(record.previous?.attempt ?? 0) is being ended here"))
            }
            for grant in record.grants where !record.phase.hasEnded && covers(record.node, grant.device) {
                let stays = record.spec.restart == .never && record.phase != .stopping
                let why =
                    record.phase == .stopping
                    ? "it is being ended"
                    : stays
                        ? "its restart policy is never: it stays until it ends"
                        : cordon.drains ? "no other device takes it now" : "it was not asked to move"
                result.append(
                    .init(workload: record.id, name: record.spec.name, device: grant.device, stays: stays, why: why))
            }
        }
        return (result + strangers(on: covers, of: target.node)).sorted {
            ($0.name, $0.workload, $0.device) < ($1.name, $1.workload, $1.device)
        }
    }

    /// What an agent runs that is not this scheduler's to move.
    private func strangers(on covers: (String?, DeviceID) -> Bool, of node: String) -> [CordonView.Occupant] {
        guard let report = nodes[node]?.report else { return [] }
        let unknown = report.workloads.filter { $0.phase != .ended && workloads[$0.id] == nil }.flatMap { seen in
            seen.usage.filter { covers(node, $0.device) }.map { usage in
                CordonView.Occupant(
                    workload: seen.id, name: seen.id.text, device: usage.device, stays: true,
                    why: "this scheduler does not know it")
            }
        }
        let leases = (report.leases ?? []).filter { covers(node, $0.grant.device) }.map { lease in
            CordonView.Occupant(
                workload: lease.id, name: lease.name ?? lease.id.text, device: lease.grant.device, stays: true,
                why: "`hcs run` of user \(lease.uid), process \(lease.pid): it stays until it ends")
        }
        return unknown + leases
    }
}
