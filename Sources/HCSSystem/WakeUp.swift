internal import CHCSSystem
internal import Glibc

/// An eventfd: tells a thread that waits in poll(2) to stop.
package final class WakeUp: Sendable {
    private let descriptor: Descriptor

    package init() throws(SystemError) {
        let number = hcs_eventfd()
        guard number >= 0 else { throw .failed("make an eventfd", errno: -number) }
        descriptor = Descriptor(owning: number)
    }

    /// Readable from the first `signal` on, for ever.
    package var number: Int32 { descriptor.number }

    package func signal() {
        var one: UInt64 = 1
        _ = write(descriptor.number, &one, 8)
    }
}
