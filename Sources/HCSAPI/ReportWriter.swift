package import Foundation
import HCSModel

/// Writes one agent's reports as JSON. What seldom changes (the host, the topology, devices between two samples) is
/// encoded when it has changed and copied otherwise: most of a report that goes out each two seconds is the last one's.
package struct ReportWriter: Sendable {
    private var host: (value: HostFacts, text: Data)?
    private var topology: (value: Topology, text: Data)?
    private var devices: [DeviceID: (value: DeviceReport, text: Data)] = [:]

    package init() {}

    /// The same JSON value as `JSONEncoder` makes of the report.
    package mutating func write(_ report: NodeReport) throws -> Data {
        var text = try HCSJSON.encode(Frame(report: report), ordered: false)
        guard text.last == UInt8(ascii: "}") else { preconditionFailure("an object ends with a brace") }
        text.removeLast()

        let host = try Self.part(report.host, self.host)
        self.host = host
        text.append(contentsOf: Data(#","host":"#.utf8))
        text.append(host.text)

        if let new = report.topology {
            let topology = try Self.part(new, self.topology)
            self.topology = topology
            text.append(contentsOf: Data(#","topology":"#.utf8))
            text.append(topology.text)
        }

        text.append(contentsOf: Data(#","devices":["#.utf8))
        var present: [DeviceID: (value: DeviceReport, text: Data)] = [:]
        for (number, new) in report.devices.enumerated() {
            let device = try Self.part(new, devices[new.device.id])
            present[new.device.id] = device
            if number > 0 { text.append(UInt8(ascii: ",")) }
            text.append(device.text)
        }
        devices = present
        text.append(contentsOf: Data("]}".utf8))
        return text
    }

    private static func part<Value: Encodable & Equatable>(
        _ value: Value, _ last: (value: Value, text: Data)?
    ) throws -> (value: Value, text: Data) {
        if let last, last.value == value { return last }
        return (value, try HCSJSON.encode(value, ordered: false))
    }

    /// A report without those parts.
    private struct Frame: Encodable {
        let report: NodeReport

        func encode(to encoder: any Encoder) throws {
            var fields = encoder.container(keyedBy: NodeReport.CodingKeys.self)
            try fields.encode(report.apiVersion, forKey: .apiVersion)
            try fields.encode(report.agentVersion, forKey: .agentVersion)
            try fields.encode(report.bootID, forKey: .bootID)
            try fields.encode(report.node, forKey: .node)
            try fields.encode(report.sequence, forKey: .sequence)
            try fields.encode(report.agentStartMilliseconds, forKey: .agentStartMilliseconds)
            try fields.encode(report.sentMilliseconds, forKey: .sentMilliseconds)
            try fields.encode(report.workloads, forKey: .workloads)
            try fields.encode(report.vendors, forKey: .vendors)
            try fields.encode(report.probes, forKey: .probes)
            try fields.encodeIfPresent(report.leases, forKey: .leases)
            try fields.encodeIfPresent(report.escapes, forKey: .escapes)
            try fields.encodeIfPresent(report.clearances, forKey: .clearances)
            try fields.encodeIfPresent(report.health, forKey: .health)
        }
    }
}
