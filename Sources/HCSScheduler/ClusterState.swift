package import HCSAPI
package import HCSModel
package import HCSPlacement
package import HCSStore

/// All the scheduler knows, and what each input makes of it. A value: the actor around it owns time, store and waiting.
package struct ClusterState: Sendable {
    /// A node silent for longer gets no new work.
    package static let silenceLimitMilliseconds: Int64 = 10_000
    /// Ended workloads that are remembered; the oldest go first.
    package static let endedWorkloadsKept = 1_000

    package struct NodeEntry: Sendable {
        package var record: NodeRecord
        /// nil until this scheduler process has heard from it.
        package var report: NodeReport?
        /// Scheduler's monotonic clock, milliseconds.
        package var lastHeard: Int64?
    }

    package private(set) var revision: Revision
    package private(set) var nodes: [String: NodeEntry] = [:]
    package private(set) var workloads: [WorkloadID: WorkloadRecord] = [:]
    package private(set) var cordons: [Cordon.Target: Cordon] = [:]
    private var whereabouts = Whereabouts()
    package internal(set) var clearances: [WorkloadID: Clearance] = [:]
    package internal(set) var exchange: ExchangeBook
    /// The revision at which what a node should run last changed.
    package private(set) var assignmentRevision: [String: Revision] = [:]
    /// What this scheduler process has told of the pool.
    var known: FleetKnowledge
    var fleetGuard: FleetGuard
    let settings: SchedulerSettings
    var reservations = Reservations()
    /// What the queue remembers between its cycles, and what each workload last waited for.
    package internal(set) var book = QueueBook()
    package internal(set) var waits: [WorkloadID: WaitCode] = [:]
    /// The placement's room as the last decision left it; nil = it is made anew.
    var keptRoom: KeptRoom?
    /// What `keptRoom` has not taken in yet.
    var roomChanges = RoomChanges()
    /// The requests that came last: what is asked for as a rule.
    private(set) var recentRequests: [PlacementRequest]
    static let recentRequestsKept = 256
    /// Work came, went or ended since the queue was last decided on.
    var hasNewsForQueue = true
    /// Rounds of the queue over all that waits; of this scheduler process.
    package private(set) var rounds: UInt64 = 0
    /// What rounds may still look at before the next tick makes one.
    private var recordsLeft = ClusterState.recordsBetweenTicks
    /// Nodes and workloads that rounds look at between two ticks; the first of them is made in any case.
    package static let recordsBetweenTicks = 20_000
    /// When this scheduler process began to listen, monotonic milliseconds.
    let openedAt: Int64
    private var nextSequence: UInt64
    private var newEvents: [FleetEvent] = []
    /// Of this scheduler process.
    package internal(set) var decisions: [Decision: UInt64] = [:]
    package internal(set) var ended: [WorkloadPhase: UInt64] = [:]

    // What changed since the last commit.
    private var changedNodes: Set<String> = []
    private var changedWorkloads: Set<WorkloadID> = []
    private var removedWorkloads: Set<WorkloadID> = []
    private var changedAssignments: Set<String> = []
    private var removedNodes: Set<String> = []
    private var changedCordons: Set<Cordon.Target> = []
    private var changedClearances: Set<WorkloadID> = []

    /// Numbers that a crash may have cost are never given again: each start leaves more room than any run can lose.
    private static let sequenceGap: UInt64 = 1_000_000

    package init(
        _ stored: StoredState, exchange: ExchangeBook = ExchangeBook(),
        settings: SchedulerSettings = SchedulerSettings(), monotonic: Int64, now: Int64
    ) {
        self.settings = settings
        revision = stored.revision
        recentRequests = stored.workloads.sorted { ($0.createdMilliseconds, $0.id) < ($1.createdMilliseconds, $1.id) }
            .suffix(Self.recentRequestsKept).map { PlacementRequest($0.spec) }
        self.exchange = exchange
        self.exchange.load(stored.throughput)
        for node in stored.nodes {
            nodes[node.name] = NodeEntry(record: node)
            assignmentRevision[node.name] = stored.revision
        }
        for workload in stored.workloads {
            workloads[workload.id] = workload
            whereabouts.note(workload, since: nil)
        }
        for cordon in stored.cordons { cordons[cordon.target] = cordon }
        for clearance in stored.clearances { clearances[clearance.id] = clearance }
        known = FleetKnowledge(nodes: stored.nodes, events: stored.events)
        fleetGuard = FleetGuard(events: stored.events, monotonic: monotonic, now: now)
        openedAt = monotonic
        nextSequence = stored.events.last.map { $0.sequence &+ Self.sequenceGap } ?? 1
        emit(
            FleetEvent(
                atMilliseconds: now, kind: .schedulerStarted, severity: .info,
                message:
                    "the scheduler was started with \(nodes.count) nodes and \(workloads.count) workloads in its store; if the last one crashed, events of its last second may be missing"
            ))
    }

    // MARK: Events

    /// Longest message of an event: what reports tell is not bounded elsewhere.
    private static let messageLength = 512
    private static let reasonsKept = 3

    mutating func emit(_ event: FleetEvent) {
        var event = event
        event.sequence = nextSequence
        nextSequence += 1
        event.message = Self.bounded(event.message)
        event.fault = event.fault.map(Self.bounded)
        if let reasons = event.health?.reasons {
            event.health?.reasons = reasons.prefix(Self.reasonsKept).map(Self.bounded)
        }
        newEvents.append(event)
    }

    private static func bounded(_ reason: HealthReason) -> HealthReason {
        var reason = reason
        reason.factor = bounded(reason.factor)
        reason.detail = bounded(reason.detail)
        reason.source = bounded(reason.source)
        reason.code = reason.code.map(bounded)
        reason.advice = reason.advice.map(bounded)
        reason.authority = reason.authority.map(bounded)
        return reason
    }

    private static func bounded(_ text: String) -> String {
        String(
            text.prefix(messageLength).map {
                $0.unicodeScalars.contains { $0.value < 32 || $0.value == 127 } ? "?" : $0
            })
    }

    /// What was emitted since the last call.
    package mutating func takeEvents() -> [FleetEvent] {
        defer { newEvents = [] }
        return newEvents
    }

    // MARK: Changes for the store

    /// What to persist; events are the caller's.
    package var pending: StateChange {
        StateChange(
            nodes: changedNodes.sorted().compactMap { nodes[$0]?.record }, removedNodes: removedNodes.sorted(),
            workloads: changedWorkloads.sorted().compactMap { workloads[$0] },
            removedWorkloads: removedWorkloads.sorted(),
            cordons: changedCordons.sorted().compactMap { cordons[$0] },
            removedCordons: changedCordons.sorted().filter { cordons[$0] == nil },
            clearances: changedClearances.sorted().compactMap { clearances[$0] },
            removedClearances: changedClearances.sorted().filter { clearances[$0] == nil },
            throughput: exchange.changed.sorted().compactMap { exchange.records[$0] },
            removedThroughput: exchange.changed.sorted().filter { exchange.records[$0] == nil })
    }

    package var isDirty: Bool {
        !(changedNodes.isEmpty && changedWorkloads.isEmpty && removedWorkloads.isEmpty && removedNodes.isEmpty
            && changedCordons.isEmpty && changedClearances.isEmpty && exchange.changed.isEmpty)
    }

    /// The store took the changes as `revision`. Answers the nodes whose assignments changed.
    package mutating func committed(as revision: Revision) -> Set<String> {
        self.revision = revision
        for node in changedAssignments { assignmentRevision[node] = revision }
        defer {
            changedNodes = []
            changedWorkloads = []
            removedWorkloads = []
            changedAssignments = []
            removedNodes = []
            changedCordons = []
            changedClearances = []
            exchange.forgetChanges()
        }
        return changedAssignments
    }

    /// Sets a cordon, or with nil removes it; its node is told.
    mutating func set(_ cordon: Cordon?, on target: Cordon.Target) {
        guard cordons[target] != cordon else { return }
        changedAssignments.insert(target.node)
        roomChanges.nodes.insert(target.node)
        cordons[target] = cordon
        changedCordons.insert(target)
    }

    /// Sets a clearance, or with nil removes it; its node is told.
    mutating func set(_ clearance: Clearance?, as id: WorkloadID) {
        guard clearances[id] != clearance else { return }
        for node in [clearances[id]?.node, clearance?.node] { if let node { changedAssignments.insert(node) } }
        clearances[id] = clearance
        changedClearances.insert(id)
    }

    /// Its workloads are the caller's.
    mutating func remove(node: String) {
        whereabouts.note(nil, since: nodes[node]?.report)
        nodes[node] = nil
        keptRoom = nil
        assignmentRevision[node] = nil
        changedNodes.remove(node)
        removedNodes.insert(node)
        known.forget(node: node)
        reservations.setAside[node] = nil
    }

    mutating func update(_ record: WorkloadRecord) {
        let old = workloads[record.id]
        var record = record
        if record.phase == .queued, let old, old.phase != .queued {
            record.queuedMilliseconds = record.updatedMilliseconds
        }
        guard old != record else { return }
        // What comes new is looked at when it comes.
        // A start makes no room, nor does what is only asked to end.
        let isNews = old?.phase != record.phase && record.phase != .running && record.phase != .stopping
        if let old, isNews || old.grants != record.grants || old.previous != record.previous { hasNewsForQueue = true }
        noteTransition(from: old, to: record)
        if record.phase != .queued { waits[record.id] = nil }
        remember(record, as: record.id)
        changedWorkloads.insert(record.id)
        for node in [old?.node, old?.previous?.node, record.node, record.previous?.node] {
            if let node { changedAssignments.insert(node) }
        }
    }

    /// Takes a workload in, or with nil forgets it.
    private mutating func remember(_ record: WorkloadRecord?, as id: WorkloadID) {
        let old = workloads[id]
        workloads[id] = record
        whereabouts.note(record, since: old)
        for node in [old?.node, old?.previous?.node, record?.node, record?.previous?.node] {
            if let node { roomChanges.nodes.insert(node) }
        }
        // What an agent runs counts by the report where nobody else knows of it.
        if (old == nil) != (record == nil) { roomChanges.nodes.formUnion(whereabouts.reporting(id)) }
    }

    /// Workloads that are on a node, were there, or whose last attempt drains there.
    func work(on node: String) -> some Sequence<WorkloadRecord> {
        whereabouts.work(on: node).lazy.compactMap { workloads[$0] }
    }

    // MARK: Inputs

    /// Takes a report in. Throws a problem for one that is older than what is known.
    package mutating func receive(_ report: NodeReport, monotonic: Int64, now: Int64) throws(APIProblem) {
        try Self.check(report)
        guard !isOutdated(report, monotonic: monotonic) else {
            throw .conflict(
                "report \(report.sequence) of node \(report.node) is not newer than the last: is a second agent running under this name?"
            )
        }
        let record = NodeRecord(
            name: report.node, agentVersion: report.agentVersion, bootID: report.bootID, host: report.host.lasting,
            devices: report.devices.map(\.device), topology: report.topology)
        let before = nodes[report.node]
        if before?.record != record { changedNodes.insert(report.node) }
        removedNodes.remove(report.node)
        if assignmentRevision[report.node] == nil { assignmentRevision[report.node] = revision }
        nodes[report.node] = NodeEntry(record: record, report: report, lastHeard: monotonic)
        whereabouts.note(report, since: before?.report)
        roomChanges.nodes.insert(report.node)
        noteChanges(in: report, since: before, now: now)
        takeOutcomes(of: report, now: now)
        let faults = Self.faultReasons(of: report)
        for seen in report.workloads {
            guard var record = workloads[seen.id] else { continue }
            if let stray = strayAttempt(seen, of: record, in: report) {
                record.previous = stray
                update(record)
            }
            let observation = Reconciler.Observation(
                node: report.node, attempt: seen.attempt, isRunning: seen.phase == .running,
                hasEnded: seen.phase == .ended,
                exit: seen.exit, wasRefused: seen.refused ?? false)
            update(Reconciler.observe(record, observation, faulty: { faults[$0] }, now: now))
        }
        moveOffFaultyDevices(of: report, faults: faults, monotonic: monotonic, now: now)
        expireReservations(of: report, monotonic: monotonic, now: now)
        // Most reports bring nothing that could place what waits: figures of use are looked at by the tick.
        guard hasNewsForQueue || before.map({ !offersNoMore($0, as: report, monotonic: monotonic) }) ?? true else {
            return
        }
        scheduleSoon(monotonic: monotonic, now: now)
    }

    /// Whether a report says of its node's room what was known before or less, apart from memory in use.
    private func offersNoMore(_ before: NodeEntry, as report: NodeReport, monotonic: Int64) -> Bool {
        guard let old = before.report, let now = nodes[report.node], now.record == before.record,
            notReady(before, monotonic: monotonic) == nil, Self.unhealthy(before) == Self.unhealthy(now),
            old.devices.count == report.devices.count, Self.hasAll(of: old.workloads, report.workloads)
        else { return false }
        return zip(old.devices, report.devices).allSatisfy {
            $0.health.band == $1.health.band && $0.blocked == $1.blocked && $0.localGranted == $1.localGranted
        }
    }

    /// Whether all attempts that took room still do, those included that this scheduler does not know. One more makes none.
    private static func hasAll(of old: [WorkloadObservation], _ now: [WorkloadObservation]) -> Bool {
        func live(_ seen: [WorkloadObservation]) -> Set<AttemptKey> {
            Set(seen.lazy.filter { $0.phase != .ended }.map { AttemptKey(id: $0.id, attempt: $0.attempt) })
        }
        return live(old).isSubset(of: live(now))
    }

    /// Not newer than what is known. The agents' wall clocks order their processes, and a clock can be set back: so one
    /// that has fallen silent no longer stands in the way of another.
    private func isOutdated(_ report: NodeReport, monotonic: Int64) -> Bool {
        guard let entry = nodes[report.node], let last = entry.report else { return false }
        if report.agentStartMilliseconds == last.agentStartMilliseconds { return report.sequence <= last.sequence }
        return report.agentStartMilliseconds < last.agentStartMilliseconds
            && notReady(entry, monotonic: monotonic) == nil
    }

    private static func check(_ report: NodeReport) throws(APIProblem) {
        guard report.apiVersion == HCSVersion.api else {
            throw .badRequest(
                "the report speaks API '\(report.apiVersion.prefix(16))', this scheduler speaks \(HCSVersion.api)")
        }
        guard NodeName.isValid(report.node) else {
            throw .badRequest("node name '\(report.node.prefix(80))' \(NodeName.rule)")
        }
        guard report.devices.count <= APILimits.devicesPerNode else {
            throw .badRequest("more than \(APILimits.devicesPerNode) devices in one report")
        }
        guard (0...APILimits.cpusPerNode).contains(report.host.cpuCount) else {
            throw .badRequest("cpuCount must be 0 to \(APILimits.cpusPerNode)")
        }
        guard report.workloads.count <= APILimits.workloadsPerReport else {
            throw .badRequest("more than \(APILimits.workloadsPerReport) workloads in one report")
        }
        guard report.clearances?.count ?? 0 <= APILimits.outcomesPerReport else {
            throw .badRequest("more than \(APILimits.outcomesPerReport) outcomes of clearances in one report")
        }
        // They become parts of events, views and orders.
        for device in report.devices where !PrintableText.isIdentity(device.device.id.uuid) {
            throw .badRequest("'\(PrintableText.of(device.device.id.uuid.utf8, limit: 80))' is no identity of a device")
        }
        guard Set(report.devices.map(\.device.id)).count == report.devices.count else {
            throw .badRequest("two devices in the report have the same id")
        }
    }

    /// Queues a workload and tries to place it at once.
    package mutating func submit(_ spec: WorkloadSpec, id: WorkloadID, monotonic: Int64, now: Int64) throws(APIProblem)
    {
        try check(spec)
        let live = workloads.values.count { !$0.phase.hasEnded }
        guard live < APILimits.liveWorkloads else {
            throw .tooMany("\(live) workloads are queued or running: delete some, or wait")
        }
        guard !isLive(name: spec.name) else {
            throw .conflict(
                "a workload named '\(spec.name)' is queued or running: choose another name or delete that one")
        }
        try checkGang(of: spec)
        let record = WorkloadRecord(id: id, spec: spec, createdMilliseconds: now)
        update(record)
        recentRequests = (recentRequests + [PlacementRequest(spec)]).suffix(Self.recentRequestsKept)
        roomChanges.requests += 1
        // For the others, but those of its gang, nothing has changed.
        var focus: Set<WorkloadID> = [id]
        if let gang = spec.placement.gang {
            for other in workloads.values
            where other.phase == .queued && other.spec.placement.gang?.name == gang.name
                && other.spec.placement.tenant == spec.placement.tenant
            {
                focus.insert(other.id)
            }
        }
        runQueue(focus: focus, monotonic: monotonic, now: now)
        forgetOldest()
    }

    /// Refuses what is wrong, and what the policy of the queue would never place.
    func check(_ spec: WorkloadSpec) throws(APIProblem) {
        do { try spec.validate() } catch { throw .badRequest(error.message) }
        if let why = policy.objection(to: spec.placement) { throw .badRequest(why) }
    }

    private func isLive(name: String) -> Bool {
        workloads.values.contains { !$0.phase.hasEnded && $0.spec.name == name }
    }

    /// What it frees now, if anything, is given away at the next tick; what runs frees its room when it has ended.
    package mutating func delete(_ id: WorkloadID, now: Int64) {
        guard let record = workloads[id] else { return }
        update(Reconciler.delete(record, now: now))
    }

    /// Time passed: back-offs end, nodes fall silent.
    package mutating func tick(monotonic: Int64, now: Int64) {
        noteSilence(monotonic: monotonic, now: now)
        schedule(monotonic: monotonic, now: now)
        recordsLeft = Self.recordsBetweenTicks
    }

    private mutating func forgetOldest() {
        let ended = workloads.values.filter { $0.phase.hasEnded && $0.previous == nil }
        guard ended.count > Self.endedWorkloadsKept else { return }
        let excess = ended.sorted { $0.updatedMilliseconds < $1.updatedMilliseconds }.prefix(
            ended.count - Self.endedWorkloadsKept)
        for record in excess {
            remember(nil, as: record.id)
            changedWorkloads.remove(record.id)
            removedWorkloads.insert(record.id)
        }
    }

    // MARK: Decisions

    /// Why devices of a node take no work for reasons of their own.
    private static func faultReasons(of report: NodeReport) -> [DeviceID: String] {
        var reasons: [DeviceID: String] = [:]
        for device in report.devices where device.health.band == .failed {
            reasons[device.device.id] =
                device.health.reasons.first.map { "health \(device.health.score ?? 0): \($0.detail)" } ?? "health 0"
        }
        return reasons
    }

    private mutating func moveOffFaultyDevices(
        of report: NodeReport, faults: [DeviceID: String], monotonic: Int64, now: Int64
    ) {
        known.held = known.held.filter { $0.node != report.node || faults[$0.device] != nil }
        guard !faults.isEmpty else { return }
        let affected = workloads.values.filter { record in
            record.node == report.node && record.grants.contains { faults[$0.device] != nil }
        }
        for record in affected.sorted(by: { ($0.createdMilliseconds, $0.id) < ($1.createdMilliseconds, $1.id) }) {
            // Its name was given to another meanwhile.
            if record.phase.hasEnded, isLive(name: record.spec.name) { continue }
            // Its gang has failed with it.
            if record.phase.hasEnded, record.spec.placement.gang != nil { continue }
            for grant in record.grants {
                guard let reason = faults[grant.device], let present = workloads[record.id] else { continue }
                if present.spec.restart == .never,
                    present.events.contains(where: { $0.kind == .deviceFault && $0.device == grant.device })
                {
                    continue
                }
                let moved = Reconciler.deviceFault(present, device: grant.device, reason: reason, now: now)
                guard moved != present else { continue }
                // What has not started is new work, which a faulty device never gets; what has ended is ended.
                guard
                    present.phase != .running || moved.phase != .queued
                        || mayMove(off: grant.device, of: report, monotonic: monotonic, now: now)
                else { continue }
                update(moved)
            }
        }
    }

    /// Something may have made room: decides at once, or with the next tick where rounds since the last one have looked at
    /// much already. So what comes by the thousand makes few rounds, and one by itself does not wait.
    mutating func scheduleSoon(monotonic: Int64, now: Int64) {
        guard recordsLeft > 0 else {
            hasNewsForQueue = true
            return
        }
        schedule(monotonic: monotonic, now: now)
    }

    /// Decides on all that waits, then moves what is drained.
    private mutating func schedule(monotonic: Int64, now: Int64) {
        rounds += 1
        recordsLeft -= nodes.count + workloads.count
        runQueue(monotonic: monotonic, now: now)
        drain(monotonic: monotonic, now: now)
    }

    func notReady(_ entry: NodeEntry, monotonic: Int64) -> String? {
        guard let heard = entry.lastHeard else { return "not heard of since this scheduler started" }
        let age = monotonic - heard
        return age > Self.silenceLimitMilliseconds ? "silent for \(age / 1000) s" : nil
    }

    /// Why a host takes no new work, for its own health. What it runs stays: the fault may be over.
    static func unhealthy(_ entry: NodeEntry) -> String? {
        guard let health = entry.report?.health, let score = health.score, !health.band.acceptsWork else { return nil }
        return "health of the host \(score)\(health.reasons.first.map { ": \($0.detail)" } ?? "")"
    }

    /// Devices as last reported, or as remembered by the store (health unknown) before the first report.
    func reports(of entry: NodeEntry) -> [DeviceReport] {
        entry.report?.devices
            ?? entry.record.devices.map {
                DeviceReport(device: $0, sample: nil, health: DeviceHealth(score: nil, reasons: []))
            }
    }

    // MARK: Views

    package func assignments(of node: String) -> NodeAssignments {
        var orders: [Assignment] = []
        for record in work(on: node).sorted(by: { $0.id < $1.id }) {
            if let previous = record.previous, previous.node == node {
                orders.append(
                    Assignment(
                        id: record.id, attempt: previous.attempt, desired: .stop, spec: record.spec,
                        grants: previous.grants))
            }
            guard record.node == node, record.previous == nil else { continue }
            switch record.phase {
            case .assigned, .running:
                orders.append(
                    Assignment(
                        id: record.id, attempt: record.attempt, desired: .run, spec: record.spec, grants: record.grants)
                )
            case .stopping:
                orders.append(
                    Assignment(
                        id: record.id, attempt: record.attempt, desired: .stop, spec: record.spec, grants: record.grants
                    ))
            case .queued, .succeeded, .failed, .deleted: break
            }
        }
        let cleared = clearances.values.filter { $0.node == node }.sorted { $0.id < $1.id }
        let cordoned = cordons.values.filter { $0.target.node == node }.sorted { $0.target < $1.target }
        return NodeAssignments(
            node: node, revision: assignmentRevision[node] ?? revision, workloads: orders,
            clearances: cleared.isEmpty ? nil : cleared, cordons: cordoned.isEmpty ? nil : cordoned)
    }

    package func nodeViews(monotonic: Int64) -> [NodeView] {
        nodes.values.sorted { $0.record.name < $1.record.name }.map { entry in
            NodeView(
                name: entry.record.name, state: notReady(entry, monotonic: monotonic) == nil ? .ready : .unreachable,
                lastReportAgeMilliseconds: entry.lastHeard.map { monotonic - $0 } ?? -1,
                agentVersion: entry.record.agentVersion,
                bootID: entry.record.bootID, host: entry.report?.host ?? entry.record.host,
                deviceCount: entry.record.devices.count,
                simulatedDeviceCount: entry.record.devices.count { $0.simulated }, vendors: entry.report?.vendors ?? [],
                probes: entry.report?.probes ?? [], leases: entry.report?.leases,
                escapes: entry.report?.escapes, topology: entry.record.topology,
                cordon: cordons[Cordon.Target(node: entry.record.name)], health: entry.report?.health)
        }
    }

    package func deviceViews(monotonic: Int64) -> [DeviceView] {
        let ledger = ledger(of: nodes.keys)
        let cleared = Dictionary(
            clearances.values.map { (DeviceKey(node: $0.node, device: $0.device), $0) }, uniquingKeysWith: { $1 })
        return nodes.values.sorted { $0.record.name < $1.record.name }.flatMap { entry in
            reports(of: entry).map { report in
                let key = DeviceKey(node: entry.record.name, device: report.device.id)
                let state = state(of: report, on: entry.record.name, ledger)
                return DeviceView(
                    node: entry.record.name, device: report.device, sample: report.sample, health: report.health,
                    blocked: report.blocked
                        ?? (notReady(entry, monotonic: monotonic) ?? Self.unhealthy(entry)).map {
                            "node is not ready: \($0)"
                        },
                    ledger: DeviceLedger(
                        total: report.device.memory, granted: state.granted, driverUsed: state.driverUsed,
                        free: state.free,
                        workloads: (ledger.devices[key]?.names ?? []).sorted(), segmentUsed: state.segmentUsed,
                        margin: state.margin, computeMilli: state.grantedCompute, whole: state.isHeldWhole),
                    cordon: cordon(on: key), clearance: cleared[key])
            }
        }
    }

    package func view(_ record: WorkloadRecord) -> WorkloadView {
        let seen = record.node.flatMap { nodes[$0]?.report }?.workloads.first {
            $0.id == record.id && $0.attempt == record.attempt
        }
        return WorkloadView(
            id: record.id, spec: record.spec, phase: record.phase, attempt: record.attempt, node: record.node,
            grants: record.grants, usage: seen?.usage ?? [], processes: seen?.processes ?? 0,
            driverUsed: seen?.driverUsed,
            exit: record.exit, message: record.message, createdMilliseconds: record.createdMilliseconds,
            updatedMilliseconds: record.updatedMilliseconds, events: record.events)
    }

    package func workloadViews(all: Bool) -> [WorkloadView] {
        workloads.values.filter { all || !$0.phase.hasEnded }
            .sorted { ($0.createdMilliseconds, $0.id) < ($1.createdMilliseconds, $1.id) }.map(view)
    }

    /// By id, or by name: the live one of that name, else the newest.
    package func find(_ idOrName: String) -> WorkloadRecord? {
        if let id = WorkloadID(idOrName), let record = workloads[id] { return record }
        let named = workloads.values.filter { $0.spec.name == idOrName }
        return named.first { !$0.phase.hasEnded } ?? named.max { $0.createdMilliseconds < $1.createdMilliseconds }
    }

    /// As `find`; throws where there is none.
    func record(_ idOrName: String) throws(APIProblem) -> WorkloadRecord {
        guard let record = find(idOrName) else {
            throw .notFound("no workload '\(idOrName.prefix(80))': see `hcs workloads --all`")
        }
        return record
    }
}
