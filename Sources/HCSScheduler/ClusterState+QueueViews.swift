package import HCSAPI
import HCSModel
import HCSPlacement

extension ClusterState {
    package func queueView(now: Int64) -> QueueView {
        let input = queueInput(now: now)
        let standing = QueueStanding(input, policy: policy, book: book)
        var positions: [WorkloadID: Int] = [:]
        for (index, unit) in standing.order.enumerated() {
            for member in unit.members { positions[member.id] = index + 1 }
        }
        let entries = input.queued.compactMap { work in
            workloads[work.id].map { entry($0, isDue: work.isDue, position: positions[work.id]) }
        }
        func counts(_ requests: [PlacementRequest]) -> [String: Int] {
            Dictionary(grouping: requests, by: \.placement.tenant).mapValues(\.count)
        }
        let queued = counts(input.queued.map(\.request))
        let placed = counts(input.placed.map(\.request))
        return QueueView(
            items: entries.sorted {
                ($0.position ?? .max, $0.queuedMilliseconds, $0.name) < (
                    $1.position ?? .max, $1.queuedMilliseconds, $1.name
                )
            },
            tenants: standing.tenants.map { tenant in
                QueueView.Tenant(
                    name: tenant.name, weight: policy.weight(of: tenant.name), dominantShare: tenant.share,
                    use: .init(
                        devices: tenant.use.devices, vram: tenant.use.vram, computeMilli: tenant.use.computeMilli,
                        cpuMilli: tenant.use.cpuMilli, memory: tenant.use.memory),
                    borrows: tenant.borrows, queued: queued[tenant.name] ?? 0,
                    placed: placed[tenant.name] ?? 0)
            }, atMilliseconds: now, revision: revision)
    }

    private func entry(_ record: WorkloadRecord, isDue: Bool, position: Int?) -> QueueView.Entry {
        let spec = record.spec.placement
        return QueueView.Entry(
            position: position, workload: record.id, name: record.spec.name, tenant: spec.tenant,
            priority: spec.priority, gang: spec.gang, pool: spec.pool,
            queuedMilliseconds: record.queuedMilliseconds ?? record.createdMilliseconds,
            code: (isDue ? waits[record.id] ?? .room : .backoff).rawValue, reason: record.message)
    }

    // MARK: Defragmentation

    /// Proposes the fewest moves that make a waiting workload fit, and carries them out where that is asked and allowed.
    package mutating func defragment(_ request: DefragmentationRequest, monotonic: Int64, now: Int64)
        throws(APIProblem) -> DefragmentationView
    {
        do { try request.validate() } catch { throw .badRequest(error.message) }
        guard !request.run || policy.defragmentation.run else {
            throw .forbidden(
                "the scheduler's policy does not allow moves: set defragmentation.run in its scheduler.yaml, or move by hand with `hcs drain`"
            )
        }
        let input = queueInput(now: now)
        let room = placementCycle(monotonic: monotonic)
        guard let wanted = request.workload else {
            for unit in QueueStanding(input, policy: policy, book: book).order.prefix(Self.unitsLookedAt) {
                let view = try defragment(unit.key, unit.name, input, room, request, monotonic: monotonic, now: now)
                if !view.moves.isEmpty { return view }
            }
            return DefragmentationView(
                target: nil, moves: [], then: [], isProven: false, isRunning: false,
                summary: input.queued.isEmpty ? "nothing waits" : "no plan helps any of those that wait")
        }
        guard let record = find(wanted) else {
            throw .notFound("no workload '\(wanted.prefix(80))': see `hcs workloads --all`")
        }
        guard record.phase == .queued else {
            throw .conflict("workload '\(record.spec.name)' is \(record.phase.rawValue): it does not wait for room")
        }
        let asked = PlacementRequest(record.spec)
        if let why = limitObjection(to: Amounts(asking: asked), for: asked.placement.tenant) {
            throw .conflict("workload '\(record.spec.name)' does not wait for room: \(why)")
        }
        let key = UnitKey(record.id, asked)
        return try defragment(key, record.spec.name, input, room, request, monotonic: monotonic, now: now)
    }

    /// Units of the line that are searched where none was named.
    private static let unitsLookedAt = 8

    private mutating func defragment(
        _ key: UnitKey, _ name: String, _ input: QueueInput, _ room: PlacementCycle,
        _ request: DefragmentationRequest, monotonic: Int64, now: Int64
    ) throws(APIProblem) -> DefragmentationView {
        func answer(
            _ summary: String, moves: [Defragmentation.Move] = [], then: [PlacementCycle.Placement] = [], proven: Bool
        ) -> DefragmentationView {
            DefragmentationView(
                target: name, moves: moves.map { Self.view($0, now: now) }, then: then.map(Self.place),
                isProven: proven, isRunning: request.run && !moves.isEmpty, summary: summary)
        }
        guard let plan = Defragmentation.plan(for: key, input, policy: policy, book: book, room: room) else {
            return answer("\(name) is in a gang that is not complete", proven: false)
        }
        switch plan.outcome {
        case .fitsNow: return answer("\(name) fits without a move", proven: true)
        case .none:
            let most = policy.defragmentation.moves
            return answer(
                plan.isProven
                    ? "no \(most) moves or fewer make room for \(name)"
                    : "no plan was found for \(name); the search was cut off", proven: plan.isProven)
        case .moves(let moves, let placements):
            if request.run {
                try admit(moves, monotonic: monotonic)
                for move in moves {
                    guard let record = workloads[move.work.id] else { continue }
                    self.move(
                        record, to: move.to, off: record.grants.first?.device,
                        reason: "moved to make room for \(name), asked by \(request.by)", now: now)
                }
                let tenant = input.queued.first { UnitKey($0.id, $0.request) == key }?.request.placement.tenant
                book.keepRoom(
                    placements, for: key, of: tenant ?? PlacementSpec.defaultTenant, while: moves.map(\.work),
                    reason: "waits for \(moves.count) moves", now: now)
            }
            let isOne = moves.count == 1
            let verb = request.run ? isOne ? "is under way" : "are under way" : isOne ? "makes" : "make"
            return answer(
                "\(isOne ? "1 move" : "\(moves.count) moves") \(verb)\(request.run ? " to make" : "") room for \(name)",
                moves: moves,
                then: placements, proven: plan.isProven)
        }
    }

    /// The fleet guard counts each device that work is moved off; a plan that it would hold is not begun.
    private mutating func admit(_ moves: [Defragmentation.Move], monotonic: Int64) throws(APIProblem) {
        let pool = nodes.values.reduce(0) { $0 + $1.record.devices.count }
        var trial = fleetGuard
        let keys = Set(
            moves.flatMap { move in
                move.work.placement.grants.map { DeviceKey(node: move.work.placement.node, device: $0.device) }
            })
        for key in keys.sorted() {
            if case .held(let acts, let allowance) = trial.admit(key, hard: false, pool: pool, monotonic: monotonic) {
                throw .tooMany(
                    "the fleet guard holds the plan: work was moved off \(acts) devices within the last hour, and \(allowance) of \(pool) is the limit"
                )
            }
        }
        fleetGuard = trial
    }

    private static func view(_ move: Defragmentation.Move, now: Int64) -> DefragmentationView.Move {
        DefragmentationView.Move(
            workload: move.work.id, name: move.work.name, from: place(move.work.placement), to: place(move.to),
            runMilliseconds: max(0, now - move.work.sinceMilliseconds))
    }

    private static func place(_ placement: PlacementCycle.Placement) -> DefragmentationView.Place {
        DefragmentationView.Place(node: placement.node, devices: placement.grants.map(\.device))
    }
}
