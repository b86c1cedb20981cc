package import HCSModel

/// Limits what happens without anybody's order: work is moved off at most max(1, a tenth of the pool) devices in an
/// hour. A wrong rule, or a library that breaks everywhere at once, must not empty a fleet. Pure.
package struct FleetGuard: Sendable {
    package static let windowMilliseconds: Int64 = 3_600_000

    /// When work was first moved off a device within the window, monotonic milliseconds.
    private var acts: [DeviceKey: Int64] = [:]

    package init() {}

    /// Goes on where the last scheduler process was: `events` tell its acts by the wall clock.
    package init(events: [FleetEvent], monotonic: Int64, now: Int64) {
        for event in events where event.kind == .automaticMove {
            guard let node = event.node, let device = event.device else { continue }
            let age = now - event.atMilliseconds
            guard (0..<Self.windowMilliseconds).contains(age) else { continue }
            acts[DeviceKey(node: node, device: device)] = monotonic - age
        }
    }

    package static func allowance(pool: Int) -> Int { max(1, pool / 10) }

    package enum Verdict: Hashable, Sendable {
        /// Counted before, within the window.
        case goesOn
        /// Counts from now on.
        case begins
        case held(acts: Int, allowance: Int)
    }

    /// Asks to move work off `key`. A hard fault of the device itself is never held, but counts.
    package mutating func admit(_ key: DeviceKey, hard: Bool, pool: Int, monotonic: Int64) -> Verdict {
        acts = acts.filter { monotonic - $0.value < Self.windowMilliseconds }
        if acts[key] != nil { return .goesOn }
        let allowance = Self.allowance(pool: pool)
        guard hard || acts.count < allowance else { return .held(acts: acts.count, allowance: allowance) }
        acts[key] = monotonic
        return .begins
    }
}
