/// Which slots of a sliding window of time were marked: one bit each, whatever the number of marks.
package struct SlotWindow: Hashable, Sendable {
    package static let maximumSlots: Int64 = 60

    private let slotMilliseconds: Int64
    private let slots: Int64
    private var bits: UInt64 = 0
    private var newest: Int64 = .min

    /// - Parameter slotSeconds: shortest slot; a long window has longer ones.
    package init(windowSeconds: Int64, slotSeconds: Double) {
        let window = max(1, windowSeconds) * 1000
        let shortest = slotSeconds.isFinite ? Int64(min(86_400, max(0.001, slotSeconds)) * 1000) : 1000
        slotMilliseconds = max(1, shortest, (window + Self.maximumSlots - 1) / Self.maximumSlots)
        slots = max(1, min(Self.maximumSlots, window / slotMilliseconds))
    }

    mutating func clockWasSet(by step: Int64) {
        guard newest != .min else { return }
        newest.shift(by: step / slotMilliseconds)
    }

    package mutating func mark(_ at: Int64) {
        let slot = at / slotMilliseconds
        guard newest != .min else { (bits, newest) = (1, slot); return }
        if slot > newest {
            let shift = slot.subtractingReportingOverflow(newest)
            bits = shift.overflow || shift.partialValue >= 64 ? 0 : bits << UInt64(shift.partialValue)
            bits |= 1
            newest = slot
        } else {
            let back = newest.subtractingReportingOverflow(slot)
            if !back.overflow, back.partialValue < slots { bits |= 1 << UInt64(back.partialValue) }
        }
    }

    /// Marked slots of the window that ended before the slot of `now`, and the window's slots after `since`.
    package func count(at now: Int64, since: Int64) -> (marked: Int, slots: Int) {
        let last = now / slotMilliseconds - 1
        let (age, overflow) = last.subtractingReportingOverflow(since / slotMilliseconds)
        let expected = overflow ? slots : min(slots, max(0, age))
        guard expected > 0 else { return (0, 0) }
        guard newest != .min else { return (0, Int(expected)) }
        let (shift, tooFar) = last.subtractingReportingOverflow(newest)
        guard !tooFar, shift < 64, shift > -64 else { return (0, Int(expected)) }
        let seen = shift >= 0 ? bits << UInt64(shift) : bits >> UInt64(-shift)
        let mask = expected >= 64 ? UInt64.max : (1 << UInt64(expected)) - 1
        return ((seen & mask).nonzeroBitCount, Int(expected))
    }

    /// Marked slots of the window up to and with the slot of `now`.
    package func recent(at now: Int64) -> Int {
        guard newest != .min else { return 0 }
        let (shift, tooFar) = (now / slotMilliseconds).subtractingReportingOverflow(newest)
        guard !tooFar, shift < 64, shift >= 0 else { return 0 }
        let mask = slots >= 64 ? UInt64.max : (1 << UInt64(slots)) - 1
        return ((bits << UInt64(shift)) & mask).nonzeroBitCount
    }
}
