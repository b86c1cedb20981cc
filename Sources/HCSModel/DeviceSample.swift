/// What one pass over a device measured. A value the library did not give, or that was not plausible, is absent.
package struct DeviceSample: Hashable, Sendable, Codable {
    /// What the vendor's own health call says.
    package enum VendorHealth: String, Codable, Hashable, Sendable { case good, warning, critical, lost }

    /// Device memory in use by everybody, as the driver counts it (without what the driver keeps for itself, where it tells).
    package var memoryUsed: ByteCount?
    package var temperatureCelsius: Double?
    package var powerWatts: Double?
    package var utilizationPercent: Double?
    package var vendorHealth: VendorHealth?
    /// Memory by process, as the driver counts it; host pids.
    package var processes: [ProcessMemory]

    package struct ProcessMemory: Hashable, Sendable, Codable {
        package var pid: Int32
        package var memory: ByteCount
        package init(pid: Int32, memory: ByteCount) {
            self.pid = pid
            self.memory = memory
        }
    }

    package init(
        memoryUsed: ByteCount? = nil, temperatureCelsius: Double? = nil, powerWatts: Double? = nil,
        utilizationPercent: Double? = nil, vendorHealth: VendorHealth? = nil, processes: [ProcessMemory] = []
    ) {
        self.memoryUsed = memoryUsed
        self.temperatureCelsius = temperatureCelsius
        self.powerWatts = powerWatts
        self.utilizationPercent = utilizationPercent
        self.vendorHealth = vendorHealth
        self.processes = processes
    }
}
