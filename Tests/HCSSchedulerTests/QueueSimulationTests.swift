import Foundation
import HCSAPI
import HCSModel
import HCSPlacement
import HCSScheduler
import Testing

extension SimulatedPool {
    /// What must hold after every step; empty when all of it does.
    mutating func violations() -> [String] {
        var found =
            overGranted() + physicallyOverGranted() + halfGangs() + splitGangs() + lost() + overQuota() + staleClaims()
        found += unfair + starving() + staleRoom()
        if step % 5 == 0 { found += idleThoughWanted() }
        return found
    }

    /// The room that the scheduler keeps is what it would be if it were made anew. A copy is asked, so that what was told
    /// between two decisions adds up.
    private func staleRoom() -> [String] {
        var state = state
        let kept = state.placementCycle(monotonic: monotonic).snapshot
        let known = state.snapshot(monotonic: monotonic)
        guard kept != known else { return [] }
        let nodes = zip(kept.nodes, known.nodes).filter { $0 != $1 }.map { "\($0.name): \($0) is \($1)" }
        return ["the room that is kept is not what is known: \(nodes.joined(separator: "; "))"]
    }

    /// What was given out on each device, attempts that still end included.
    private func overGranted() -> [String] {
        var granted: [String: (bytes: UInt64, wholes: Int, holders: Set<String>)] = [:]
        func add(_ grants: [DeviceGrant], _ name: String) {
            for grant in grants {
                granted[grant.device.uuid, default: (0, 0, [])].bytes += grant.quota.bytes
                granted[grant.device.uuid, default: (0, 0, [])].holders.insert(name)
                if grant.whole == true { granted[grant.device.uuid, default: (0, 0, [])].wholes += 1 }
            }
        }
        for record in state.workloads.values {
            if !record.phase.hasEnded { add(record.grants, record.spec.name) }
            if let previous = record.previous { add(previous.grants, record.spec.name) }
        }
        return granted.sorted { $0.key < $1.key }.compactMap { device, sum in
            if sum.bytes > Self.deviceMemory << 30 {
                return "\(device) is over-granted: \(ByteCount(sum.bytes)) to \(sum.holders.sorted())"
            }
            return sum.wholes > 0 && sum.holders.count > 1 ? "\(device) is given whole and shared" : nil
        }
    }

    /// What runs on each device in truth.
    private func physicallyOverGranted() -> [String] {
        hosts.flatMap { host in
            host.devices.compactMap { device in
                let sum = host.processes.filter { $0.exit == nil }.flatMap(\.grants).filter { $0.device.uuid == device }
                    .reduce(UInt64(0)) { $0 + $1.quota.bytes }
                return sum > Self.deviceMemory << 30 ? "processes on \(device) may use \(ByteCount(sum))" : nil
            }
        }
    }

    private func halfGangs() -> [String] {
        let live = state.workloads.values.filter { !$0.phase.hasEnded && $0.spec.placement.gang != nil }
        return Dictionary(grouping: live) { "\($0.spec.placement.tenant)/\($0.spec.placement.gang?.name ?? "")" }
            .sorted { $0.key < $1.key }.compactMap { name, members in
                let placed = members.count { $0.phase == .assigned || $0.phase == .running }
                let queued = members.count { $0.phase == .queued }
                guard placed > 0 else { return nil }
                if queued > 0 { return "gang \(name) is half placed: \(placed) placed, \(queued) queued" }
                // Its first start: all are there.
                let size = members[0].spec.placement.gang?.size ?? 0
                let all = state.workloads.values.count {
                    $0.spec.placement.tenant == members[0].spec.placement.tenant
                        && $0.spec.placement.gang?.name == members[0].spec.placement.gang?.name
                }
                return all < size ? "gang \(name) runs with \(all) of \(size) members" : nil
            }
    }

