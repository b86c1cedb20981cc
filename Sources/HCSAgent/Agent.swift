import Dispatch
import Foundation
import Glibc
import HCSAPI
import HCSCatalog
import HCSDevice
package import HCSHealth
import HCSModel
import HCSProbe
import HCSSystem
import Hummingbird
package import Logging
import ServiceLifecycle
import Synchronization
import UnixSignals

/// The daemon: reads its configuration, builds the parts, runs them until SIGTERM or SIGINT. Workloads go on after it.
package enum Agent {
    /// - Throws: `AgentError` when the agent cannot start.
    package static func run(_ configuration: AgentConfiguration, logger: Logger) async throws {
        ThisProcess.keepHeapSmall()
        try makeDirectories(configuration)
        let locks = try Locks(configuration)
        defer { withExtendedLifetime(locks) {} }
        let notifier = ServiceNotifier(environment: StandardDirectories.current())
        let parts = try await Parts(configuration, logger)
        await parts.supervisor.rediscover()
        // Before the first report: what is leased must never look free.
        await parts.state.set(leases: await parts.supervisor.leaseObservations())

        let local = try LocalAPI.service(
            socketPath: configuration.socketPath, logger: logger, status: { await parts.state.status() },
            logs: { id, stream, tail throws(AgentError) in
                ByteBuffer(bytes: try await parts.supervisor.logs(of: id, stream: stream, tail: tail))
            },
            leases: LeaseRoute { request, peer throws(APIProblem) in
                let lease = try await parts.supervisor.lease(request, peer: peer)
                await parts.state.set(leases: await parts.supervisor.leaseObservations())
                return lease
            },
            running: {
                logger.info(
                    "hcs-agent \(HCSVersion.current) of node \(configuration.nodeName) listens on \(configuration.socketPath)"
                )
                notifier.send("READY=1")
            })
        var services: [any Service] = [parts.cycle, local, IdleCode(logger: logger)]
        if configuration.measureWhenIdle { services.append(parts.measuring) }
        if configuration.metricsPort != 0 {
            services.append(
                MetricsServer(
                    port: configuration.metricsPort, compatibility: configuration.compatibility,
                    recorder: parts.metrics,
                    logger: logger, status: { await parts.state.status() }))
        }
        let http = try configuration.scheduler.map { url throws(AgentError) in
            HTTPAPIClient(endpoint: .url(url), token: try token(configuration.tokenFile))
        }
        if let http { services += schedulerServices(SchedulerClient(http), parts, configuration, logger) }
        var group = ServiceGroupConfiguration(
            services: services, gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
        group.maximumGracefulShutdownDuration = .seconds(5)
        let result: Result<Void, any Error>
        do { result = .success(try await ServiceGroup(configuration: group).run()) } catch { result = .failure(error) }
        notifier.send("STOPPING=1")
        await http?.shutdown()
        unlink(configuration.socketPath)
        try result.get()
        logger.info("hcs-agent stopped; workloads go on")
    }

    private static func schedulerServices(
        _ client: SchedulerClient, _ parts: Parts, _ configuration: AgentConfiguration, _ logger: Logger
    ) -> [any Service] {
        let supervisor = parts.supervisor
        let state = parts.state
        let cycle = parts.cycle
        let node = configuration.nodeName
        let writer = Mutex(ReportWriter())
        return [
            Publisher(
                state: state, logger: logger,
                send: { report in
                    let text = try writer.withLock { try $0.write(report) }
                    _ = try await client.report(text, node: report.node)
                },
                delivered: { await supervisor.delivered($0) }),
            AssignmentWatcher(
                node: node, logger: logger,
                fetch: { after, wait in try await client.assignments(node: node, after: after, wait: wait) },
                apply: { assignments in
                    await supervisor.apply(assignments)
                    await cycle.apply(assignments.clearances ?? [])
                    await state.set(workloads: await supervisor.observations(samples: await state.latestSamples))
                }),
        ]
    }

    // MARK: Before the start

    /// State is the agent's alone; the runtime directory must let `hcs` reach the socket.
    private static func makeDirectories(_ configuration: AgentConfiguration) throws(AgentError) {
        for (path, mode): (String, UInt32) in [
            (configuration.stateDirectory, 0o700), (configuration.workloadsDirectory, 0o700),
            (configuration.runtimeDirectory, 0o755),
        ] {
            do { try OwnDirectory.make(path, mode: mode) } catch {
                throw AgentError(.permission, "\(error); choose others with --state-dir and --runtime-dir")
            }
        }
    }

    private final class Locks {
        private let state: AgentLock
        private let runtime: AgentLock

        init(_ configuration: AgentConfiguration) throws(AgentError) {
            state = try AgentLock(path: "\(configuration.stateDirectory)/agent.lock")
            runtime = try AgentLock(path: "\(configuration.runtimeDirectory)/agent.lock")
        }
    }

    private static func token(_ path: String?) throws(AgentError) -> String? {
        guard let path else { return nil }
        let text: String
        do { text = try SmallFile.text(path, limit: 4096) } catch {
            throw AgentError(error.code == .permission ? .permission : .configuration, "the token file: \(error)")
        }
        let token = text.trimmingCharacters(in: .whitespacesAndNewlines)
        guard !token.isEmpty, token.utf8.allSatisfy({ (0x21...0x7e).contains($0) }) else {
            throw AgentError(.configuration, "\(path) holds no token: one line of printable characters")
        }
        return token
    }

    /// The policy in the program with the operator's file over it. Strict: an unknown key is an error.
    package static func healthPolicy(at path: String) throws(AgentError) -> HealthPolicy {
        var text = ""
        do { text = try SmallFile.text(path, limit: HealthPolicy.maximumBytes) } catch {
            guard error.code == .notFound else { throw AgentError(.configuration, "the health policy: \(error)") }
        }
        do { return try HealthPolicy(yaml: text, name: path) } catch {
            throw AgentError(.configuration, error.message)
        }
    }

    /// Runs blocking work beside the cooperative pool.
    static func blocking<Value: Sendable>(_ body: @escaping @Sendable () -> Value) async -> Value {
        await withCheckedContinuation { waiting in DispatchQueue.global().async { waiting.resume(returning: body()) } }
    }

    // MARK: Parts

    private struct Parts: Sendable {
        let state: NodeState
        let metrics: MetricsRecorder
        let supervisor: WorkloadSupervisor
        let cycle: CollectionCycle
        let measuring: IdleMeasuring

        init(_ configuration: AgentConfiguration, _ logger: Logger) async throws(AgentError) {
            let policy = try Agent.healthPolicy(at: configuration.healthPolicyPath)
            metrics = MetricsRecorder { policy.faultClass(of: $0) }
            let reader = HostWatch.reader(configuration)
            let host = await Agent.blocking { reader.read() }
            let bootID = BootID.read() ?? "unknown"
            let simulation = configuration.simulation
            state = NodeState(
                node: configuration.nodeName, bootID: bootID, startMilliseconds: RealtimeClock.nowMilliseconds(),
                scheduler: configuration.scheduler, host: host, simulating: simulation != nil)
            let group = try configuration.workloadGroup.map { name throws(AgentError) in
                try AgentUser.group(named: name)
            }
            var settings = WorkloadSupervisor.Settings(
                directory: configuration.workloadsDirectory, leaseDirectory: configuration.leasesDirectory,
                bootID: bootID,
                interceptor: configuration.interceptor,
                workloadUser: configuration.isRoot ? configuration.workloadUser : nil, segmentGroup: group,
                simulated: simulation.map { .init(libraryDirectory: $0.libraryDirectory, stateFile: $0.stateFile) })
            settings.escapePolicy = configuration.escapePolicy
            if configuration.scheduler != nil {
                settings.keptCordons = KeptCordons(path: configuration.cordonsPath, node: configuration.nodeName)
            }
            supervisor = WorkloadSupervisor(
                settings: settings,
                launcher: ShimLauncher(shim: configuration.shim), segmentDirectory: configuration.segmentDirectory,
                logger: logger)
            let devices = Agent.deviceManager(configuration, logger: logger)
            measuring = IdleMeasuring(
                manager: devices, state: state,
                store: MeasurementStore(directory: configuration.fingerprintsDirectory),
                measurer: Measurer(
                    executable: configuration.worker, hostEnvironment: StandardDirectories.current()),
                interval: max(.seconds(5), configuration.sampleInterval), logger: logger)
            cycle = CollectionCycle(
                devices: devices,
                probes: ProbeRunner(options: configuration.probes(start: .beginning)),
                health: HealthMonitor(
                    policy: policy, bootID: bootID, path: configuration.healthStatePath,
                    sampleSeconds: configuration.sampleInterval / .seconds(1), logger: logger),
                supervisor: supervisor, state: state, host: HostWatch(reader: reader, known: host), metrics: metrics,
                interval: configuration.sampleInterval,
                trustUserKernelLog: configuration.trustUserKernelLog, logger: logger)
        }
    }

    /// Every vendor's real library, and the simulated ones beside them; the catalogue with the operator's files over it.
    static func deviceManager(_ configuration: AgentConfiguration, logger: Logger? = nil) -> DeviceManager {
        let (catalog, files) = Catalog.builtIn.overridden(by: configuration.catalogDirectory)
        for problem in files.compactMap(\.problem) { logger?.error("catalogue file left out: \(problem)") }
        let store = MeasurementStore(directory: configuration.fingerprintsDirectory)
        var sources = Vendor.allCases.map { VendorSource.real($0) }
        if let simulation = configuration.simulation {
            sources += simulation.vendors.map {
                VendorSource(
                    vendor: $0,
                    kind: .simulated(libraryDirectory: simulation.libraryDirectory, stateFile: simulation.stateFile))
            }
        }
        let seconds = configuration.sampleInterval / .seconds(1)
        return DeviceManager(
            sources: sources, executable: configuration.worker, catalog: catalog,
            hostEnvironment: StandardDirectories.current(),
            sweepsPerInventory: max(1, Int((10 / seconds).rounded(.up))),
            numaNode: { [simulated = configuration.simulation?.numaNodes] address, source in
                source.isSimulated ? simulated?[address] : PCIBus().numaNode(of: address)
            }, measured: { store.current(of: $0, simulated: $1.isSimulated) })
    }
}
