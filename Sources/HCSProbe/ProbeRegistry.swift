/// The probes there are: one line each. A factory gives nil when the options do not ask for its probe.
package enum ProbeRegistry {
    package static let factories: [@Sendable (ProbeOptions) -> (any Probe)?] = [
        { KernelLogProbe(options: $0) },
        { SimulatedKernelLogProbe(options: $0) },
        { EventProbe<PCIeErrors>(options: $0) },
        { EventProbe<MachineChecks>(options: $0) },
        { EventProbe<MemoryErrors>(options: $0) },
        { EventProbe<FirmwareRecords>(options: $0) },
        { EventProbe<OutOfMemoryKills>(options: $0) },
        // First of those that concern holders: the others ask what it found.
        { EventProbe<DeviceHolders>(options: $0) },
        { EventProbe<HolderExits>(options: $0) },
        { EventProbe<HolderSignals>(options: $0) },
        { EventProbe<StuckCalls>(options: $0) },
        { EventProbe<ThermalTrips>(options: $0) },
        { EventProbe<SensorLimits>(options: $0) },
        { EventProbe<Pressure>(options: $0) },
        { EventProbe<FabricManager>(options: $0) },
        { EventProbe<FabricPorts>(options: $0) },
        { $0.timesDeviceCalls ? EventProbe<DeviceCalls>(options: $0) : nil },
        { $0.vendorCalls == nil ? nil : EventProbe<VendorCalls>(options: $0) },
    ]

    /// Those that run only where they are asked for, since each call that they see costs time, and what asks for them.
    package static let optional: [(name: String, flag: String)] = [
        (DeviceCalls.name, "--time-device-calls"), (VendorCalls.name, "--time-vendor-calls"),
    ]

    package static func probes(for options: ProbeOptions) -> [any Probe] {
        factories.compactMap { $0(options) }
    }
}