    /// The members of a gang that asks for one node are on one.
    private mutating func splitGangs() -> [String] {
        let placed = state.workloads.values.filter {
            ($0.phase == .assigned || $0.phase == .running) && $0.spec.placement.interconnect == .sameNode
        }
        let gangs = Dictionary(grouping: placed) { GangKey(PlacementRequest($0.spec)) }.filter { $0.value.count > 1 }
        counts["together", default: 0] += gangs.count
        return gangs.compactMap { gang, members in
            let nodes = Set(members.map { $0.node ?? "nowhere" }).sorted()
            return nodes.count > 1 ? "gang \(gang?.name ?? "") asks for one node and is on \(nodes)" : nil
        }
    }

    private mutating func lost() -> [String] {
        var found: [String] = []
        for id in submitted {
            guard let record = state.workloads[id] else {
                found.append("\(id) was lost")
                continue
            }
            if record.phase.hasEnded, record.previous == nil { submitted.remove(id) }
            if record.phase == .assigned || record.phase == .running, record.node == nil || record.grants.isEmpty {
                found.append("\(record.spec.name) is \(record.phase) nowhere")
            }
        }
        return found
    }

    private func overQuota() -> [String] {
        var vram: [String: UInt64] = [:], devices: [String: Int] = [:], west: UInt64 = 0
        func bytes(_ grants: [DeviceGrant]) -> UInt64 { grants.reduce(0) { $0 + $1.quota.bytes } }
        for record in state.workloads.values {
            let tenant = record.spec.placement.tenant
            // One that was moved runs only once its old attempt has ended: the larger of both counts.
            let present = record.phase.hasEnded ? [] : record.grants
            let old = record.previous.flatMap { strays.contains("\(record.id) \($0.attempt)") ? nil : $0 }
            let ending = old?.grants ?? []
            vram[tenant, default: 0] += max(bytes(present), bytes(ending))
            devices[tenant, default: 0] += max(present.count, ending.count)
            if tenant == "c" { west += max(bytes(present), bytes(ending)) }
            guard record.phase == .assigned || record.phase == .running, let node = record.node else { continue }
            if tenant == "c", ["n1", "n2"].contains(node) { return ["c runs on \(node), outside its pools"] }
            if record.spec.placement.pool == "east", !["n1", "n2"].contains(node) {
                return ["\(record.spec.name) wants pool east and is on \(node)"]
            }
        }
        var found: [String] = []
        if vram["b", default: 0] > 480 << 30 { found.append("b has \(ByteCount(vram["b"] ?? 0)), its limit is 480Gi") }
        if devices["b", default: 0] > 10 { found.append("b has \(devices["b"] ?? 0) devices, its limit is 10") }
        if west > 400 << 30 { found.append("c has \(ByteCount(west)) in pool west, its limit is 400Gi") }
        return found
    }

    private func staleClaims() -> [String] {
        state.book.claims.compactMap { key, claim in
            now > claim.untilMilliseconds + 2 * Self.stepMilliseconds ? "the claim of \(key) is not given up" : nil
        }
    }

    /// Steps that a workload may wait when all is well: the time until room is kept for it, then for each that is before
    /// it in line, and itself, the longest run; twice that, since a host that is lost takes the room with it.
    private mutating func starving() -> [String] {
        var found: [String] = []
        let after = Int(Self.policy.reservation.afterSeconds * 1000 / Self.stepMilliseconds)
        let waiting = state.workloads.values.filter { record in
            record.phase == .queued && record.spec.placement.tenant != "c" && record.spec.placement.pool == nil
                && record.notBeforeMilliseconds == nil
                && [.room, .preempting, .reserved].contains(state.waits[record.id] ?? .quota)
        }
        let ids = Set(waiting.map(\.id))
        for id in waited.keys where !ids.contains(id) { waited[id] = nil }
        guard isCalm else { return [] }
        for record in waiting {
            let since = record.queuedMilliseconds ?? record.createdMilliseconds
            var entry = waited[record.id] ?? (since, 0, 0)
            if entry.since != since { entry = (since, 0, 0) }
            entry.calm += 1
            let older = Set(
                waiting.filter { ($0.queuedMilliseconds ?? $0.createdMilliseconds) <= since }.map {
                    UnitKey($0.id, PlacementRequest($0.spec))
                }
            ).count
            entry.ahead = max(entry.ahead, older)
            waited[record.id] = entry
            largestWait = max(largestWait, entry.calm)
            let bound = after + 2 * (entry.ahead + 1) * (Self.longestRun + 5)
            if entry.calm > bound {
                found.append(
                    "\(record.spec.name) has waited \(entry.calm) steps, its bound is \(bound): \(record.message)")
            }
        }
        return found
    }

