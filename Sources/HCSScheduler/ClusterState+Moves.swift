package import HCSAPI
import HCSModel
import HCSPlacement

/// A plan of moves, made on a copy of the state and not carried out yet.
package struct MoveProposal: Sendable {
    package let request: DefragmentationRequest
    /// As it is shown where it is not carried out.
    package let view: DefragmentationView
    /// What it is for; nil = nothing that waits is helped.
    let key: UnitKey?
    let name: String
    let moves: [Defragmentation.Move]

    package var isToRun: Bool { request.run && !moves.isEmpty }
}

extension ClusterState {
    /// Units of the line that are searched where none was named.
    private static let unitsLookedAt = 8

    /// Looks for the fewest moves that make a waiting workload fit. Changes nothing but the room that is kept.
    package mutating func propose(_ request: DefragmentationRequest, monotonic: Int64, now: Int64)
        throws(APIProblem) -> MoveProposal
    {
        do { try request.validate() } catch { throw .badRequest(error.message) }
        guard !request.run || policy.defragmentation.run else {
            throw .forbidden(
                "the scheduler's policy does not allow moves: set defragmentation.run in its scheduler.yaml, or move by hand with `hcs drain`"
            )
        }
        let input = queueInput(now: now)
        let room = placementCycle(monotonic: monotonic)
        func proposal(for key: UnitKey, _ name: String) -> MoveProposal {
            let plan = Defragmentation.plan(for: key, input, policy: policy, book: book, room: room)
            return MoveProposal(
                request: request, view: view(of: plan, for: name, now: now), key: key, name: name,
                moves: plan?.moves ?? [])
        }
        guard let wanted = request.workload else {
            for unit in QueueStanding(input, policy: policy, book: book).order.prefix(Self.unitsLookedAt) {
                let found = proposal(for: unit.key, unit.name)
                if !found.moves.isEmpty { return found }
            }
            let nothing = DefragmentationView(
                target: nil, moves: [], then: [], isProven: false, isRunning: false,
                summary: input.queued.isEmpty ? "nothing waits" : "no plan helps any of those that wait")
            return MoveProposal(request: request, view: nothing, key: nil, name: "", moves: [])
        }
        let record = try record(wanted)
        guard record.phase == .queued else {
            throw .conflict("workload '\(record.spec.name)' is \(record.phase.rawValue): it does not wait for room")
        }
        let asked = PlacementRequest(record.spec)
        if let why = limitObjection(to: Amounts(asking: asked), for: asked.placement.tenant) {
            throw .conflict("workload '\(record.spec.name)' does not wait for room: \(why)")
        }
        return proposal(for: UnitKey(record.id, asked), record.spec.name)
    }

    /// Carries a proposal out where it still makes room: the pool may have changed since it was made.
    package mutating func carryOut(_ proposal: MoveProposal, monotonic: Int64, now: Int64)
        throws(APIProblem) -> DefragmentationView
    {
        let input = queueInput(now: now)
        let room = placementCycle(monotonic: monotonic)
        guard let key = proposal.key,
            var plan = Defragmentation.again(
                proposal.moves, for: key, input, policy: policy, book: book, room: room)
        else {
            throw .conflict(
                "the pool has changed since the plan for \(proposal.name) was made, nothing was moved: ask again")
        }
        // Smaller plans were looked for then.
        plan.isProven = proposal.view.isProven
        guard case .moves(let moves, let placements) = plan.outcome else {
            return view(of: plan, for: proposal.name, now: now)
        }
        try admit(moves, monotonic: monotonic)
        for move in moves {
            guard let record = workloads[move.work.id] else { continue }
            self.move(
                record, to: move.to, off: record.grants.first?.device,
                reason: "moved to make room for \(proposal.name), asked by \(proposal.request.by)", now: now)
        }
        let tenant = input.queued.first { UnitKey($0.id, $0.request) == key }?.request.placement.tenant
        book.keepRoom(
            placements, for: key, of: tenant ?? PlacementSpec.defaultTenant, while: moves.map(\.work),
            reason: "waits for \(moves.count) moves", now: now)
        return view(of: plan, for: proposal.name, isRunning: true, now: now)
    }

    // MARK: What is told

    private func view(of plan: Defragmentation?, for name: String, isRunning: Bool = false, now: Int64)
        -> DefragmentationView
    {
        func answer(
            _ summary: String, moves: [Defragmentation.Move] = [], then: [PlacementCycle.Placement] = []
        ) -> DefragmentationView {
            DefragmentationView(
                target: name, moves: moves.map { Self.view($0, now: now) }, then: then.map(Self.place),
                isProven: plan?.isProven ?? false, isRunning: isRunning, summary: summary)
        }
        guard let plan else { return answer("\(name) is in a gang that is not complete") }
        switch plan.outcome {
        case .fitsNow: return answer("\(name) fits without a move")
        case .none:
            let most = policy.defragmentation.moves
            return answer(
                plan.isProven
                    ? "no \(most) moves or fewer make room for \(name)"
                    : "no plan was found for \(name); the search was cut off")
        case .moves(let moves, let placements):
            let isOne = moves.count == 1
            let verb = isRunning ? isOne ? "is under way to make" : "are under way to make" : isOne ? "makes" : "make"
            return answer(
                "\(isOne ? "1 move" : "\(moves.count) moves") \(verb) room for \(name)", moves: moves, then: placements)
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
