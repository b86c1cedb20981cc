import Glibc
package import HCSModel
import HCSSystem
import Synchronization

/// The agent's side of one vendor worker: starts it, asks it with deadlines, ends it when it hangs or talks nonsense, and
/// starts it again later. All of it blocks, on a thread of its own; `status` never does.
package actor VendorWorker {
    package nonisolated let source: VendorSource
    private nonisolated let executor: ThreadExecutor
    private nonisolated let published: Mutex<VendorStatus>
    private let executable: String
    private let environment: [String: String]
    private let timing: WorkerTiming

    private var lifecycle: WorkerLifecycle
    private var process: WorkerProcess?
    /// Ended by us and not gone: inside the kernel. At most one.
    private var left: ChildProcess?
    /// The running process is of no more use.
    private var isCondemned = false
    private var needsInventory = true
    private var failedCalls = 0
    /// Milliseconds of the last sample that came in time.
    private var answer: Double?
    private var report: SymbolReport?
    /// The paths whose change may bring the library.
    private let places: [String]
    /// What they looked like before the look that found no library, and when that was.
    private var missing: (trace: DirectoryTrace, at: WorkerLifecycle.Instant)?

    /// Calls that fail one after the other before the worker is started anew: a driver that was reloaded answers
    /// "uninitialised" for ever.
    private static let toleratedFailures = 3

    package nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    /// - Parameters:
    ///   - executable: path of `hcs-vendor-worker`.
    ///   - hostEnvironment: what the worker may have of the agent's environment.
    package init(
        source: VendorSource, executable: String, timing: WorkerTiming = WorkerTiming(),
        hostEnvironment: [String: String] = [:]
    ) {
        self.source = source
        self.executable = executable
        self.timing = timing
        executor = ThreadExecutor(name: "\(source.vendor.rawValue)-lane")
        environment = Self.environment(for: source, host: hostEnvironment)
        places = Self.places(for: source, libraryPath: environment["LD_LIBRARY_PATH"])
        lifecycle = WorkerLifecycle(timing: timing)
        published = Mutex(VendorStatus(vendor: source.vendor, simulated: source.isSimulated, state: .starting))
    }

    /// How it is doing now; answers at once, whatever the worker does.
    package nonisolated var status: VendorStatus { published.withLock { $0 } }

    /// The library it opened and what that lacks, since the last start; asks nothing.
    package var symbols: SymbolReport? { report }

    private static func places(for source: VendorSource, libraryPath: String?) -> [String] {
        switch source.kind {
        case .simulated(let directory, _): [directory]
        case .real:
            LoaderSearch(libraryPath: libraryPath).places + (VendorRegistry.backends[source.vendor]?.directories ?? [])
        }
    }

    /// Only what is named: a worker must not find, say, a simulated host's state through the agent's own environment.
    private static func environment(for source: VendorSource, host: [String: String]) -> [String: String] {
        // Swift's crash reporter would hold a crashed worker for seconds, and its socket with it.
        var environment = ["PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "SWIFT_BACKTRACE": "enable=no"]
        var libraries = host["LD_LIBRARY_PATH"].map { [$0] } ?? []
        if case .simulated(let directory, let stateFile) = source.kind {
            libraries.insert(directory, at: 0)
            environment["HCS_SIM_STATE"] = stateFile
        }
        if !libraries.isEmpty { environment["LD_LIBRARY_PATH"] = libraries.joined(separator: ":") }
        return environment
    }
}

extension VendorWorker {
    /// Brings the worker up if it is due and asks for a sample, and for the inventory where it is due, the worker is new
    /// or the caller wants it. Returns within the deadlines of these requests; ending a worker comes after.
    func poll(inventory wantsInventory: Bool) -> VendorReading {
        var reading = VendorReading()
        if isCondemned { end() }
        reapLeft()
        if process == nil {
            guard left == nil, lifecycle.mayStart(now: .now), !isStillMissing() else {
                lifecycle.waited()
                publish()
                return reading
            }
            start()
        }
        guard process != nil, !isCondemned else {
            publish()
            return reading
        }
        do throws(DeviceError) {
            if wantsInventory || needsInventory {
                reading.inventory = try VendorInventory(json: try request(.inventory, deadline: timing.call))
                needsInventory = false
            }
            let asked = ContinuousClock.now
            reading.samples = try samples(try request(.sample, deadline: timing.call))
            answer = (ContinuousClock.now - asked) / .milliseconds(1)
            failedCalls = 0
            lifecycle.sampled(now: .now)
        } catch {
            failed(error)
        }
        publish()
        return reading
    }

    /// Ends the worker. The next poll would start another.
    package func stop() {
        end()
    }

    /// The last look found no library, and nothing has changed since then where one could be: a look is a process, this is
    /// not.
    private func isStillMissing() -> Bool {
        guard let missing, WorkerLifecycle.Instant.now - missing.at < timing.missingTrust else { return false }
        return DirectoryTrace(of: places) == missing.trace
    }

    private func request(_ what: WorkerProtocol.Request, deadline: Duration) throws(DeviceError) -> JSONValue {
        guard process != nil else { throw DeviceError(.notRunning, "the worker is not running") }
        return try process?.request(what, deadline: deadline) ?? .null
    }

    private func samples(_ value: JSONValue) throws(DeviceError) -> [RawSample] {
        guard let entries = value["samples"]?.array else {
            throw DeviceError(.badReply, "the worker's answer has no list of samples")
        }
        return entries.prefix(2 * WorkerProtocol.maximumDevices).compactMap { RawSample(json: $0) }
    }
}

extension VendorWorker {
    /// Starts a worker and opens the library.
    private func start() {
        lifecycle.starting()
        publish()
        missing = nil
        let trace = DirectoryTrace(of: places)
        var arguments = ["--vendor", source.vendor.rawValue]
        if case .simulated(let directory, _) = source.kind { arguments += ["--library-directory", directory] }
        do throws(DeviceError) {
            process = try WorkerProcess(executable: executable, arguments: arguments, environment: environment)
            _ = try request(.hello, deadline: timing.start)
            report = SymbolReport(json: try request(.symbols, deadline: timing.call))
            needsInventory = true
            failedCalls = 0
            lifecycle.started(now: .now)
        } catch {
            // A library that is there and does not start is told apart from none.
            if error.code == .libraryMissing { missing = (trace, .now) }
            let isThere = error.code == .initFailed || error.code == .symbolsMissing
            report = isThere ? (try? request(.symbols, deadline: timing.call)).flatMap { SymbolReport(json: $0) } : nil
            failed(error)
        }
    }

    private func failed(_ error: DeviceError) {
        switch error.code {
        case .libraryMissing, .libraryBroken, .symbolsMissing, .initFailed:
            lifecycle.absent(error.description, isThere: error.code != .libraryMissing, now: .now)
            condemn()
        case .deadlineMissed:
            lifecycle.missedDeadline(error.message, now: .now)
            condemn()
        case .workerDied:
            // It is gone or going: its status says by what.
            let status = Self.reap(process?.child, within: timing.grace)
            if status != nil { process = nil }
            lifecycle.crashed("\(error.message): \(status?.description ?? "it does not end")", now: .now)
            if status == nil { condemn() }
        case .spawnFailed:
            lifecycle.crashed(error.description, now: .now)
        case .libraryStale:
            lifecycle.stale(error.description, now: .now)
            condemn()
        case .callFailed, .replyTooLong, .badRequest:
            failedCalls += 1
            lifecycle.answered(error: error.description)
            if failedCalls >= Self.toleratedFailures {
                lifecycle.crashed("\(error.description), \(failedCalls) times running", now: .now)
                condemn()
            }
        case .badReply, .notRunning:
            lifecycle.crashed(error.description, now: .now)
            condemn()
        }
    }

    /// The process is ended by this thread's next job, after the caller has its answer.
    private func condemn() {
        isCondemned = true
        Task { self.endCondemned() }
    }

    private func endCondemned() {
        guard isCondemned else { return }
        end()
        publish()
    }

    /// Closes the socket, at whose end a worker leaves by itself between calls, and helps: SIGTERM, which it takes between
    /// calls too, SIGKILL after the grace. What survives that is inside the kernel and left behind.
    private func end() {
        isCondemned = false
        guard let child = process?.child else { return }
        process = nil
        try? child.signal(SIGTERM)
        if Self.reap(child, within: timing.grace) != nil { return }
        try? child.signal(SIGKILL)
        if Self.reap(child, within: timing.killWait) != nil { return }
        left = child
        lifecycle.stuck(true)
    }

    private func reapLeft() {
        guard let child = left, Self.reap(child, within: .zero) != nil else { return }
        left = nil
        lifecycle.stuck(false)
    }

    /// Nil: it still runs. One that somebody else reaped counts as ended.
    private static func reap(_ child: ChildProcess?, within limit: Duration) -> ExitStatus? {
        guard let child else { return ExitStatus() }
        let (seconds, attoseconds) = limit.components
        let milliseconds = Int32(clamping: seconds * 1000 + attoseconds / 1_000_000_000_000_000)
        do {
            return try child.wait(milliseconds: milliseconds)
        } catch {
            return ExitStatus(error: error.message)
        }
    }

    private func publish() {
        let lifecycle = lifecycle, answer = answer
        published.withLock { status in
            status.state = lifecycle.state
            status.reason = lifecycle.reason
            status.missedDeadlines = lifecycle.missedDeadlines
            status.restarts = lifecycle.restarts
            status.answerMilliseconds = answer
            status.stuck = lifecycle.isStuck ? 1 : 0
        }
    }
}