    /// What would fit, beside the room that is kept for others, has been placed.
    private func idleThoughWanted() -> [String] {
        var state = state
        for record in state.workloads.values.sorted(by: { $0.id < $1.id })
        where record.phase == .queued && state.waits[record.id] == .room && record.spec.placement.gang == nil {
            var room = state.openRoom(monotonic: monotonic)
            if let placement = room.canPlace(PlacementRequest(record.spec)) {
                return ["\(record.spec.name) would fit on \(placement.node) and waits: \(record.message)"]
            }
        }
        let gangs = Dictionary(
            grouping: state.workloads.values.filter { $0.phase == .queued && state.waits[$0.id] == .room }
        ) { GangKey(PlacementRequest($0.spec)) }
        for (gang, members) in gangs {
            guard let gang, members.allSatisfy({ $0.notBeforeMilliseconds ?? 0 <= now }) else { continue }
            let requests = members.sorted { $0.id < $1.id }.map { PlacementRequest($0.spec) }
            var room = state.openRoom(monotonic: monotonic)
            guard QueueCycle.goTogether(requests), let found = QueueCycle.fit(requests, in: &room) else { continue }
            return ["gang \(gang.name) would fit on \(found[0].node) and waits: \(members[0].message)"]
        }
        return []
    }
}

extension SimulatedPool {
    /// Whoever is placed had no larger share than a tenant of which something stays that waits for room, has the same
    /// priority and asks for no more of anything: that would have fitted there.
    mutating func watchingShares(_ change: (inout SimulatedPool) -> Void) {
        let old = state
        let before = old.workloads.filter { $0.value.phase == .queued }
        change(&self)
        func has(_ phase: WorkloadPhase, _ id: WorkloadID) -> Bool { state.workloads[id]?.phase == phase }
        let newcomers = state.workloads.values.filter { $0.phase == .queued && before[$0.id] == nil }
        // What was ended for something else had its share when that was chosen.
        guard newcomers.isEmpty else { return }
        let placed = before.values.filter { has(.assigned, $0.id) }
        let waiting = before.values.filter { record in
            has(.queued, record.id) && state.waits[record.id] == .room && record.spec.placement.gang == nil
                && record.spec.placement.tenant != "c" && record.notBeforeMilliseconds ?? 0 <= now
        }
        guard !placed.isEmpty, !waiting.isEmpty else { return }
        let given = Set(placed.map(\.id))
        var positions: [WorkloadID: Int]?
        for one in placed.sorted(by: { $0.id < $1.id }) where one.spec.placement.gang == nil {
            for other in waiting where other.spec.placement.tenant != one.spec.placement.tenant {
                guard other.asksNoMore(than: one) else { continue }
                let known =
                    positions
                    ?? Dictionary(
                        uniqueKeysWithValues: old.queueView(now: now).items.map { ($0.workload, $0.position ?? 0) })
                positions = known
                // What has room kept for it, or has waited so long that it will be, goes first whatever its share.
                let hasWaited = now - (one.queuedMilliseconds ?? one.createdMilliseconds)
                let isLate = hasWaited >= Self.policy.reservation.afterSeconds * 1000
                let goesFirst = old.book.claims.count + 2 * Self.policy.reservation.atOnce
                guard old.book.claims[UnitKey(one.id, PlacementRequest(one.spec))] == nil,
                    !isLate || known[one.id] ?? 0 > goesFirst
                else { continue }
                counts["compared", default: 0] += 1
                let own = share(of: one.spec.placement.tenant, without: given)
                let theirs = share(of: other.spec.placement.tenant, without: [])
                guard own > theirs + 1e-9 else { continue }
                unfair.append(
                    "\(one.spec.name) of \(one.spec.placement.tenant), which had \(own), was placed before "
                        + "\(other.spec.name) of \(other.spec.placement.tenant), which has \(theirs)")
            }
        }
    }

