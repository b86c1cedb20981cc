package import HCSModel

/// Which events become alerts: one for each device, kind and severity within five minutes, and 30 a minute in all. Pure.
package struct AlertLimiter: Sendable {
    package static let spacingMilliseconds: Int64 = 300_000
    package static let mostPerMinute = 30
    /// Devices and kinds that are remembered.
    private static let keysKept = 4_096

    private struct Key: Hashable {
        var node: String?
        var device: DeviceID?
        var kind: FleetEvent.Kind
        var severity: FleetEvent.Severity
    }
    private struct Entry {
        var sentAt: Int64
        var suppressed = 0
    }

    private var entries: [Key: Entry] = [:]
    private var recent: [Int64] = []
    private let threshold: FleetEvent.Severity

    package init(threshold: FleetEvent.Severity) { self.threshold = threshold }

    package enum Verdict: Hashable, Sendable {
        case unwanted
        /// Counted and told with the next like it.
        case suppressed
        /// There are too many of any kind.
        case dropped
        case send(suppressed: Int)
    }

    /// Whether an alert failed is told by events, never by alerts.
    package mutating func judge(_ event: FleetEvent, monotonic: Int64) -> Verdict {
        guard event.severity >= threshold, event.kind != .alertFailed else { return .unwanted }
        let key = Key(node: event.node, device: event.device, kind: event.kind, severity: event.severity)
        if let entry = entries[key], monotonic - entry.sentAt < Self.spacingMilliseconds {
            entries[key]?.suppressed += 1
            return .suppressed
        }
        recent.removeAll { monotonic - $0 >= 60_000 }
        guard recent.count < Self.mostPerMinute else { return .dropped }
        recent.append(monotonic)
        let suppressed = entries[key]?.suppressed ?? 0
        entries[key] = Entry(sentAt: monotonic)
        if entries.count > Self.keysKept {
            entries = entries.filter { monotonic - $0.value.sentAt < Self.spacingMilliseconds }
        }
        return .send(suppressed: suppressed)
    }
}
