package import HCSModel

/// What a webhook gets as its body and a program on its standard input.
package struct Alert: Hashable, Sendable, Codable {
    /// Of this form; grows when a field changes its meaning.
    package var version: Int
    /// The event in one line, for people.
    package var text: String
    package var event: FleetEvent
    /// It is about a simulated device.
    package var simulated: Bool
    /// Like it (same device, kind and severity) and not sent since the last one.
    package var suppressed: Int
    /// Of any kind and not sent since the last one, because there were too many.
    package var dropped: Int

    package init(_ event: FleetEvent, suppressed: Int, dropped: Int) {
        version = 1
        let about = [event.node, event.device?.uuid].compactMap(\.self).joined(separator: " ")
        let mark = event.simulated ? " [simulated]" : ""
        let by = event.by.map { " (by \($0))" } ?? ""
        text = "\(event.severity.rawValue) \(event.kind.rawValue)\(mark) \(about): \(event.message)\(by)"
        self.event = event
        simulated = event.simulated
        self.suppressed = suppressed
        self.dropped = dropped
    }
}
