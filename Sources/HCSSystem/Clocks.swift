internal import Glibc

/// Wall time, for what people read and what crosses hosts.
package enum RealtimeClock {
    /// Milliseconds since 1970.
    package static func nowMilliseconds() -> Int64 {
        let now = read(CLOCK_REALTIME)
        return Int64(now.tv_sec) * 1000 + Int64(now.tv_nsec) / 1_000_000
    }
}

/// CLOCK_MONOTONIC: never set, stops in suspend; the clock of BPF's ktime.
package enum MonotonicClock {
    package static func nowNanoseconds() -> UInt64 {
        let now = read(CLOCK_MONOTONIC)
        return UInt64(now.tv_sec) * 1_000_000_000 + UInt64(now.tv_nsec)
    }

    package static func nowMilliseconds() -> Int64 { Int64(nowNanoseconds() / 1_000_000) }
}

/// CLOCK_BOOTTIME: never set, and goes on in suspend.
package enum BootClock {
    package static func nowMilliseconds() -> Int64 {
        let now = read(CLOCK_BOOTTIME)
        return Int64(now.tv_sec) * 1000 + Int64(now.tv_nsec) / 1_000_000
    }
}

private func read(_ clock: clockid_t) -> timespec {
    var now = timespec()
    let result = clock_gettime(clock, &now)
    precondition(result == 0, "CLOCK_REALTIME, CLOCK_MONOTONIC and CLOCK_BOOTTIME exist on every Linux")
    return now
}
