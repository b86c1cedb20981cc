internal import Synchronization

/// Events between the probes' threads and their one reader. What finds it full is refused, since the first of a storm tell
/// most; the reader takes all that wait at once, so that a storm costs it a pass, not one for each event.
final class EventQueue: Sendable {
    /// Says that events wait; those that come before the reader takes them are one sign. It ends after `close`.
    let signs: AsyncStream<Void>

    private let continuation: AsyncStream<Void>.Continuation
    private let limit: Int
    private let waiting = Mutex<[ProbeEvent]>([])

    init(limit: Int) {
        self.limit = max(1, limit)
        (signs, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// Returns those that found it full.
    func add(_ events: [ProbeEvent]) -> ArraySlice<ProbeEvent> {
        let (taken, isFirst) = waiting.withLock { waiting in
            let taken = min(events.count, limit - waiting.count)
            let isFirst = waiting.isEmpty && taken > 0
            waiting += events.prefix(taken)
            return (taken, isFirst)
        }
        if isFirst { continuation.yield() }
        return events.dropFirst(taken)
    }

    func take() -> [ProbeEvent] {
        waiting.withLock { waiting in
            defer { waiting = [] }
            return waiting
        }
    }

    func close() { continuation.finish() }
}
