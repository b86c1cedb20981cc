package import HCSModel

/// Which events a reader wants: each that is given must match.
package struct EventFilter: Hashable, Sendable {
    package var kinds: Set<FleetEvent.Kind>
    package var node: String?
    package var device: DeviceID?
    package var severity: FleetEvent.Severity
    /// No older ones, milliseconds since 1970.
    package var notBefore: Int64?

    package init(
        kinds: Set<FleetEvent.Kind> = [], node: String? = nil, device: DeviceID? = nil,
        severity: FleetEvent.Severity = .info, notBefore: Int64? = nil
    ) {
        self.kinds = kinds
        self.node = node
        self.device = device
        self.severity = severity
        self.notBefore = notBefore
    }

    package func matches(_ event: FleetEvent) -> Bool {
        (kinds.isEmpty || kinds.contains(event.kind)) && (node == nil || node == event.node)
            && (device == nil || device == event.device) && event.severity >= severity
            && event.atMilliseconds >= notBefore ?? .min
    }
}

/// `GET /v1/events`: what a reader has not seen yet, oldest first.
package struct EventPage: Hashable, Sendable, Codable {
    package var items: [FleetEvent]
    /// To ask with as `after` next.
    package var next: UInt64
    /// Events between `after` and this page may be missing: the reader was too slow, or the scheduler was started anew.
    /// No page goes on beyond such a gap.
    package var gap: Bool
    /// Nothing more was there when it was answered.
    package var atEnd: Bool

    package init(items: [FleetEvent], next: UInt64, gap: Bool, atEnd: Bool) {
        self.items = items
        self.next = next
        self.gap = gap
        self.atEnd = atEnd
    }
}

/// `GET /v1/alerts`: what became of the alerts to one receiver since the scheduler was started.
package struct AlertStatus: Hashable, Sendable, Codable {
    package var receiver: String
    package var delivered: UInt64 = 0
    /// Given up after the last try.
    package var failed: UInt64 = 0
    /// Never tried: the queue was full, or there were too many in a minute.
    package var dropped: UInt64 = 0
    /// Never tried: one like it was sent a short while before.
    package var suppressed: UInt64 = 0
    package var queued = 0

    package init(receiver: String) { self.receiver = receiver }
}
