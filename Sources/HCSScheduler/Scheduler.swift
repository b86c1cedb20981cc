package import HCSAPI
package import HCSModel
package import HCSStore
package import Logging

/// Owns the state: takes inputs in one at a time, makes each durable before it is answered, and wakes those who wait.
package actor Scheduler {
    private var state: ClusterState
    private let store: any StateStore
    private let clock: any SchedulerClock
    private let logger: Logger
    private var generator: any RandomNumberGenerator & Sendable

    // One mutation at a time; others wait in turn.
    private var isMutating = false
    private var waitingMutations: [CheckedContinuation<Void, Never>] = []

    private var longPolls: [String: [LongPoll]] = [:]
    private var nextLongPoll: UInt64 = 0
    private struct LongPoll {
        let number: UInt64
        let continuation: CheckedContinuation<Void, Never>
    }
    /// Waiting polls of one node; the oldest is answered when another comes.
    private static let longPollsPerNode = 4

    private init(
        state: ClusterState, store: any StateStore, clock: any SchedulerClock, logger: Logger,
        generator: any RandomNumberGenerator & Sendable
    ) {
        self.state = state
        self.store = store
        self.clock = clock
        self.logger = logger
        self.generator = generator
    }

    /// Loads what the store remembers.
    package static func open(
        store: any StateStore, clock: any SchedulerClock, logger: Logger,
        generator: any RandomNumberGenerator & Sendable = SystemRandomNumberGenerator()
    ) async throws(StoreError) -> Scheduler {
        let stored = try await store.load()
        logger.info(
            "state loaded: \(stored.nodes.count) nodes, \(stored.workloads.count) workloads, revision \(stored.revision)"
        )
        return Scheduler(
            state: ClusterState(revision: stored.revision, nodes: stored.nodes, workloads: stored.workloads),
            store: store,
            clock: clock, logger: logger, generator: generator)
    }

    // MARK: Mutations

    /// Runs `change` on a copy; the copy becomes the state only when the store has it. A failed store loses nothing:
    /// the input is answered with an error and the state stays as it was.
    private func mutate<Value: Sendable>(
        _ change: (inout ClusterState, _ monotonic: Int64, _ now: Int64) throws(APIProblem) -> Value
    ) async throws(APIProblem) -> Value {
        await takeTurn()
        defer { endTurn() }
        var next = state
        let value = try change(&next, clock.monotonicMilliseconds(), clock.wallMilliseconds())
        guard next.isDirty else {
            state = next
            return value
        }
        let pending = StateChange(
            nodes: next.pendingNodes, workloads: next.pendingWorkloads, removedWorkloads: next.pendingRemovals)
        do {
            let revision = try await store.commit(pending, expecting: state.revision)
            logDecisions(of: pending)
            wake(next.committed(as: revision)) { state = next }
        } catch {
            logger.error("change not stored, nothing was changed: \(error)")
            throw .internalError("the store did not take the change, nothing was changed: \(error.message)")
        }
        return value
    }

    private func logDecisions(of change: StateChange) {
        for record in change.workloads {
            logger.info("workload \(record.spec.name) \(record.phase.rawValue): \(record.message)")
        }
    }

    private func takeTurn() async {
        guard isMutating else {
            isMutating = true
            return
        }
        await withCheckedContinuation { waitingMutations.append($0) }
    }

    private func endTurn() {
        if waitingMutations.isEmpty { isMutating = false } else { waitingMutations.removeFirst().resume() }
    }

    package func receive(_ report: NodeReport) async throws(APIProblem) -> ReportReceipt {
        try await mutate { (state, monotonic, now) throws(APIProblem) in
            try state.receive(report, monotonic: monotonic, now: now)
        }
        return ReportReceipt(revision: state.revision)
    }

    package func submit(_ spec: WorkloadSpec) async throws(APIProblem) -> WorkloadView {
        let id = randomID()
        try await mutate { (state, monotonic, now) throws(APIProblem) in
            try state.submit(spec, id: id, monotonic: monotonic, now: now)
        }
        return try view(id.text)
    }

    package func delete(_ idOrName: String) async throws(APIProblem) -> WorkloadView {
        let id = try record(idOrName).id
        try await mutate { (state, monotonic, now) throws(APIProblem) in
            state.delete(id, monotonic: monotonic, now: now)
        }
        return try view(id.text)
    }

    package func resize(_ idOrName: String, _ change: WorkloadChange) async throws(APIProblem) -> WorkloadView {
        let id = try record(idOrName).id
        try await mutate { (state, monotonic, now) throws(APIProblem) in
            try state.resize(id, to: change, monotonic: monotonic, now: now)
        }
        return try view(id.text)
    }

    /// Called about once a second.
    package func tick() async throws(APIProblem) {
        try await mutate { (state, monotonic, now) throws(APIProblem) in state.tick(monotonic: monotonic, now: now) }
    }

    private func randomID() -> WorkloadID {
        var generator = self.generator
        defer { self.generator = generator }
        func make(_ generator: inout some RandomNumberGenerator) -> WorkloadID { .random(using: &generator) }
        return make(&generator)
    }

    // MARK: Reading

    package var revision: Revision { state.revision }

    package func nodes() -> ItemList<NodeView> {
        ItemList(items: state.nodeViews(monotonic: clock.monotonicMilliseconds()), revision: state.revision)
    }

    package func node(_ name: String) throws(APIProblem) -> NodeView {
        guard let view = nodes().items.first(where: { $0.name == name }) else {
            throw .notFound("no node '\(name.prefix(80))' has reported")
        }
        return view
    }

    package func devices() -> ItemList<DeviceView> {
        ItemList(items: state.deviceViews(monotonic: clock.monotonicMilliseconds()), revision: state.revision)
    }

    package func workloads(all: Bool) -> ItemList<WorkloadView> {
        ItemList(items: state.workloadViews(all: all), revision: state.revision)
    }

    private func record(_ idOrName: String) throws(APIProblem) -> WorkloadRecord {
        guard let record = state.find(idOrName) else {
            throw .notFound("no workload '\(idOrName.prefix(80))': see `hcs workloads --all`")
        }
        return record
    }

    package func view(_ idOrName: String) throws(APIProblem) -> WorkloadView { state.view(try record(idOrName)) }

    package func explain(_ idOrName: String) throws(APIProblem) -> Explanation {
        state.explanation(of: try record(idOrName), monotonic: clock.monotonicMilliseconds())
    }

    // MARK: Long poll

    /// Answers at once when the node's set is not the one the agent has (`after`), else at its next change or after `wait`.
    package func assignments(node: String, after: Revision, wait: Duration) async -> NodeAssignments {
        let present = state.assignments(of: node)
        guard present.revision == after, wait > .zero else { return present }
        nextLongPoll += 1
        let number = nextLongPoll
        let timer = Task {
            try await Task.sleep(for: wait)
            finishLongPoll(node: node, number: number)
        }
        await withCheckedContinuation { continuation in
            longPolls[node, default: []].append(LongPoll(number: number, continuation: continuation))
            if longPolls[node, default: []].count > Self.longPollsPerNode {
                longPolls[node]?.removeFirst().continuation.resume()
            }
        }
        timer.cancel()
        return state.assignments(of: node)
    }

    /// Nodes that something waits for.
    package var polledNodes: Int { longPolls.count }

    private func finishLongPoll(node: String, number: UInt64) {
        guard let index = longPolls[node]?.firstIndex(where: { $0.number == number }) else { return }
        longPolls[node]?.remove(at: index).continuation.resume()
        if longPolls[node]?.isEmpty == true { longPolls[node] = nil }
    }

    private func wake(_ nodes: Set<String>, after publish: () -> Void) {
        publish()
        for node in nodes {
            for poll in longPolls.removeValue(forKey: node) ?? [] { poll.continuation.resume() }
        }
    }

    /// Answers every waiting poll: for shutdown.
    package func releaseLongPolls() {
        for polls in longPolls.values { for poll in polls { poll.continuation.resume() } }
        longPolls = [:]
    }
}
