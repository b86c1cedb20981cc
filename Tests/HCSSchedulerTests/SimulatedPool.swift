import HCSAPI
import HCSModel
import HCSPlacement
import HCSScheduler
import HCSStore

// Swift Testing has an ExitStatus of its own.
private typealias ExitStatus = HCSModel.ExitStatus

/// Hosts with agents and processes, all simulated, under the scheduler's own state. A step is a minute of the wall clock.
struct SimulatedPool {
    struct Process {
        var id: WorkloadID
        var attempt: Int
        var grants: [DeviceGrant]
        var endsAt: Int
        var exitCode: Int32
        var stopsAt: Int?
        var exit: HCSModel.ExitStatus?
        var refused = false
    }

    struct Host {
        var name: String
        var devices: [String]
        var sequence: UInt64 = 0
        var processes: [Process] = []
        /// It does not report before this step.
        var silentUntil = 0
        var isForgotten = false
        var faultyUntil: [String: Int] = [:]
    }

    static let deviceMemory: UInt64 = 80
    /// No attempt runs longer, in steps.
    static let longestRun = 100
    static let stepMilliseconds: Int64 = 60_000

    var random: SplitMix64
    var state: ClusterState
    var hosts: [Host]
    var step = 0
    var monotonic: Int64 = 1_000_000
    var now: Int64 = 1_700_000_000_000
    var submitted: Set<WorkloadID> = []
    var nextName = 0
    /// What was done, newest last, for a failure's report.
    var journal: [String] = []
    /// Calm steps that a workload has waited since it was queued, for room.
    var waited: [WorkloadID: (since: Int64, calm: Int, ahead: Int)] = [:]
    var largestWait = 0
    var counts: [String: Int] = [:]
    /// Attempts that a node still ran when it was forgotten: nobody asked the quota when they come back with it.
    var strays: Set<String> = []
    /// Who was placed out of turn in this step.
    var unfair: [String] = []

    static let policy = QueuePolicy(
        preemption: true, reservation: .init(afterSeconds: 600, atOnce: 2, holdSeconds: 86_400),
        defragmentation: .init(run: true, moves: 2),
        pools: [.init(name: "east", nodes: ["n1", "n2"]), .init(name: "west", nodes: ["n*"])],
        tenants: [
            .init(name: "a", weight: 2, quota: .init(guarantee: AmountBound(vram: .gibibytes(320)))),
            .init(name: "b", quota: .init(limit: AmountBound(devices: 10, vram: .gibibytes(480)))),
            .init(
                name: "c", pools: ["west"],
                poolQuotas: ["west": .init(limit: AmountBound(vram: .gibibytes(400)))]),
        ])

    init(seed: UInt64) {
        random = SplitMix64(state: seed)
        state = ClusterState(
            StoredState(revision: .zero, nodes: [], workloads: []),
            settings: SchedulerSettings(margin: .zero, queue: Self.policy),
            monotonic: monotonic, now: now)
        hosts = (1...4).map { n in Host(name: "n\(n)", devices: (0..<4).map { "gpu-\(n)-\($0)" }) }
        for index in hosts.indices { report(index) }
    }

    mutating func note(_ text: String) {
        counts[String(text.prefix { $0 != " " }), default: 0] += 1
        journal.append("\(step): \(text)")
        if journal.count > 40 { journal.removeFirst() }
    }

    // MARK: Agents

