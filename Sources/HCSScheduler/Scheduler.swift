package import HCSAPI
package import HCSModel
import HCSPlacement
package import HCSStore
package import Logging

/// Owns the state: takes inputs in one at a time, makes each durable before it is answered, and wakes those who wait.
package actor Scheduler {
    private var state: ClusterState
    private let store: any StateStore
    private let clock: any SchedulerClock
    private let logger: Logger
    private nonisolated let desks: Desks
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

    private var events: EventRing
    /// Told but not yet stored: at most a second old.
    private var unsavedEvents: [FleetEvent] = []
    private var eventPolls: [EventPoll] = []
    private struct EventPoll {
        let number: UInt64
        /// Told whether to look again; else it answers what it has.
        let continuation: CheckedContinuation<Bool, Never>
    }
    /// Waiting readers of events; the oldest is answered when another comes.
    private static let eventPollsKept = 64
    private var isClosing = false
    private var alerts: [AlertQueue] = []
    private let startMilliseconds: Int64
    private var eventCounts: [SchedulerFigures.EventKind: UInt64] = [:]
    private var storeFailures: UInt64 = 0

    /// Where is made what looks at every device, for each change that might help.
    package struct Desks: Sendable {
        var plans: PlanDesk
        var moves: PlanDesk

        package init(
            plans: PlanDesk = PlanDesk("plans", waitingLimit: 32),
            moves: PlanDesk = PlanDesk("plans of moves", waitingLimit: 4)
        ) {
            self.plans = plans
            self.moves = moves
        }
    }

    private init(
        state: ClusterState, events stored: [FleetEvent], store: any StateStore, clock: any SchedulerClock,
        logger: Logger, desks: Desks, generator: any RandomNumberGenerator & Sendable
    ) {
        self.state = state
        self.store = store
        self.events = EventRing(stored)
        self.clock = clock
        startMilliseconds = clock.wallMilliseconds()
        self.logger = logger
        self.desks = desks
        self.generator = generator
    }

    /// Loads what the store remembers.
    package static func open(
        store: any StateStore, clock: any SchedulerClock, logger: Logger, exchange: ExchangeBook = ExchangeBook(),
        settings: SchedulerSettings = SchedulerSettings(), desks: Desks = Desks(),
        generator: any RandomNumberGenerator & Sendable = SystemRandomNumberGenerator()
    ) async throws(StoreError) -> Scheduler {
        let stored = try await store.load()
        logger.info(
            "state loaded: \(stored.nodes.count) nodes, \(stored.workloads.count) workloads, revision \(stored.revision)"
        )
        let state = ClusterState(
            stored, exchange: exchange, settings: settings, monotonic: clock.monotonicMilliseconds(),
            now: clock.wallMilliseconds())
        let scheduler = Scheduler(
            state: state, events: stored.events, store: store, clock: clock, logger: logger, desks: desks,
            generator: generator)
        await scheduler.recordFirstEvents()
        return scheduler
    }

    /// Events go there too from now on.
    package func send(alerts queues: [AlertQueue]) { alerts = queues }

    private func recordFirstEvents() { record(state.takeEvents()) }

    // MARK: Mutations

    /// Runs `change` on a copy; the copy becomes the state only when the store has it. A failed store loses nothing:
    /// the input is answered with an error and the state stays as it was.
    private func mutate<Value: Sendable>(
        _ change: (inout ClusterState, _ monotonic: Int64, _ now: Int64) throws(APIProblem) -> Value
    ) async throws(APIProblem) -> Value {
        await takeTurn()
        defer { endTurn() }
        var next = state
        // It goes with the copy: what two have is copied in full at the first change.
        state.keptRoom = nil
        let value: Value
        do {
            value = try change(&next, clock.monotonicMilliseconds(), clock.wallMilliseconds())
        } catch {
            // Without a look at it the copy has put nothing into it that never came to be.
            if next.roomChanges.looks == state.roomChanges.looks { state.keptRoom = next.keptRoom }
            throw error
        }
        let fresh = next.takeEvents()
        guard next.isDirty else {
            state = next
            record(fresh)
            return value
        }
        var pending = next.pending
        pending.events = unsavedEvents + fresh
        do {
            let revision = try await store.commit(pending, expecting: state.revision)
            logDecisions(of: pending)
            wake(next.committed(as: revision)) { state = next }
        } catch {
            storeFailures += 1
            logger.error("change not stored, nothing was changed: \(error)")
            throw .internalError("the store did not take the change, nothing was changed: \(error.message)")
        }
        record(fresh)
        unsavedEvents = []
        return value
    }

    private func record(_ fresh: [FleetEvent]) {
        guard !fresh.isEmpty else { return }
        events.append(fresh)
        for event in fresh {
            eventCounts[.init(kind: event.kind, severity: event.severity), default: 0] += 1
        }
        for queue in alerts { queue.offer(fresh) }
        unsavedEvents = (unsavedEvents + fresh).suffix(FleetEvent.kept)
        for event in fresh where event.kind != .workload {
            let about = [event.node, event.device?.uuid].compactMap(\.self).joined(separator: " ")
            logger.info("\(event.kind.rawValue) \(about): \(event.message)\(event.by.map { " (by \($0))" } ?? "")")
        }
        for poll in eventPolls { poll.continuation.resume(returning: true) }
        eventPolls = []
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
        let id = try state.record(idOrName).id
        try await mutate { (state, _, now) throws(APIProblem) in state.delete(id, now: now) }
        return try view(id.text)
    }

    package func resize(_ idOrName: String, _ change: WorkloadChange) async throws(APIProblem) -> WorkloadView {
        let id = try state.record(idOrName).id
        try await mutate { (state, monotonic, now) throws(APIProblem) in
            try state.resize(id, to: change, monotonic: monotonic, now: now)
        }
        return try view(id.text)
    }

    /// Called about once a second.
    package func tick() async throws(APIProblem) {
        try await mutate { (state, monotonic, now) throws(APIProblem) in state.tick(monotonic: monotonic, now: now) }
        await saveEvents()
    }

    /// Stores what is not stored yet, in a task of its own: a cancelled one writes nothing.
    package func close() async { await Task { await saveEvents() }.value }

    private func saveEvents() async {
        await takeTurn()
        defer { endTurn() }
        guard !unsavedEvents.isEmpty else { return }
        do {
            try await store.append(unsavedEvents)
            unsavedEvents = []
        } catch {
            logger.error("\(unsavedEvents.count) events not stored yet: \(error)")
        }
    }

    /// Takes an event in that something else than the state tells.
    package func note(
        _ kind: FleetEvent.Kind, _ severity: FleetEvent.Severity, _ message: String
    ) async throws(APIProblem) {
        try await mutate { (state, _, now) throws(APIProblem) in
            state.emit(FleetEvent(atMilliseconds: now, kind: kind, severity: severity, message: message))
        }
    }

    // MARK: Orders of operators

    package func cordon(_ request: CordonRequest) async throws(APIProblem) -> CordonView {
        let target = try await mutate { (state, monotonic, now) throws(APIProblem) in
            try state.cordon(request, monotonic: monotonic, now: now)
        }
        guard let view = state.cordonViews().first(where: { $0.cordon.target == target }) else {
            throw .conflict("the cordon on \(target) was lifted at once by somebody else")
        }
        return view
    }

    package func uncordon(_ request: UncordonRequest) async throws(APIProblem) -> UncordonResult {
        try await mutate { (state, monotonic, now) throws(APIProblem) in
            try state.uncordon(request, monotonic: monotonic, now: now)
        }
    }

    package func cordons() -> ItemList<CordonView> {
        ItemList(items: state.cordonViews(), revision: state.revision)
    }

    package func requestClearance(_ request: ClearanceRequest) async throws(APIProblem) -> Clearance {
        let id = randomID()
        return try await mutate { (state, _, now) throws(APIProblem) in
            try state.requestClearance(request, id: id, now: now)
        }
    }

    package func clearances() -> ItemList<Clearance> {
        ItemList(items: state.clearanceList(), revision: state.revision)
    }

    package func forget(_ node: String, _ request: ForgetRequest) async throws(APIProblem) -> ForgetResult {
        try await mutate { (state, monotonic, now) throws(APIProblem) in
            try state.forget(node, request, monotonic: monotonic, now: now)
        }
    }

    package func report(_ report: ThroughputReport) async throws(APIProblem) -> ItemList<ThroughputRecord> {
        let records = try await mutate { (state, _, now) throws(APIProblem) in try state.report(report, now: now) }
        return ItemList(items: records, revision: state.revision)
    }

    package func forget(_ request: ForgetThroughputRequest) async throws(APIProblem) -> ItemList<ThroughputRecord> {
        let records = try await mutate { (state, _, now) throws(APIProblem) in try state.forget(request, now: now) }
        return ItemList(items: records, revision: state.revision)
    }

    // MARK: Exchange rates

    package func exchange(class workloadClass: WorkloadClass, precision: Precision) -> ExchangeView {
        state.exchangeView(class: workloadClass, precision: precision)
    }

    package func exchangeRate(
        from: String, to: String, class workloadClass: WorkloadClass, precision: Precision
    ) throws(APIProblem) -> ExchangeRate {
        do { return try state.exchange.table.rate(from, to, class: workloadClass, precision: precision) } catch {
            throw error.code == .ambiguousCard ? .badRequest(error.message) : .notFound(error.message)
        }
    }

    package func throughput() -> ItemList<ThroughputRecord> {
        ItemList(items: state.throughputRecords, revision: state.revision)
    }

    // MARK: Queue

    package func queue() -> QueueView { state.queueView(now: clock.wallMilliseconds()) }

    package func queuePolicy() -> QueuePolicyView {
        QueuePolicyView(yaml: state.policy.yaml, file: state.settings.queueFile)
    }

    /// The plan is made beside the actor; before it is carried out it is looked at again.
    package nonisolated func defragment(_ request: DefragmentationRequest) async throws(APIProblem)
        -> DefragmentationView
    {
        let proposal = try await desks.moves.look(at: { await self.present }) { now throws(APIProblem) in
            try now.state.propose(request, monotonic: now.monotonic, now: now.wall)
        }
        return proposal.isToRun ? try await carryOut(proposal) : proposal.view
    }

    private func carryOut(_ proposal: MoveProposal) async throws(APIProblem) -> DefragmentationView {
        try await mutate { (state, monotonic, now) throws(APIProblem) in
            try state.carryOut(proposal, monotonic: monotonic, now: now)
        }
    }

    // MARK: Events

    package func alertStatus() -> ItemList<AlertStatus> {
        ItemList(items: alerts.map(\.status), revision: state.revision)
    }

    /// What a reader has not seen, at once or as soon as there is something that it wants, at the latest after `wait`.
    package func events(
        after: UInt64, limit: Int, wait: Duration, filter: EventFilter, maximumAge: Int64? = nil
    ) async -> EventPage {
        var filter = filter
        if let maximumAge { filter.notBefore = clock.wallMilliseconds() - maximumAge }
        let deadline = ContinuousClock.now + wait
        var after = after
        while true {
            let page = events.page(after: after, limit: limit, filter: filter)
            let remaining = deadline - ContinuousClock.now
            guard page.items.isEmpty, !page.gap, page.atEnd, remaining > .zero, !isClosing else { return page }
            guard await waitForEvent(remaining) else { return page }
            after = page.next
        }
    }

    private func waitForEvent(_ wait: Duration) async -> Bool {
        nextLongPoll += 1
        let number = nextLongPoll
        let timer = Task {
            try await Task.sleep(for: wait)
            if let index = eventPolls.firstIndex(where: { $0.number == number }) {
                eventPolls.remove(at: index).continuation.resume(returning: false)
            }
        }
        defer { timer.cancel() }
        return await withCheckedContinuation { continuation in
            eventPolls.append(EventPoll(number: number, continuation: continuation))
            if eventPolls.count > Self.eventPollsKept {
                eventPolls.removeFirst().continuation.resume(returning: false)
            }
        }
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

    package func figures() -> SchedulerFigures {
        var figures = SchedulerFigures(startMilliseconds: startMilliseconds)
        state.count(into: &figures, monotonic: clock.monotonicMilliseconds())
        figures.events = eventCounts
        figures.alerts = alerts.map(\.status)
        figures.storeFailures = storeFailures
        return figures
    }

    package func workloads(all: Bool) -> ItemList<WorkloadView> {
        ItemList(items: state.workloadViews(all: all), revision: state.revision)
    }

    package func view(_ idOrName: String) throws(APIProblem) -> WorkloadView {
        state.view(try state.record(idOrName))
    }

    package nonisolated func explain(_ idOrName: String) async throws(APIProblem) -> Explanation {
        try await desks.plans.look(at: { await self.present }) { now throws(APIProblem) in
            try now.state.explanation(of: now.state.record(idOrName), monotonic: now.monotonic)
        }
    }

    package nonisolated func plan(_ spec: WorkloadSpec) async throws(APIProblem) -> PlanView {
        try await desks.plans.look(at: { await self.present }) { now throws(APIProblem) in
            try now.state.plan(spec, monotonic: now.monotonic)
        }
    }

    private var present: Present {
        Present(state: state, monotonic: clock.monotonicMilliseconds(), wall: clock.wallMilliseconds())
    }

    private struct Present {
        var state: ClusterState
        var monotonic: Int64
        var wall: Int64
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
        isClosing = true
        for poll in eventPolls { poll.continuation.resume(returning: false) }
        eventPolls = []
    }
}
