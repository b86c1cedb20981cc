import HCSAPI
import HCSModel

/// All that is known of one device, from the scheduler or from its host's agent.
struct DeviceDescription: Codable, Sendable, Equatable {
    var node: String
    var device: Device
    var sample: DeviceSample?
    var health: DeviceHealth
    var blocked: String?
    var cordon: Cordon?
    /// The scheduler's.
    var ledger: DeviceLedger?
    /// What the host's agent has leased itself; only where the agent was asked.
    var localGranted: ByteCount?

    init(_ view: DeviceView) {
        node = view.node
        device = view.device
        sample = view.sample
        health = view.health
        blocked = view.blocked
        cordon = view.cordon
        ledger = view.ledger
    }

    init(_ report: DeviceReport, node: String) {
        self.node = node
        device = report.device
        sample = report.sample
        health = report.health
        blocked = report.blocked
        localGranted = report.localGranted
    }

    // MARK: For people

    /// Width of the longest line that is made of words.
    private static let width = 78
    private static let labelWidth = 28

    private typealias Line = (label: String, value: String)

    func text(_ style: Style) -> String {
        var sections: [(title: String, lines: [Line])] = [
            ("Device", identity), ("Memory", memory), ("Peak throughput", fingerprint), ("Health", healthLines),
        ]
        sections += signals
        sections += [("Links", links), ("Processes", processes)]
        return sections.filter { !$0.lines.isEmpty }.map { section in
            ([style.bold(section.title)] + section.lines.flatMap { Self.lines($0) }).joined(separator: "\n")
        }.joined(separator: "\n\n")
    }

    /// A label and its value, which goes on below itself.
    private static func lines(_ line: Line) -> [String] {
        let label = Format.printable(line.label)
        let padding = String(repeating: " ", count: max(1, labelWidth - 2 - label.count))
        let value = Format.wrapped(
            line.value.isEmpty ? Format.none : Format.printable(line.value), width: width - labelWidth)
        let indent = String(repeating: " ", count: labelWidth)
        return value.enumerated().map { $0 == 0 ? "  \(label)\(padding)\($1)" : indent + $1 }
    }

    private var identity: [Line] {
        let details = device.details
        var lines: [Line] = [
            ("id", device.id.uuid), ("vendor", device.vendor.displayName), ("model", device.model),
            ("kind", device.simulated ? "simulated" : "real"), ("node", node), ("index", "\(device.index)"),
        ]
        let optional: [(String, String?)] = [
            ("PCI address", device.pci?.description), ("NUMA node", device.numaNode.map(String.init)),
            ("serial", details.serial), ("part number", details.partNumber), ("firmware", details.firmware),
            ("architecture", details.architecture), ("driver", device.driverVersion),
            ("runtime", details.runtimeVersion),
            (
                "partition",
                details.partition.map { part in
                    "\(part.profile.map { "\($0), " } ?? "")\(part.slices) of \(part.cardSlices) slices of \(part.card)"
                }
            ),
        ]
        lines += optional.compactMap { label, value in value.map { (label, $0) } }
        return lines
    }

    private var memory: [Line] {
        var lines: [Line] = [("total", Format.bytes(device.memory))]
        if let used = sample?.memoryUsed { lines.append(("used, by the driver", Format.bytes(used))) }
        if let ledger {
            if let used = ledger.segmentUsed, used > .zero {
                lines.append(("used, by its workloads", Format.bytes(used)))
            }
            lines.append(("granted", Format.bytes(ledger.granted)))
            if let milli = ledger.computeMilli, milli > 0 {
                lines.append(("compute granted", "\(milli / 10).\(milli % 10) %"))
            }
            if ledger.whole == true { lines.append(("given", "whole")) }
            if let margin = ledger.margin, margin > .zero { lines.append(("margin", Format.bytes(margin))) }
            lines.append(("free to give", Format.bytes(ledger.free)))
            if !ledger.workloads.isEmpty { lines.append(("workloads", ledger.workloads.joined(separator: ", "))) }
        }
        if let localGranted { lines.append(("leased by this agent", Format.bytes(localGranted))) }
        if let blocked { lines.append(("gets no work", blocked)) }
        if let cordon {
            lines.append((cordon.target.device == nil ? "its node" : "by order", Cordons.sentence(cordon)))
        }
        return lines
    }

    private var fingerprint: [Line] {
        let peak = device.fingerprint
        let figures = Precision.allCases.compactMap { precision in
            peak.tflops[precision].map { (precision, $0) }
        }
        return figures.map { precision, value in
            (precision.rawValue, "\(Format.tflops(value)) \(precision == .int8 ? "TOPS" : "TFLOPS")")
        } + [("confidence", peak.confidence.rawValue), ("source", peak.source)]
    }

    private var healthLines: [Line] {
        var lines: [Line] = [("score", Format.health(health))]
        lines += health.reasons.map { reason in
            (
                reason.factor,
                "-\(Int((min(1, max(0, reason.penalty)) * 100).rounded())) %: \(reason.detail) (seen in \(reason.source))"
            )
        }
        if let word = sample?.vendorHealth { lines.append(("the vendor's word", word.rawValue)) }
        if let codes = sample?.faultCodes, !codes.isEmpty {
            lines.append(("fault codes", codes.map(String.init).joined(separator: ", ")))
        }
        return lines
    }

