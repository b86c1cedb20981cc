internal import Glibc

/// poll(2) for reading. Blocks: not for the cooperative pool.
package enum Readiness {
    /// Waits until one of the descriptors is readable (or in error) or the time is over; -1 waits for ever.
    /// Returns which of them are, in order.
    package static func wait(_ descriptors: [Int32], milliseconds: Int32 = -1) -> [Bool] {
        var entries = descriptors.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        let count = poll(&entries, nfds_t(entries.count), milliseconds)
        return count > 0 ? entries.map { $0.revents != 0 } : entries.map { _ in false }
    }
}