    mutating func report(_ index: Int) {
        obey(index)
        hosts[index].sequence += 1
        let host = hosts[index]
        var used: [DeviceID: ByteCount] = [:]
        let seen = host.processes.map { process in
            let isAlive = process.exit == nil
            let usage = process.grants.map { grant in
                DeviceUsage(
                    device: grant.device, used: ByteCount(grant.quota.bytes / 2), peak: grant.quota, quota: grant.quota,
                    denied: 0)
            }
            if isAlive { for item in usage { used[item.device] = (used[item.device] ?? .zero).adding(item.used) } }
            return WorkloadObservation(
                id: process.id, attempt: process.attempt, phase: isAlive ? .running : .ended, exit: process.exit,
                refused: process.refused ? true : nil, usage: isAlive ? usage : [])
        }
        let devices = host.devices.enumerated().map { n, name in
            let isFaulty = host.faultyUntil[name] ?? 0 > step
            return DeviceReport(
                device: Device(
                    id: DeviceID(name), vendor: .nvidia, model: "H100", index: UInt32(n),
                    memory: .gibibytes(Self.deviceMemory), simulated: true),
                sample: DeviceSample(memoryUsed: used[DeviceID(name)] ?? .zero),
                health: DeviceHealth(
                    score: isFaulty ? 0 : 100,
                    reasons: isFaulty
                        ? [
                            HealthReason(
                                factor: "xid", penalty: 1, detail: "Xid 79", source: "kernel-log", sinceMilliseconds: 0)
                        ] : []))
        }
        let report = NodeReport(
            bootID: "boot", node: host.name, sequence: host.sequence, agentStartMilliseconds: 1,
            sentMilliseconds: 3_600_001,
            host: HostFacts(
                hostname: host.name, kernel: "6.1", architecture: "x86_64", cpuModel: "cpu", cpuCount: 64,
                memory: .gibibytes(512), numaNodes: [], acceleratorFunctions: []),
            devices: devices, workloads: seen, vendors: [], probes: [], leases: nil, escapes: nil, clearances: nil)
        do { try state.receive(report, monotonic: monotonic, now: now) } catch { note("refused report \(error)") }
        hosts[index].isForgotten = false
        obey(index)
    }

    /// Starts and stops what the scheduler's orders say.
    private mutating func obey(_ index: Int) {
        let orders = state.assignments(of: hosts[index].name).workloads
        for order in orders {
            let known = hosts[index].processes.firstIndex { $0.id == order.id && $0.attempt == order.attempt }
            switch order.desired {
            case .run:
                if let known {
                    hosts[index].processes[known].grants = order.grants
                } else {
                    var process = Process(
                        id: order.id, attempt: order.attempt, grants: order.grants,
                        endsAt: step + Int.random(in: 1...Self.longestRun, using: &random),
                        exitCode: random.chance(12) ? 1 : 0)
                    // As an agent does by its own records: a smaller quota that came with the order to stop is not in them.
                    let isTooMuch = order.grants.contains { grant in
                        let live = hosts[index].processes.filter { $0.exit == nil }.flatMap(\.grants)
                        let promised = live.filter { $0.device == grant.device }.reduce(grant.quota.bytes) {
                            $0 + $1.quota.bytes
                        }
                        return promised > Self.deviceMemory << 30
                    }
                    if isTooMuch || random.chance(1) {
                        process.refused = true
                        process.exit = HCSModel.ExitStatus(error: "no room here")
                    }
                    hosts[index].processes.append(process)
                }
            case .stop:
                if let known {
                    if hosts[index].processes[known].stopsAt == nil {
                        hosts[index].processes[known].stopsAt = step + Int.random(in: 0...2, using: &random)
                    }
                } else {
                    hosts[index].processes.append(
                        Process(
                            id: order.id, attempt: order.attempt, grants: [], endsAt: step, exitCode: 0,
                            exit: HCSModel.ExitStatus(error: "never started")))
                }
            }
        }
        let ordered = Set(orders.map { "\($0.id) \($0.attempt)" })
        hosts[index].processes.removeAll { $0.exit != nil && !ordered.contains("\($0.id) \($0.attempt)") }
    }

    private mutating func live() {
        for h in hosts.indices {
            for p in hosts[h].processes.indices where hosts[h].processes[p].exit == nil {
                let process = hosts[h].processes[p]
                if let stop = process.stopsAt, stop <= step {
                    hosts[h].processes[p].exit = HCSModel.ExitStatus(signal: 15)
                } else if process.endsAt <= step {
                    hosts[h].processes[p].exit = HCSModel.ExitStatus(code: process.exitCode)
                }
            }
        }
    }

