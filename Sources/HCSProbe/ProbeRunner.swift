package import HCSModel
internal import HCSSystem
internal import Synchronization

/// Runs probes on threads of their own and gathers their events into one bounded stream.
package final class ProbeRunner: Sendable {
    private let probes: [any Probe]
    private let queue: EventQueue
    private let state = Mutex(State())

    private struct State {
        var stop: WakeUp?
        var threads: [WorkerThread] = []
        var stopped = false
    }

    package convenience init(options: ProbeOptions = ProbeOptions()) {
        self.init(probes: ProbeRegistry.probes(for: options), bufferLimit: options.bufferLimit)
    }

    package init(probes: [any Probe], bufferLimit: Int = 4096) {
        self.probes = probes
        queue = EventQueue(limit: bufferLimit)
    }

    deinit {
        // Forgotten without stop(): the threads see it and end; nobody waits for them.
        state.withLock { $0.stop?.signal() }
        queue.close()
    }

    /// Starts all probes and returns when each is set up, or knows that it cannot be: what is written from here on is
    /// seen. Throws only when a thread cannot be made. Call it once.
    package func start() async throws(ProbeError) {
        let stop: WakeUp
        do { stop = try WakeUp() } catch {
            throw ProbeError(.thread, "could not start the probes: \(error)", cause: error)
        }
        let mayStart = state.withLock { state in
            guard state.stop == nil, !state.stopped else { return false }
            state.stop = stop
            return true
        }
        precondition(mayStart, "a ProbeRunner is started once")
        for probe in probes {
            let failure: SystemError? = await withCheckedContinuation { waiting in
                let ready = Once { waiting.resume(returning: nil) }
                let context = ProbeContext(stop: stop, ready: { ready.call() }) { [queue] in queue.add($0) }
                do throws(SystemError) {
                    let thread = try WorkerThread(name: "hcs-\(probe.name)") {
                        probe.run(context)
                        ready.call()
                    }
                    state.withLock { $0.threads.append(thread) }
                } catch {
                    waiting.resume(returning: error)
                }
            }
            if let failure {
                await self.stop()
                throw ProbeError(.thread, "could not start the probe \(probe.name): \(failure)", cause: failure)
            }
        }
    }

    /// Hands over what was seen, in that order, as much at once as waits; returns after `stop`. For one reader.
    package func read(
        isolation: isolated (any Actor)? = #isolation, _ body: ([ProbeEvent]) async -> Void
    ) async {
        for await _ in queue.signs {
            let events = queue.take()
            if !events.isEmpty { await body(events) }
        }
    }

    /// Tells the threads to end, waits for them (microseconds: each waits in poll(2)) and ends the reading.
    package func stop() async {
        let threads = state.withLock { state in
            state.stopped = true
            state.stop?.signal()
            defer { state.threads = [] }
            return state.threads
        }
        for thread in threads { thread.join() }
        queue.close()
    }

    package func statuses() -> [ProbeStatus] { probes.map { $0.status() } }
}

/// Runs a closure the first time it is called.
private final class Once: Sendable {
    private let body: Mutex<(@Sendable () -> Void)?>

    init(_ body: @escaping @Sendable () -> Void) { self.body = Mutex(body) }

    func call() {
        let first = body.withLock { body in
            defer { body = nil }
            return body
        }
        first?()
    }
}
