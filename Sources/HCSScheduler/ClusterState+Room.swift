import HCSAPI
import HCSModel
package import HCSPlacement

/// The placement's room, kept from one decision to the next.
struct KeptRoom: Sendable {
    var cycle: PlacementCycle
    /// `ExchangeBook.tableSerial` that it was made with.
    let exchange: Int
    /// What it takes for typical, each as often as it was asked for, and `RoomChanges.requests` when that was last
    /// compared with what is asked for.
    let typical: [PlacementRequest: Int]
    var comparedAt: Int
    /// Monotonic: before that no node has fallen silent that was not.
    var readyUntil: Int64
    /// Nodes that took no work at the last look: that may change with time.
    var notReady: Set<String>
}

/// What was told that a kept room has to take in.
struct RoomChanges: Sendable {
    /// Nodes of which the placement may see something else now; empty after it was taken in.
    var nodes: Set<String> = []
    /// How many there ever were.
    var requests = 0
    /// How often the kept room was taken.
    var looks = 0
}

/// Which workloads have to do with which nodes.
struct Whereabouts: Sendable {
    private var work: [String: Set<WorkloadID>] = [:]
    /// Nodes whose last report tells of a workload that has not ended.
    private var reporting: [WorkloadID: Set<String>] = [:]

    func work(on node: String) -> Set<WorkloadID> { work[node] ?? [] }
    func reporting(_ id: WorkloadID) -> Set<String> { reporting[id] ?? [] }

    /// - Parameters:
    ///   - record: nil = it is forgotten.
    ///   - old: nil = it is new.
    mutating func note(_ record: WorkloadRecord?, since old: WorkloadRecord?) {
        for node in [old?.node, old?.previous?.node] { if let node, let id = old?.id { remove(id, from: node) } }
        for node in [record?.node, record?.previous?.node] {
            if let node, let id = record?.id { work[node, default: []].insert(id) }
        }
    }

    private mutating func remove(_ id: WorkloadID, from node: String) {
        work[node]?.remove(id)
        if work[node]?.isEmpty == true { work[node] = nil }
    }

    /// - Parameters:
    ///   - report: nil = its node is forgotten.
    ///   - old: the last one of the node.
    mutating func note(_ report: NodeReport?, since old: NodeReport?) {
        for seen in old?.workloads ?? [] where seen.phase != .ended {
            guard let node = old?.node else { continue }
            reporting[seen.id]?.remove(node)
            if reporting[seen.id]?.isEmpty == true { reporting[seen.id] = nil }
        }
        for seen in report?.workloads ?? [] where seen.phase != .ended {
            if let node = report?.node { reporting[seen.id, default: []].insert(node) }
        }
    }
}

extension ClusterState {
    /// Of typical work one in so many may change before the room is made anew for it.
    private static let typicalDrift = 8

    /// The room that the placement decides in, as it is now.
    package mutating func placementCycle(monotonic: Int64) -> PlacementCycle {
        let room = takeRoom(monotonic: monotonic)
        keptRoom = room
        return room.cycle
    }

    /// As `placementCycle`, and nothing is kept until it is given back as `keptRoom`: what nobody else has is changed
    /// without a copy.
    mutating func takeRoom(monotonic: Int64) -> KeptRoom {
        let kept = keptRoom
        keptRoom = nil
        let stale = roomChanges.nodes
        roomChanges.nodes = []
        roomChanges.looks += 1
        guard var room = consume kept, room.exchange == exchange.tableSerial, !isOutdated(&room) else {
            return newRoom(monotonic: monotonic)
        }
        return renew(&room, stale, monotonic: monotonic) ? room : newRoom(monotonic: monotonic)
    }

    /// Whether one in `typicalDrift` of what is asked for as a rule is something else now.
    private func isOutdated(_ room: inout KeptRoom) -> Bool {
        guard (roomChanges.requests - room.comparedAt) * Self.typicalDrift > recentRequests.count else { return false }
        room.comparedAt = roomChanges.requests
        let present = Self.counts(recentRequests)
        let more = present.reduce(0) { $0 + max(0, $1.value - room.typical[$1.key, default: 0]) }
        return more * Self.typicalDrift > recentRequests.count
    }

    private static func counts(_ requests: [PlacementRequest]) -> [PlacementRequest: Int] {
        Dictionary(requests.lazy.map { ($0.typical, 1) }, uniquingKeysWith: +)
    }

    /// From all that is known. Room is kept for what is asked for as a rule.
    private func newRoom(monotonic: Int64) -> KeptRoom {
        let snapshot = snapshot(monotonic: monotonic)
        return KeptRoom(
            cycle: PlacementCycle(
                snapshot: snapshot, plugins: .standard(exchange: exchange.table),
                typical: recentRequests),
            exchange: exchange.tableSerial, typical: Self.counts(recentRequests), comparedAt: roomChanges.requests,
            readyUntil: nextSilence(monotonic: monotonic),
            notReady: Set(snapshot.nodes.filter { $0.notReady != nil }.map(\.name)))
    }

    package func snapshot(monotonic: Int64) -> ClusterSnapshot {
        let ledger = ledger(of: nodes.keys)
        return ClusterSnapshot(
            revision: revision,
            nodes: nodes.values.sorted { $0.record.name < $1.record.name }
                .map { state(of: $0, ledger, monotonic: monotonic) })
    }

    /// When the first of the nodes that report will have fallen silent.
    private func nextSilence(monotonic: Int64) -> Int64 {
        let heard = nodes.values.lazy.compactMap(\.lastHeard).filter {
            monotonic - $0 <= Self.silenceLimitMilliseconds
        }
        return heard.min().map { $0 + Self.silenceLimitMilliseconds + 1 } ?? .max
    }

    /// Takes in what has changed: nodes of which something was told, on which something was placed or given up, and those
    /// that time changes. False where the room has to be made anew.
    private func renew(_ room: inout KeptRoom, _ told: Set<String>, monotonic: Int64) -> Bool {
        var names = told.union(room.cycle.changedNodes).union(room.notReady)
        if monotonic >= room.readyUntil {
            for (name, entry) in nodes where notReady(entry, monotonic: monotonic) != nil { names.insert(name) }
            room.readyUntil = nextSilence(monotonic: monotonic)
        }
        let ledger = ledger(of: names)
        let states = names.compactMap { nodes[$0] }.map { state(of: $0, ledger, monotonic: monotonic) }
        for state in states {
            guard state.notReady == nil, let heard = nodes[state.name]?.lastHeard else {
                room.notReady.insert(state.name)
                continue
            }
            room.notReady.remove(state.name)
            room.readyUntil = min(room.readyUntil, heard + Self.silenceLimitMilliseconds + 1)
        }
        return room.cycle.renew(states, revision: revision)
    }
}
