import HCSAPI
package import HCSDevice
import HCSHealth
import HCSModel
package import HCSProbe
import HCSSystem
package import Logging
import ServiceLifecycle

/// Looks at the host: devices each interval, segments and workloads four times a second while there are some, faults the moment they are seen.
/// The three do not wait for each other: a hanging vendor library delays no fault and no workload.
package struct CollectionCycle: Service {
    /// How often segments are read and reaped and workloads are looked at.
    package static let segmentInterval: Duration = .milliseconds(250)

    private let devices: DeviceManager
    private let probes: ProbeRunner
    private let health: HealthMonitor
    private let supervisor: WorkloadSupervisor
    private let state: NodeState
    private let host: HostWatch
    private let metrics: MetricsRecorder
    private let interval: Duration
    private let trustUserKernelLog: Bool
    private let logger: Logger
    private let faultLog: FaultLog

    package init(
        devices: DeviceManager, probes: ProbeRunner, health: HealthMonitor, supervisor: WorkloadSupervisor,
        state: NodeState, host: HostWatch, metrics: MetricsRecorder, interval: Duration, trustUserKernelLog: Bool,
        logger: Logger
    ) {
        self.devices = devices
        self.probes = probes
        self.health = health
        self.supervisor = supervisor
        self.state = state
        self.host = host
        self.metrics = metrics
        self.interval = interval
        self.trustUserKernelLog = trustUserKernelLog
        self.logger = logger
        faultLog = FaultLog(logger: logger)
    }

    package func run() async throws {
        await cancelWhenGracefulShutdown {
            await withTaskGroup(of: Void.self) { group in
                // Read from the beginning: what a log holds at the start is more than the buffer does.
                group.addTask {
                    do { try await probes.start() } catch { logger.error("no probes: \(error)") }
                }
                group.addTask { await sampleDevices() }
                group.addTask { await watchWorkloads() }
                group.addTask { await watchFaults() }
                group.addTask { await watchHost() }
            }
        }
        await probes.stop()
        await health.save(all: true)
        await devices.stop()
    }

    // MARK: Devices

    private func sampleDevices() async {
        _ = await devices.inventory()
        var placed: [HostWatch.Placed]?
        while !Task.isCancelled {
            let start = ContinuousClock.now
            let sweep = await devices.sample()
            let took = ContinuousClock.now - start
            if Task.isCancelled { return }
            if let topology = await host.topology(of: await devices.devices, unless: &placed) {
                await state.set(topology: topology)
            }
            await take(sweep, took: took)
            try? await Task.sleep(until: start + interval, clock: .continuous)
        }
    }

    private func take(_ sweep: DeviceSweep, took: Duration) async {
        let now = RealtimeClock.nowMilliseconds()
        let known = await devices.devices
        let vendors = sweep.workers
        metrics.collected(devices: known, samples: sweep.samples, took: took, at: now)
        await health.update(devices: known, at: now)
        await health.record(samples: sweep.samples, vendors: vendors, at: now)
        await countEvents(of: sweep, devices: known, at: now)
        await state.set(devices: known)
        await state.set(samples: sweep.samples)
        await state.set(vendors: vendors)
        await state.set(probes: probes.statuses())
        await publishHealth(at: now)
        let escapes = await supervisor.inspect(samples: sweep.samples)
        await state.set(escapes: escapes.current, totals: escapes.totals)
        await health.save()
    }

    private func publishHealth(at now: Int64) async {
        await state.set(healths: await health.healths(at: now))
        await state.set(nodeHealth: await health.nodeHealth(at: now))
        await supervisor.update(devices: await state.deviceReports())
    }

    // MARK: Workloads

    /// Without work it waits for some: an agent of a host that does nothing should cost next to nothing.
    private func watchWorkloads() async {
        var activity = supervisor.activity.changes.makeAsyncIterator()
        while !Task.isCancelled {
            let start = ContinuousClock.now
            await supervisor.tick()
            await state.set(workloads: await supervisor.observations(samples: await state.latestSamples))
            await state.set(leases: await supervisor.leaseObservations())
            if await supervisor.isIdle {
                _ = await activity.next()
            } else {
                try? await Task.sleep(until: start + Self.segmentInterval, clock: .continuous)
            }
        }
    }

    // MARK: The host

    /// A file system that hangs holds up the next look, not the end of this task.
    private func watchHost() async {
        let (looks, found) = AsyncStream.makeStream(of: HostFacts.self)
        host.look { found.yield($0) }
        for await facts in looks {
            await state.set(host: facts)
            try? await Task.sleep(for: HostWatch.interval)
            if Task.isCancelled { return }
            host.look { found.yield($0) }
        }
    }

    // MARK: Operators

    /// Carries out what the scheduler's answer names; the outcomes go out with every report until it names them no more.
    func apply(_ clearances: [Clearance]) async {
        let now = RealtimeClock.nowMilliseconds()
        var outcomes: [ClearanceOutcome] = []
        for clearance in clearances.prefix(APILimits.outcomesPerReport) {
            outcomes.append(await health.apply(clearance, at: now))
        }
        if !outcomes.isEmpty { await publishHealth(at: now) }
        await state.set(clearances: outcomes)
    }

    // MARK: Faults

    private func watchFaults() async {
        var memory = LineMemory()
        await probes.read { await take($0, &memory) }
    }

    /// What the probes saw since the last time: judged, told and kept together.
    private func take(_ events: [ProbeEvent], _ memory: inout LineMemory) async {
        var lines: [LineMemory.Reading] = []
        var news = false
        for event in events {
            switch event {
            case .host(let what):
                faultLog.tell(what, at: MonotonicClock.nowMilliseconds())
                if let fault = HostFault(what), case .counted = await health.record(fault) { news = true }
            case .kernelLog(let line):
                // What stands in the log from an earlier simulation concerns nobody now; real history does.
                if line.isHistory && line.simulated { continue }
                if let read = memory.read(line, trustUserKmsg: trustUserKernelLog) {
                    lines.append(read)
                } else if let fault = HostFault(line, trustUserKmsg: trustUserKernelLog),
                    case .counted = await health.record(fault)
                {
                    news = true
                }
            }
        }
        if !lines.isEmpty {
            let pids = Set(lines.lazy.filter { !$0.isHistory }.compactMap(\.pid))
            let jobs = pids.isEmpty ? [:] : await supervisor.jobs(of: pids)
            let outcomes = await health.record(ProcessJobs.name(lines.map(\.fault), by: jobs))
            let known = await devices.devices
            for (line, outcome) in zip(lines, outcomes) {
                metrics.logged(line.fault, outcome, devices: known, isHistory: line.isHistory)
                if note(line.fault, outcome) { news = true }
            }
        }
        guard news else { return }
        await publishHealth(at: RealtimeClock.nowMilliseconds())
        await health.save()
    }

    /// What the vendors' libraries tell is mostly in the kernel log too; the analyzer counts a fault once.
    private func countEvents(of sweep: DeviceSweep, devices: [Device], at now: Int64) async {
        let faults = LibraryEvents.faults(in: sweep.samples, of: devices, at: now)
        guard !faults.isEmpty else { return }
        for (fault, outcome) in zip(faults, await health.record(faults)) {
            metrics.told(fault, outcome)
            _ = note(fault, outcome)
        }
    }

    /// Whether a device's evidence changed.
    private func note(_ fault: Fault, _ outcome: HealthAnalyzer.FaultOutcome) -> Bool {
        faultLog.tell(fault, outcome, at: MonotonicClock.nowMilliseconds())
        guard case .counted = outcome else { return false }
        return true
    }
}
