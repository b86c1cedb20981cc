import HCSHealth
import HCSModel
import HCSProbe
import HCSSystem

/// What lines of the kernel log were read as: a storm is the same few lines again and again.
struct LineMemory {
    struct Reading {
        var fault: Fault
        /// The process that the line blames.
        var pid: Int32?
        var isHistory: Bool
    }

    static let limit = 256

    private var known: [String: (fault: Fault, pid: Int32?)] = [:]

    /// As `FaultParser.fault` reads it.
    mutating func read(_ event: KernelLogEvent, trustUserKmsg: Bool) -> Reading? {
        guard !event.record.fromUserSpace || trustUserKmsg else { return nil }
        if let seen = known[event.record.text] {
            var fault = seen.fault
            fault.sequence = event.record.sequence
            fault.atMilliseconds = event.atMilliseconds
            fault.simulated = event.simulated
            return Reading(fault: fault, pid: seen.pid, isHistory: event.isHistory)
        }
        guard let fault = FaultParser.fault(in: event, trustUserKmsg: trustUserKmsg) else { return nil }
        if known.count >= Self.limit { known = [:] }
        let pid = fault.pid
        known[event.record.text] = (fault, pid)
        return Reading(fault: fault, pid: pid, isHistory: event.isHistory)
    }
}