    // MARK: Events

    /// One minute.
    mutating func advance() {
        step += 1
        unfair = []
        monotonic += 4_000
        now += Self.stepMilliseconds
        live()
        for _ in 0..<Int.random(in: 0...2, using: &random) { event() }
        for index in hosts.indices where hosts[index].silentUntil <= step { watchingShares { $0.report(index) } }
        watchingShares { $0.state.tick(monotonic: $0.monotonic, now: $0.now) }
        _ = state.takeEvents()
        _ = state.committed(as: Revision(UInt64(step)))
    }

    private var liveRecords: [WorkloadRecord] {
        state.workloads.values.filter { !$0.phase.hasEnded }.sorted { $0.id < $1.id }
    }

    private mutating func event() {
        let live = liveRecords
        switch Double.random(in: 0..<100, using: &random) {
        case ..<62: if live.count < 36 { submit() }
        case ..<66:
            if let record = live.randomElement(using: &random) {
                note("delete \(record.spec.name)")
                state.delete(record.id, now: now)
            }
        case ..<74:
            if let record = live.randomElement(using: &random) {
                let size = UInt64.random(in: 4...Self.deviceMemory, using: &random)
                note("resize \(record.spec.name) to \(size)Gi")
                try? state.resize(
                    record.id, to: WorkloadChange(vram: .gibibytes(size)), monotonic: monotonic, now: now)
            }
        case ..<76: lose()
        case ..<79:
            let h = Int.random(in: 0..<hosts.count, using: &random)
            let name = hosts[h].devices[Int.random(in: 0..<4, using: &random)]
            note("fault \(name)")
            hosts[h].faultyUntil[name] = step + Int.random(in: 2...40, using: &random)
        case ..<83: cordon()
        case ..<86:
            note("defragment")
            let request = DefragmentationRequest(run: true, by: "test")
            guard let proposal = try? state.propose(request, monotonic: monotonic, now: now) else { break }
            // Now and then something happens while the plan is made.
            if random.chance(50) { event() }
            if proposal.isToRun { _ = try? state.carryOut(proposal, monotonic: monotonic, now: now) }
        case ..<88: if live.count < 36 { burst() }
        case ..<91: replaceAll()
        default: break
        }
    }

    /// The same from several tenants at once.
    private mutating func burst() {
        let size = ByteCount.gibibytes(UInt64.random(in: 20...60, using: &random))
        for tenant in ["a", "b", "default", "a", "b", "default"] {
            nextName += 1
            submit(
                WorkloadSpec(
                    name: "w\(nextName)", command: ["/bin/true"], runtime: .cuda, vram: size,
                    placement: PlacementSpec(cpuMilli: 1000, tenant: tenant), restart: .onDeviceFault))
        }
    }

    /// A tenant with a limit deletes all that it has, and submits it again at once.
    private mutating func replaceAll() {
        let tenant = random.chance(50) ? "b" : "c"
        for record in liveRecords where record.spec.placement.tenant == tenant && record.spec.placement.gang == nil {
            note("replace \(record.spec.name)")
            state.delete(record.id, now: now)
            nextName += 1
            var spec = record.spec
            spec.name = "w\(nextName)"
            submit(spec)
        }
    }

    private mutating func submit(_ spec: WorkloadSpec) {
        let id = WorkloadID.random(using: &random)
        do {
            try state.submit(spec, id: id, monotonic: monotonic, now: now)
            submitted.insert(id)
            let asked = spec.placement
            note("submit \(spec.name) of \(asked.tenant), \(asked.devices) x \(spec.vram), priority \(asked.priority)")
        } catch { note("refused \(spec.name): \(error)") }
    }

