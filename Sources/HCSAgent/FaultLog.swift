package import HCSHealth
package import HCSModel
package import HCSProbe
package import Logging
import Synchronization

/// What the agent's log says of faults. Of each kind the first line, then at most one a minute with the number of those left
/// out: a storm must not push everything else out of the journal. `/metrics` counts every one.
package final class FaultLog: Sendable {
    package static let intervalMilliseconds: Int64 = 60_000
    /// Kinds kept apart; further ones share a line a minute.
    package static let limit = 256

    private struct Key: Hashable {
        var what: String
        var about: String
    }

    private struct Line {
        /// Monotonic, in milliseconds.
        var toldAt: Int64
        var leftOut = 0
    }

    private let ofFaults = Mutex<[Key: Line]>([:])
    /// Apart from the faults: processes come and go, and must not fill their table.
    private let ofHost = Mutex<[Key: Line]>([:])
    private let logger: Logger

    package init(logger: Logger) { self.logger = logger }

    /// - Parameter now: monotonic, in milliseconds.
    package func tell(_ fault: Fault, _ outcome: HealthAnalyzer.FaultOutcome, at now: Int64) {
        let what = "\(fault.family) \(fault.code)"
        switch outcome {
        case .counted(let ids):
            // Of some codes the text says how bad they are.
            let about = FaultText.isFatal(fault.record) || FaultText.isFatal(fault.message) ? "fatal" : ""
            tell(
                .warning, "\(what) on \(ids.map(\.uuid).joined(separator: ", "))", fault.record, about: about, at: now,
                ofFaults)
        case .unmatched: tell(.warning, "\(what) on no device known here", fault.record, at: now, ofFaults)
        case .notDeviceFault: tell(.info, "\(what), which is no fault of a device", fault.record, at: now, ofFaults)
        case .duplicate: break
        }
    }

    /// - Parameter now: monotonic, in milliseconds.
    package func tell(_ event: HostEvent, at now: Int64) {
        guard event.severity >= .warning else {
            logger.debug("\(event.kind.rawValue): \(event.message)")
            return
        }
        let which = event.pci?.description ?? event.pid?.description ?? event.codes.first ?? ""
        tell(
            .warning, event.kind.rawValue, event.message, about: "\(event.severity.rawValue) \(which)", at: now, ofHost)
    }

    private func tell(
        _ level: Logger.Level, _ what: String, _ text: String, about: String = "", at now: Int64,
        _ lines: borrowing Mutex<[Key: Line]>
    ) {
        guard let leftOut = lines.withLock({ Self.turn(Key(what: what, about: about), &$0, now) }) else { return }
        let more = leftOut == 0 ? "" : " (\(leftOut) more like it were not logged)"
        logger.log(level: level, "\(what): \(text)\(more)")
    }

    /// How many were left out since the last line; nil: this one is as well.
    private static func turn(_ key: Key, _ lines: inout [Key: Line], _ now: Int64) -> Int? {
        var key = key
        if lines[key] == nil, lines.count >= limit {
            lines = lines.filter { now - $0.value.toldAt < intervalMilliseconds }
            if lines.count >= limit { key = Key(what: "", about: "") }
        }
        if let line = lines[key], now - line.toldAt < intervalMilliseconds {
            lines[key]?.leftOut += 1
            return nil
        }
        return lines.updateValue(Line(toldAt: now), forKey: key)?.leftOut ?? 0
    }
}
