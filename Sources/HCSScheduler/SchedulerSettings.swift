package import HCSModel
import HCSPlacement

/// What an operator may set about placement.
package struct SchedulerSettings: Sendable {
    var margin: DeviceMargin
    /// A node that reports and does not tell of work that was given to it for so long has lost it.
    package var reservationMilliseconds: Int64

    package static let reservationRange: ClosedRange<Int64> = 10_000...86_400_000

    /// - Parameter margin: of each device; nil = `DeviceMargin`'s own.
    package init(margin: ByteCount? = nil, reservationMilliseconds: Int64 = 60_000) {
        self.margin = DeviceMargin(fixed: margin)
        self.reservationMilliseconds = reservationMilliseconds
    }
}
