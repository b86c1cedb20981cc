import HCSAPI
import HCSAgent
import HCSModel

/// A scrape, read again by the rules of the text format: what breaks one is in `problems`.
struct MetricsScrape {
    struct Series: Hashable {
        var name: String
        var labels: [String: String]
    }

    private(set) var values: [Series: Double] = [:]
    private(set) var types: [String: String] = [:]
    private(set) var problems: [String] = []
    private var helped: Set<String> = []
    private var current = ""

    init(_ text: String) {
        for line in text.split(separator: "\n", omittingEmptySubsequences: false).dropLast() { read(String(line)) }
        if !text.hasSuffix("\n") { problems.append("the last line has no end") }
    }

    func value(_ name: String, _ labels: [String: String] = [:]) -> Double? {
        let found = values.filter { series, _ in
            series.name == name && labels.allSatisfy { series.labels[$0.key] == $0.value }
        }
        return found.count == 1 ? found.first?.value : nil
    }

    func series(_ name: String) -> [Series] { values.keys.filter { $0.name == name } }

    private mutating func read(_ line: String) {
        let words = line.split(separator: " ", maxSplits: 3).map(String.init)
        if line.hasPrefix("# HELP ") {
            guard words.count == 4, helped.insert(words[2]).inserted else { return complain("HELP", line) }
            current = words[2]
        } else if line.hasPrefix("# TYPE ") {
            guard words.count == 4, words[2] == current, types.updateValue(words[3], forKey: words[2]) == nil,
                ["gauge", "counter", "histogram"].contains(words[3])
            else { return complain("TYPE", line) }
        } else {
            readSeries(line)
        }
    }

    private mutating func readSeries(_ line: String) {
        var rest = Substring(line)
        let name = String(rest.prefix { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") })
        rest = rest.dropFirst(name.count)
        var labels: [String: String] = [:]
        if rest.unicodeScalars.first == "{" {
            guard let read = Self.labels(&rest) else { return complain("labels", line) }
            labels = read
        }
        let family = types[current] == "histogram" ? current : name
        guard family == current, name.hasPrefix(current), rest.first == " ",
            let value = Self.number(rest.dropFirst())
        else { return complain("series", line) }
        if values.updateValue(value, forKey: Series(name: name, labels: labels)) != nil { complain("again", line) }
    }

    /// `{name="value",…}`, byte by byte: a value may hold anything but a bare quote, backslash or newline.
    private static func labels(_ rest: inout Substring) -> [String: String]? {
        var bytes = Array(rest.utf8)[...]
        guard bytes.popFirst() == UInt8(ascii: "{") else { return nil }
        var labels: [String: String] = [:]
        while true {
            let name = bytes.prefix { $0 != UInt8(ascii: "=") }
            bytes = bytes.dropFirst(name.count + 1)
            guard !name.isEmpty, bytes.popFirst() == UInt8(ascii: "\"") else { return nil }
            var value: [UInt8] = []
            while let byte = bytes.popFirst(), byte != UInt8(ascii: "\"") {
                guard byte == UInt8(ascii: "\\") else {
                    value.append(byte)
                    continue
                }
                switch bytes.popFirst() {
                case UInt8(ascii: "\\"): value.append(UInt8(ascii: "\\"))
                case UInt8(ascii: "\""): value.append(UInt8(ascii: "\""))
                case UInt8(ascii: "n"): value.append(UInt8(ascii: "\n"))
                default: return nil
                }
            }
            let key = String(decoding: name, as: UTF8.self)
            guard labels.updateValue(String(decoding: value, as: UTF8.self), forKey: key) == nil else { return nil }
            switch bytes.popFirst() {
            case UInt8(ascii: ","): continue
            case UInt8(ascii: "}"):
                rest = Substring(decoding: bytes, as: UTF8.self)
                return labels
            default: return nil
            }
        }
    }

    private static func number(_ text: Substring) -> Double? {
        switch text {
        case "NaN": .nan
        case "+Inf": .infinity
        case "-Inf": -.infinity
        default: text.contains { $0.isLetter && $0 != "e" } ? nil : Double(text)
        }
    }

    private mutating func complain(_ what: String, _ line: String) { problems.append("\(what): \(line)") }
}

extension MetricsScrape {
    /// A state with every kind of thing in it, so that no metric is absent.
    static func fullSnapshot(_ devices: [Device]? = nil) async -> MetricsSnapshot {
        let state = AgentFixtures.state(scheduler: "http://127.0.0.1:8470")
        let devices = devices ?? [fullDevice(.nvidia, 0), fullDevice(.nvidia, 1), fullDevice(.ascend, 0)]
        var record = MetricsRecord()
        var samples: [DeviceID: DeviceSample] = [:]
        for device in devices { samples[device.id] = fullSample() }
        record.collected(devices: devices.map(\.id), samples: samples, seconds: 0.02, at: 1_700_000_000_000)
        for device in devices {
            let fault = Fault(
                family: "xid", code: 79, vendor: device.vendor, pci: device.pci, message: "", sequence: nil,
                atMilliseconds: 1_700_000_000_500, simulated: false)
            record.faulted(fault, devices: [device.id], faultClass: "hard")
        }
        record.faultedUnknown(.hygon)
        await state.set(devices: devices)
        await state.set(samples: samples)
        await state.set(
            healths: Dictionary(
                uniqueKeysWithValues: devices.map {
                    (
                        $0.id,
                        DeviceHealth(
                            score: 70,
                            reasons: [
                                HealthReason(
                                    factor: "xid", penalty: 0.3, detail: "", source: "kernel-log",
                                    sinceMilliseconds: 0)
                            ])
                    )
                }))
        await state.set(vendors: [VendorStatus(vendor: .nvidia, simulated: false, state: .running)])
        await state.set(probes: [ProbeStatus(name: "kernel-log", state: .polling, detail: "", events: 3, dropped: 1)])
        await state.set(
            escapes: [], totals: devices.map { EscapeCount(device: $0.id, kind: .unmanaged, count: 1) })
        return MetricsSnapshot(
            status: await state.status(), record: record,
            process: ProcessUsage(startSeconds: 1_700_000_000, residentBytes: 1 << 25, processorSeconds: 1.5))
    }

    static func fullDevice(_ vendor: Vendor, _ index: UInt32) -> Device {
        var device = AgentFixtures.device("\(vendor.rawValue)-\(index)", vendor: vendor, index: index)
        device.pci = PCIAddress(domain: 0, bus: UInt8(0x3b + index), device: 0, function: 0)
        device.driverVersion = "580.65.06"
        return device
    }

    /// Every signal, and every instance of one that the names of others depend on.
    static func fullSample() -> DeviceSample {
        var sample = DeviceSample(memoryUsed: .gibibytes(3), vendorHealth: .good)
        for signal in Signal.allCases { sample.signals[signal] = 1 }
        for part in ["compute", "memory"] {
            sample.signals[.clock, part] = 1000
            sample.signals[.clockMaximum, part] = 2000
        }
        for part in ["encoder", "decoder"] { sample.signals[.engineUtilization, part] = 5 }
        for part in ["corrected", "uncorrected"] {
            sample.signals[.retiredPages, part] = 2
            sample.signals[.rowsRemapped, part] = 3
        }
        sample.signals[.eccUncorrected, "sram"] = 1
        return sample
    }
}
