package import HCSAPI
package import HCSModel
import Synchronization

/// Alerts on their way to one receiver. Putting one in never waits; of more than `capacity` the oldest of the least
/// severe goes, and is counted.
package final class AlertQueue: Sendable {
    package static let capacity = 256

    private struct State {
        var limiter: AlertLimiter
        var waiting: [Alert] = []
        var status: AlertStatus
        /// Not sent since the last one that was.
        var untold = 0
    }

    private let state: Mutex<State>
    private let clock: any SchedulerClock
    private let wakeUps: AsyncStream<Void>
    private let wakeUp: AsyncStream<Void>.Continuation

    package init(name: String, threshold: FleetEvent.Severity, clock: any SchedulerClock) {
        state = Mutex(State(limiter: AlertLimiter(threshold: threshold), status: AlertStatus(receiver: name)))
        self.clock = clock
        (wakeUps, wakeUp) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    }

    package func offer(_ events: [FleetEvent]) {
        let now = clock.monotonicMilliseconds()
        state.withLock { state in
            for event in events { Self.offer(event, to: &state, now: now) }
        }
        wakeUp.yield()
    }

    private static func offer(_ event: FleetEvent, to state: inout State, now: Int64) {
        switch state.limiter.judge(event, monotonic: now) {
        case .unwanted: return
        case .suppressed: state.status.suppressed += 1
        case .dropped:
            state.status.dropped += 1
            state.untold += 1
        case .send(let suppressed):
            state.waiting.append(Alert(event, suppressed: suppressed, dropped: 0))
            guard state.waiting.count > capacity else { break }
            let least = state.waiting.map(\.event.severity).min()
            if let index = state.waiting.firstIndex(where: { $0.event.severity == least }) {
                state.waiting.remove(at: index)
            }
            state.status.dropped += 1
            state.untold += 1
        }
        state.status.queued = state.waiting.count
    }

    /// The next one, with how many were dropped before it; waits for one. nil when the task is cancelled.
    func next() async -> Alert? {
        while true {
            let alert = state.withLock { state -> Alert? in
                guard !state.waiting.isEmpty else { return nil }
                var alert = state.waiting.removeFirst()
                alert.dropped = state.untold
                state.untold = 0
                state.status.queued = state.waiting.count
                return alert
            }
            if let alert { return alert }
            var iterator = wakeUps.makeAsyncIterator()
            guard await iterator.next() != nil else { return nil }
        }
    }

    func note(delivered: Bool) {
        state.withLock { if delivered { $0.status.delivered += 1 } else { $0.status.failed += 1 } }
    }

    package var status: AlertStatus { state.withLock(\.status) }
}
