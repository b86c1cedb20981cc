import HCSModel

/// What a workload asks of the pool, for people: only what is not as it is when nothing was said.
enum PlacementText {
    static func lines(_ spec: PlacementSpec) -> [(String, String)] {
        var lines: [(String, String)] = []
        var devices: [String] = []
        if spec.devices != 1 || spec.wholeDevices {
            devices.append("\(spec.devices)\(spec.wholeDevices ? " whole" : "")")
        }
        if let compute = spec.compute { devices.append("\(words(compute)) of each") }
        if spec.interconnect != .any { devices.append("joined by \(spec.interconnect.rawValue)") }
        if !devices.isEmpty { lines.append(("devices", devices.joined(separator: ", "))) }
        var host: [String] = []
        if spec.cpuMilli > 0 { host.append("\(cores(spec.cpuMilli)) cores") }
        if spec.memory > .zero { host.append("\(spec.memory) of memory") }
        if !host.isEmpty { lines.append(("host", host.joined(separator: ", "))) }
        for (name, terms) in [("require", spec.require), ("prefer", spec.prefer), ("avoid", spec.avoid)]
        where !terms.isEmpty { lines.append((name, terms.map(\.description).joined(separator: ", "))) }
        if let workloadClass = spec.workloadClass { lines.append(("class", workloadClass.rawValue)) }
        if spec.strategy != .pack { lines.append(("strategy", spec.strategy.rawValue)) }
        if spec.priority != 0 { lines.append(("priority", "\(spec.priority)")) }
        if let gang = spec.gang {
            lines.append(("gang", "\(gang.name), \(gang.size) members, waits \(gang.timeoutSeconds) s"))
        }
        if let pool = spec.pool { lines.append(("pool", pool)) }
        if spec.tenant != PlacementSpec.defaultTenant { lines.append(("tenant", spec.tenant)) }
        return lines
    }

    private static func words(_ amount: ComputeAmount) -> String {
        switch amount {
        case .share(let thousandths): "\(percent(thousandths)) of the compute"
        case .teraflops(let amount, let precision): "\(Format.figure(amount)) TFLOPS \(precision.rawValue)"
        }
    }

    static func percent(_ thousandths: Int) -> String {
        thousandths % 10 == 0 ? "\(thousandths / 10) %" : "\(thousandths / 10).\(abs(thousandths % 10)) %"
    }

    private static func cores(_ milli: Int) -> String {
        guard milli % 1000 != 0 else { return "\(milli / 1000)" }
        let digits = String(milli % 1000 + 1000).dropFirst()
        return "\(milli / 1000).\(digits)"
    }
}
