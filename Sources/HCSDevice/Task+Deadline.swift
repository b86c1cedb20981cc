import Synchronization

/// The task's value, or nil where it takes longer than `limit`; the task goes on then. (Awaiting a task's value cannot be
/// cancelled, so a task group would wait for it.)
func value<T: Sendable>(of task: Task<T, Never>, within limit: Duration) async -> T? {
    await withCheckedContinuation { (continuation: CheckedContinuation<T?, Never>) in
        let waiting = Waiting(continuation)
        let timer = Task {
            try? await Task.sleep(for: limit, clock: .suspending)
            waiting.resume(nil)
        }
        Task {
            waiting.resume(await task.value)
            timer.cancel()
        }
    }
}

/// A continuation that is resumed by whoever comes first.
private final class Waiting<T: Sendable>: Sendable {
    private let continuation: Mutex<CheckedContinuation<T?, Never>?>

    init(_ continuation: CheckedContinuation<T?, Never>) { self.continuation = Mutex(continuation) }

    func resume(_ value: T?) {
        let first = continuation.withLock { held in
            defer { held = nil }
            return held
        }
        first?.resume(returning: value)
    }
}
