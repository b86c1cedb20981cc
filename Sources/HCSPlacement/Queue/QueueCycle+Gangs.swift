import HCSModel

extension QueueCycle {
    /// The units that wait for room. A gang is one when its members are all here, or when it had places before; one of
    /// which a member was lost is stopped and waits as a whole; one of which a member failed has failed.
    mutating func gather() -> [QueueUnit] {
        var units: [QueueUnit] = []
        var gangs: [GangKey: [QueuedWork]] = [:]
        for work in input.queued {
            if let gang = GangKey(work.request) {
                gangs[gang, default: []].append(work)
            } else {
                units.append(QueueUnit(key: .single(work.id), members: [work]))
            }
        }
        let placedGangs = Dictionary(grouping: placed.filter { GangKey($0.request) != nil }) { GangKey($0.request) }
        let failed = Dictionary(grouping: input.failedMembers, by: \.gang)
        var lost: Set<WorkloadID> = []
        for (key, members) in failed.sorted(by: { $0.key < $1.key }) {
            let rest = failWhole(members, queued: gangs[key] ?? [], placed: placedGangs[key] ?? [], lost: &lost)
            gangs[key] = rest.isEmpty ? nil : rest
        }
        for (key, members) in gangs.sorted(by: { $0.key < $1.key }) {
            let others = (placedGangs[key] ?? []).filter { !lost.contains($0.id) }
            if let unit = unit(key, members, placed: others) { units.append(unit) }
        }
        return units
    }

    /// Answers the members that are not touched by the failures: they came later.
    private mutating func failWhole(
        _ failed: [QueueInput.FailedMember], queued: [QueuedWork], placed: [PlacedWork], lost: inout Set<WorkloadID>
    ) -> [QueuedWork] {
        func cause(_ created: Int64) -> String? {
            failed.first { $0.atMilliseconds >= created }.map {
                "its gang \($0.gang.name) lost member \($0.name): \($0.reason)"
            }
        }
        let failing = placed.filter { cause($0.createdMilliseconds) != nil }
        for work in failing { decisions.append(.fail(work.id, reason: cause(work.createdMilliseconds) ?? "")) }
        forget(failing)
        lost.formUnion(failing.map(\.id))
        return queued.filter { work in
            guard let why = cause(work.createdMilliseconds) else { return true }
            decisions.append(.fail(work.id, reason: why))
            return false
        }
    }

    private mutating func unit(_ key: GangKey, _ queued: [QueuedWork], placed: [PlacedWork]) -> QueueUnit? {
        guard let gang = queued.first?.request.placement.gang else { return nil }
        let members = queued.sorted { ($0.createdMilliseconds, $0.id) < ($1.createdMilliseconds, $1.id) }
        let unit = QueueUnit(key: .gang(key), members: members)
        if let first = members.first(where: \.hasRun), !placed.isEmpty {
            for work in placed {
                decisions.append(.regroup(work.id, reason: "its gang \(key.name) lost member \(first.name)"))
            }
            forget(placed)
            let why = "gang \(key.name) lost member \(first.name): all of it is stopped and starts again together"
            wait(unit, .gang, why)
            return nil
        }
        if members.contains(where: \.hasRun) || !placed.isEmpty || members.count >= gang.size { return unit }
        let oldest = members.reduce(Int64.max) { min($0, $1.queuedMilliseconds) }
        let timeout = members.reduce(0) { max($0, $1.request.placement.gang?.timeoutSeconds ?? 0) }
        let left = Int64(timeout) - (input.now - oldest) / 1000
        let here = "\(members.count) of \(gang.size) members of gang \(key.name) are here"
        guard left > 0 else {
            decisions += members.map { .fail($0.id, reason: "\(here) after \(timeout) s: refused") }
            return nil
        }
        wait(unit, .gang, "\(here); refused where they are not complete within \(timeout) s")
        return nil
    }

    /// They are asked to end: their room is free later and their tenants' limits too, their tenants' shares now.
    mutating func forget(_ works: [PlacedWork]) {
        guard !works.isEmpty else { return }
        let ids = Set(works.map(\.id))
        placed.removeAll { ids.contains($0.id) }
        for work in works {
            let tenant = work.request.placement.tenant
            draining.append(
                DrainingWork(
                    id: work.id, tenant: tenant, placement: work.placement, used: work.used,
                    endsByMilliseconds: input.now + Int64(work.graceSeconds) * 1000))
            use.remove(work.placement, of: tenant)
            use.end(work.placement, of: work.id, tenant)
        }
    }
}