    private mutating func submit() {
        let gangSize = random.chance(20) ? Int.random(in: 2...3, using: &random) : 1
        nextName += 1
        let gang = gangSize > 1 ? Gang(name: "g\(nextName)", size: gangSize, timeoutSeconds: 1200) : nil
        // Now and then one never comes.
        let members = gang != nil && random.chance(15) ? gangSize - 1 : gangSize
        let tenant = ["a", "b", "c", "default"][Int.random(in: 0..<4, using: &random)]
        let priority = [-1, 0, 0, 0, 0, 1, 2][Int.random(in: 0..<7, using: &random)]
        let pool = tenant == "c" ? (random.chance(30) ? "west" : nil) : (random.chance(10) ? "east" : nil)
        let isLarge = random.chance(15)
        // Of such a gang each takes one device: no host has more than four.
        let isTogether = gang != nil && random.chance(40)
        let restart: RestartPolicy = [.onDeviceFault, .onDeviceFault, .onFailure, .never][
            Int.random(in: 0..<4, using: &random)]
        for member in 0..<members {
            let spec = WorkloadSpec(
                name: "w\(nextName)-\(member)", command: ["/bin/true"], runtime: .cuda,
                vram: .gibibytes(isLarge ? Self.deviceMemory : UInt64.random(in: 4...60, using: &random)),
                placement: PlacementSpec(
                    devices: isTogether
                        ? 1 : isLarge ? Int.random(in: 1...3, using: &random) : random.chance(10) ? 2 : 1,
                    wholeDevices: isLarge && random.chance(30), cpuMilli: Int.random(in: 0...8, using: &random) * 1000,
                    memory: .gibibytes(UInt64.random(in: 0...32, using: &random)),
                    interconnect: isTogether ? .sameNode : .any, priority: priority, gang: gang, pool: pool,
                    tenant: tenant), restart: restart)
            submit(spec)
        }
    }

    private mutating func lose() {
        let h = Int.random(in: 0..<hosts.count, using: &random)
        guard hosts[h].silentUntil <= step else {
            // It has been away long enough for an operator to give it up.
            guard hosts[h].silentUntil - step < 30, !hosts[h].isForgotten else { return }
            do {
                _ = try state.forget(
                    hosts[h].name, ForgetRequest(reason: "gone", by: "test"), monotonic: monotonic, now: now)
                note("forget \(hosts[h].name)")
                hosts[h].isForgotten = true
                if random.chance(50) { hosts[h].processes = [] }
                for process in hosts[h].processes { strays.insert("\(process.id) \(process.attempt)") }
            } catch {}
            return
        }
        hosts[h].silentUntil = step + Int.random(in: 1...60, using: &random)
        note("lose \(hosts[h].name) until \(hosts[h].silentUntil)")
    }

    private mutating func cordon() {
        let h = Int.random(in: 0..<hosts.count, using: &random)
        let target =
            random.chance(50) ? hosts[h].name : hosts[h].devices[Int.random(in: 0..<4, using: &random)]
        if state.cordons.count < 3, random.chance(50) {
            note("cordon \(target)")
            _ = try? state.cordon(
                CordonRequest(target: target, reason: "work", by: "test", drain: random.chance(50)),
                monotonic: monotonic, now: now)
        } else if let cordon = state.cordons.keys.sorted().randomElement(using: &random) {
            note("uncordon \(cordon)")
            _ = try? state.uncordon(
                UncordonRequest(target: cordon.device?.uuid ?? cordon.node, by: "test"), monotonic: monotonic, now: now)
        }
    }

    /// Three hosts or more are well: then nothing in this simulation asks for more than there is.
    var isCalm: Bool {
        hosts.count { host in
            host.silentUntil <= step && !host.faultyUntil.values.contains { $0 > step }
                && !state.cordons.keys.contains { $0.node == host.name }
        } >= 3
    }
}

extension SplitMix64 {
    fileprivate mutating func chance(_ percent: Double) -> Bool { Double.random(in: 0..<100, using: &self) < percent }
}
