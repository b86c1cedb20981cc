import HCSModel

/// Every metric of the agent, in the order in which a scrape shows them.
package enum Metrics {
    package static let native: [Metric] = agent + host + devices + signals + faults

    package static func all(_ compatibility: MetricsCompatibility) -> [Metric] {
        switch compatibility {
        case .dcgm: native + dcgm
        case .none: native
        }
    }

    /// Labels of a subject, in order.
    package static func labels(of subject: Metric.Subject) -> [String] {
        switch subject {
        case .agent: []
        case .device: ["uuid", "vendor", "model", "gpu", "pci_bus_id", "simulated"]
        case .dcgm:
            [
                "gpu", "UUID", "pci_bus_id", "device", "modelName", "Hostname", "hostname", "DCGM_FI_DRIVER_VERSION",
                "GPU_I_PROFILE", "simulated",
            ]
        }
    }

    static func labels(of device: Device) -> [(name: String, value: String)] {
        [
            ("uuid", device.id.uuid), ("vendor", device.vendor.rawValue), ("model", device.model),
            ("gpu", String(device.index)), ("pci_bus_id", device.pci?.description ?? ""),
            ("simulated", String(device.simulated)),
        ]
    }

    /// nil for other makers' devices: nobody's are disguised as NVIDIA's. A MIG instance has its own UUID here. The
    /// exporter renamed `Hostname` to `hostname` in 2026; dashboards ask for either.
    static func dcgmLabels(of device: Device, node: String) -> [(name: String, value: String)]? {
        guard device.vendor == .nvidia else { return nil }
        var labels = [("gpu", String(device.index)), ("UUID", device.id.uuid)]
        if let pci = device.pci { labels.append(("pci_bus_id", dcgmAddress(pci))) }
        labels += [
            ("device", "nvidia\(device.index)"), ("modelName", device.model), ("Hostname", node), ("hostname", node),
        ]
        if let driver = device.driverVersion { labels.append(("DCGM_FI_DRIVER_VERSION", driver)) }
        if let profile = device.details.partition?.profile { labels.append(("GPU_I_PROFILE", profile)) }
        if device.simulated { labels.append(("simulated", "true")) }
        return labels.map { (name: $0.0, value: $0.1) }
    }

    /// As NVML prints it: a domain of eight digits, upper case.
    private static func dcgmAddress(_ pci: PCIAddress) -> String {
        let text = pci.description.uppercased()
        return String(repeating: "0", count: max(0, 16 - text.utf8.count)) + text
    }
}
