package import HCSModel
package import HCSPlacement

/// What an operator may set about placement.
package struct SchedulerSettings: Sendable {
    var margin: DeviceMargin
    /// A node that reports and does not tell of work that was given to it for so long has lost it.
    package var reservationMilliseconds: Int64
    /// Order, quotas and preemption of what waits, and the file that it was read from.
    package var queue: QueuePolicy
    package var queueFile: String?

    package static let reservationRange: ClosedRange<Int64> = 10_000...86_400_000

    /// - Parameter margin: of each device; nil = `DeviceMargin`'s own.
    package init(
        margin: ByteCount? = nil, reservationMilliseconds: Int64 = 60_000, queue: QueuePolicy = QueuePolicy(),
        queueFile: String? = nil
    ) {
        self.queue = queue
        self.queueFile = queueFile
        self.margin = DeviceMargin(fixed: margin)
        self.reservationMilliseconds = reservationMilliseconds
    }
}
