import HCSAPI
import HCSModel
import HCSPlacement

/// Work given to nodes that have not told of it yet.
struct Reservations: Sendable {
    struct Waiting: Sendable {
        var node: String
        var attempt: Int
        /// Monotonic, of the first report that did not tell of it: a silent node is waited for, as nobody knows what it
        /// started.
        var since: Int64
    }

    var waiting: [WorkloadID: Waiting] = [:]
    /// Until when a node that lost work gets no other, monotonic.
    var setAside: [String: Int64] = [:]
}

extension ClusterState {
    /// Takes back what the reporting node was given and does not tell of. It is ordered to end that attempt, which it
    /// may have begun meanwhile, and the next one waits for the end: two never run at once.
    mutating func expireReservations(of report: NodeReport, monotonic: Int64, now: Int64) {
        let told = Set(report.workloads.map { AttemptKey(id: $0.id, attempt: $0.attempt) })
        let given = workloads.values.filter {
            $0.node == report.node && $0.phase == .assigned && $0.previous == nil
        }
        var waiting = reservations.waiting.filter { $0.value.node != report.node }
        for record in given.sorted(by: { $0.id < $1.id }) {
            guard !told.contains(AttemptKey(id: record.id, attempt: record.attempt)) else {
                reservations.setAside[report.node] = nil
                continue
            }
            let known = reservations.waiting[record.id]
            let since = known?.attempt == record.attempt && known?.node == report.node ? known?.since : nil
            let age = monotonic - (since ?? monotonic)
            guard age >= settings.reservationMilliseconds else {
                waiting[record.id] = .init(node: report.node, attempt: record.attempt, since: monotonic - age)
                continue
            }
            update(Reconciler.unconfirmed(record, after: age, now: now))
            reservations.setAside[report.node] = monotonic + settings.reservationMilliseconds
        }
        reservations.waiting = waiting
    }

    struct AttemptKey: Hashable {
        var id: WorkloadID
        var attempt: Int
    }

    /// Why a node that lost work gets no other for a while.
    func setAside(_ node: String, monotonic: Int64) -> String? {
        guard let until = reservations.setAside[node], until > monotonic else { return nil }
        return
            "it did not take the last work that it was given; it is given some again in \((until - monotonic + 999) / 1000) s"
    }
}