    /// All signals, a line for each with its instances.
    private var signals: [(title: String, lines: [Line])] {
        let readings = sample?.signals ?? SignalReadings()
        let given = Signal.allCases.filter { !readings.all($0).isEmpty }
        return SignalGroup.allCases.map { group in
            let lines: [Line] = given.filter { SignalGroup($0) == group }.map { signal in
                let all = readings.all(signal)
                let values = all.map { instance, value in
                    let isSum = instance == nil && all.count > 1 && signal.traits.unit == .count
                    return (instance.map { "\($0) " } ?? "") + signal.text(value) + (isSum ? " in all" : "")
                }
                return (signal.words, values.joined(separator: ", "))
            }
            return (group.rawValue, lines)
        }
    }

    /// Lanes that lead to the same place together.
    private var links: [Line] {
        struct Bundle: Hashable {
            var kind: DeviceLink.Kind
            var peer: DeviceLink.Peer
            var address: PCIAddress?
            var version: Int?
            var up: Bool
        }
        var order: [Bundle] = []
        var lanes: [Bundle: [DeviceLink]] = [:]
        for link in device.details.links {
            let bundle = Bundle(
                kind: link.kind, peer: link.peer, address: link.peerAddress, version: link.version, up: link.up)
            if lanes[bundle] == nil { order.append(bundle) }
            lanes[bundle, default: []].append(link)
        }
        return order.map { bundle in
            let members = lanes[bundle] ?? []
            let numbers = CPUSet(Set(members.map(\.lane)).sorted())?.description ?? ""
            var words = [
                "\(members.count) lane\(members.count == 1 ? "" : "s") (\(numbers)) \(bundle.up ? "up" : "down")"
            ]
            switch bundle.peer {
            case .device: words.append("to \(bundle.address?.description ?? "another device")")
            case .fabric: words.append("to a switch")
            case .host: words.append("to the host")
            case .unknown: break
            }
            if let version = bundle.version { words.append("version \(version)") }
            let widths = members.compactMap(\.bandwidthGBps)
            if widths.count == members.count, !widths.isEmpty {
                words.append("\(Signal.Unit.plain(widths.reduce(0, +))) GB/s each way")
            }
            return (bundle.kind.rawValue, words.joined(separator: ", "))
        }
    }

    private var processes: [Line] {
        (sample?.processes ?? []).sorted { ($1.memory, $0.pid) < ($0.memory, $1.pid) }.map {
            ("pid \($0.pid)", Format.bytes($0.memory))
        }
    }
}

/// The headings that signals stand under.
private enum SignalGroup: String, CaseIterable {
    case thermal = "Temperature"
    case power = "Power"
    case load = "Load"
    case clocks = "Clocks"
    case errors = "Memory errors and repair"
    case bus = "PCI Express"
    case links = "Link state"
    case other = "Other"

    init(_ signal: Signal) {
        switch signal {
        case .temperature, .memoryTemperature, .boardTemperature, .temperatureSlowdown, .temperatureShutdown:
            self = .thermal
        case .power, .powerLimit, .energy: self = .power
        case .utilization, .memoryUtilization, .engineUtilization: self = .load
        case .clock, .clockMaximum, .throttle: self = .clocks
        case .eccMode, .eccCorrected, .eccUncorrected, .eccCorrectedVolatile, .eccUncorrectedVolatile, .retiredPages,
            .retiredPagesPending, .rowsRemapped, .rowRemapPending, .rowRemapFailed, .rowBanks:
            self = .errors
        case .pcieGeneration, .pcieGenerationMaximum, .pcieWidth, .pcieWidthMaximum, .pcieReplays, .pcieReceive,
            .pcieTransmit:
            self = .bus
        case .linkUp, .linkErrors: self = .links
        default: self = .other
        }
    }
}

extension Signal {
    /// `eccUncorrectedVolatile` as `ecc uncorrected volatile`.
    fileprivate var words: String {
        rawValue.reduce(into: "") { $0 += $1.isUppercase ? " \($1.lowercased())" : String($1) }
    }

    /// A value with its unit, in words where the driver has words.
    fileprivate func text(_ value: Double) -> String {
        switch self {
        case .eccMode: return value == 0 ? "off" : "on"
        case .recoveryAction:
            let actions = ["none", "reset", "reboot", "drain", "drain and reset"]
            return Int(exactly: value).flatMap { actions.indices.contains($0) ? actions[$0] : nil } ?? "code \(value)"
        default: return traits.unit.text(value)
        }
    }
}

extension Signal.Unit {
    /// A value with its unit.
    func text(_ value: Double) -> String {
        switch self {
        case .celsius: "\(Self.plain(value)) °C"
        case .watts: "\(Self.plain(value)) W"
        case .joules: "\(Self.plain(value)) J"
        case .percent: "\(Self.plain(value)) %"
        case .megahertz: "\(Self.plain(value)) MHz"
        case .count: Self.plain(value)
        case .flag: value == 0 ? "no" : "yes"
        case .bytes: Format.bytes(UInt64(exactly: value.rounded()).map { ByteCount($0) })
        case .bytesPerSecond: "\(Self.plain(value / 1e6)) MB/s"
        }
    }

    /// At most one decimal.
    static func plain(_ value: Double) -> String {
        guard value.isFinite, abs(value) < 1e17 else { return Format.none }
        let tenths = (value * 10).rounded()
        return tenths.remainder(dividingBy: 10) == 0 ? "\(Int(value.rounded()))" : "\(tenths / 10)"
    }
}
