internal import CHCSSystem
internal import Glibc
internal import Synchronization

/// A thread of our own for blocking C, which never runs on the cooperative pool. Its owner tells it to stop and joins it.
package final class WorkerThread: Sendable {
    private let handle: Mutex<pthread_t?>

    /// Starts a thread; signals are blocked on it, so that handlers run where the program expects them. Not those that the
    /// thread itself causes: blocked, they would end the process past every handler.
    package init(name: String, _ body: @escaping @Sendable () -> Void) throws(SystemError) {
        let box = Unmanaged.passRetained(Body(name: String(name.prefix(15)), run: body))
        var all = sigset_t()
        var before = sigset_t()
        sigfillset(&all)
        for own in [SIGBUS, SIGSEGV, SIGILL, SIGFPE, SIGTRAP, SIGABRT] { sigdelset(&all, own) }
        pthread_sigmask(SIG_BLOCK, &all, &before)
        defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
        var handle = pthread_t()
        let result = pthread_create(
            &handle, nil,
            { argument in
                guard let argument else { return nil }
                let body = Unmanaged<Body>.fromOpaque(argument).takeRetainedValue()
                _ = hcs_name_thread(body.name)
                body.run()
                return nil
            }, box.toOpaque())
        guard result == 0 else {
            box.release()
            throw .failed("start the thread \(name)", errno: result)
        }
        self.handle = Mutex(handle)
    }

    deinit {
        // Never joined: the system keeps nothing of it once it ends.
        handle.withLock { if let thread = $0 { pthread_detach(thread) } }
    }

    /// Waits for its end; at once the second time.
    package func join() {
        let thread = handle.withLock { thread in
            defer { thread = nil }
            return thread
        }
        if let thread { pthread_join(thread, nil) }
    }

    private final class Body: Sendable {
        let name: String
        let run: @Sendable () -> Void
        init(name: String, run: @escaping @Sendable () -> Void) {
            self.name = name
            self.run = run
        }
    }
}