    private func share(of tenant: String, without: Set<WorkloadID>) -> Double {
        var use = Amounts.zero
        for record in state.workloads.values
        where (record.phase == .assigned || record.phase == .running) && record.spec.placement.tenant == tenant
            && !without.contains(record.id)
        {
            let asked = record.spec.placement
            use += Amounts(
                PlacementCycle.Placement(
                    node: "", grants: record.grants, cpuMilli: asked.cpuMilli, memory: asked.memory))
        }
        let capacity = state.nodes.values.reduce(Amounts.zero) { sum, entry in
            sum
                + Amounts(
                    vram: .gibibytes(Self.deviceMemory * UInt64(entry.record.devices.count)),
                    computeMilli: 1000 * entry.record.devices.count, cpuMilli: entry.record.host.cpuCount * 1000,
                    memory: entry.record.host.memory)
        }
        return use.dominantShare(of: capacity) / Self.policy.weight(of: tenant)
    }
}

extension WorkloadRecord {
    fileprivate func asksNoMore(than other: WorkloadRecord) -> Bool {
        let a = spec.placement, b = other.spec.placement
        return a.priority == b.priority && (a.pool == nil || a.pool == b.pool) && a.devices <= b.devices
            && spec.vram <= other.spec.vram && a.cpuMilli <= b.cpuMilli && a.memory <= b.memory
            && (!a.wholeDevices || b.wholeDevices)
    }
}

/// Many days of random events on the scheduler's own state. A failing seed is printed; `HCS_SIMULATION_SEED=N` runs it
/// alone, `HCS_SIMULATION_STEPS` and `HCS_SIMULATION_SEEDS` make it longer.
@Suite struct QueueSimulationTests {
    private static let environment = ProcessInfo.processInfo.environment
    static let steps = environment["HCS_SIMULATION_STEPS"].flatMap(Int.init) ?? 480
    static let seeds: [UInt64] =
        environment["HCS_SIMULATION_SEED"].flatMap(UInt64.init).map { [$0] }
        ?? Array(1...(environment["HCS_SIMULATION_SEEDS"].flatMap(UInt64.init) ?? 2))

    @Test(arguments: seeds)
    func `after every step of days of random events all promises of the queue hold`(seed: UInt64) {
        var pool = SimulatedPool(seed: seed)
        var progress = SimulationProgress(seed: seed, steps: Self.steps)
        let start = ContinuousClock.now
        for _ in 0..<Self.steps {
            pool.advance()
            if SimulationProgress.isWanted,
                let line = progress.line(
                    step: pool.step, events: pool.counts.values.reduce(0, +),
                    placed: pool.state.workloads.values.count { $0.phase == .assigned || $0.phase == .running },
                    seconds: (ContinuousClock.now - start) / .seconds(1))
            {
                SimulationProgress.tell(line)
            }
            let violations = pool.violations()
            guard violations.isEmpty else {
                Issue.record(
                    """
                    HCS_SIMULATION_SEED=\(seed), step \(pool.step): \(violations.joined(separator: "; "))
                    \(pool.journal.joined(separator: "\n"))
                    """)
                return
            }
        }
        // It did what it is for.
        #expect(pool.counts["submit", default: 0] > Self.steps / 10, "\(pool.counts)")
        #expect(pool.counts["together", default: 0] > Self.steps / 20, "\(pool.counts)")
    }

    @Test func `the same seed gives the same days`() {
        func run() -> [String] {
            var pool = SimulatedPool(seed: 99)
            for _ in 0..<60 { pool.advance() }
            return pool.journal
                + pool.state.workloads.values.sorted { $0.spec.name < $1.spec.name }.map {
                    "\($0.spec.name) \($0.message)"
                }
        }
        #expect(run() == run())
    }
}
