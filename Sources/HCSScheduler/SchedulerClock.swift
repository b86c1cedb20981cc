import Foundation
import Synchronization

/// Time as the scheduler sees it; a manual one in tests.
package protocol SchedulerClock: Sendable {
    /// For liveness: never jumps.
    func monotonicMilliseconds() -> Int64
    /// For people and back-off: milliseconds since 1970.
    func wallMilliseconds() -> Int64
}

package struct SystemClock: SchedulerClock {
    private let start = ContinuousClock.now

    package init() {}

    package func monotonicMilliseconds() -> Int64 {
        let elapsed = ContinuousClock.now - start
        return elapsed.components.seconds * 1000 + elapsed.components.attoseconds / 1_000_000_000_000_000
    }

    package func wallMilliseconds() -> Int64 { Int64(Date().timeIntervalSince1970 * 1000) }
}

/// Stands still until told.
package final class ManualClock: SchedulerClock {
    private let milliseconds: Mutex<Int64>

    package init(_ start: Int64 = 1_000_000) { milliseconds = Mutex(start) }

    package func advance(by amount: Int64) { milliseconds.withLock { $0 += amount } }
    package func monotonicMilliseconds() -> Int64 { milliseconds.withLock { $0 } }
    package func wallMilliseconds() -> Int64 { milliseconds.withLock { $0 } }
}
