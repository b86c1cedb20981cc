import HCSAPI
import HCSModel

/// The names and units of NVIDIA's DCGM exporter (its `etc/default-counters.csv`, and DCGM's `dcgm_fields.h`), so that
/// what was built on it goes on working. Only what NVML tells: no profiling figures (`DCGM_FI_PROF_*`), and no
/// `DCGM_FI_DEV_XID_ERRORS`, a gauge that keeps the last Xid for ever and shows no second one.
extension Metrics {
    package static let dcgm: [Metric] = [
        signal("SM_CLOCK", "SM clock, MHz.") { $0[.clock, "compute"] },
        signal("MEM_CLOCK", "Memory clock, MHz.") { $0[.clock, "memory"] },
        signal("MAX_SM_CLOCK", "Highest SM clock, MHz.") { $0[.clockMaximum, "compute"] },
        signal("MAX_MEM_CLOCK", "Highest memory clock, MHz.") { $0[.clockMaximum, "memory"] },
        signal("GPU_TEMP", "GPU temperature, C.") { $0[.temperature] },
        signal("MEMORY_TEMP", "Memory temperature, C.") { $0[.memoryTemperature] },
        signal("SLOWDOWN_TEMP", "Slowdown temperature, C.") { $0[.temperatureSlowdown] },
        signal("SHUTDOWN_TEMP", "Shutdown temperature, C.") { $0[.temperatureShutdown] },
        signal("POWER_USAGE", "Power, W.") { $0[.power] },
        signal("ENFORCED_POWER_LIMIT", "Power limit in force, W.") { $0[.powerLimit] },
        signal("TOTAL_ENERGY_CONSUMPTION", "Energy since the driver was loaded, mJ.", kind: .counter) {
            $0[.energy].map { $0 * 1000 }
        },
        signal("GPU_UTIL", "GPU utilization, %.") { $0[.utilization] },
        signal("MEM_COPY_UTIL", "Memory utilization, %.") { $0[.memoryUtilization] },
        signal("ENC_UTIL", "Encoder utilization, %.") { $0[.engineUtilization, "encoder"] },
        signal("DEC_UTIL", "Decoder utilization, %.") { $0[.engineUtilization, "decoder"] },
        memory("FB_TOTAL", "Framebuffer memory, MiB.") { Double($0.report.device.memory.bytes) },
        memory("FB_USED", "Framebuffer memory used, MiB.") { $0.report.sample?.memoryUsed.map { Double($0.bytes) } },
        memory("FB_FREE", "Framebuffer memory free, MiB.") { device in
            device.report.sample?.memoryUsed.map { used in
                let reserved = device.report.sample?.signals[.memoryReserved] ?? 0
                return max(0, Double(device.report.device.memory.bytes) - Double(used.bytes) - reserved)
            }
        },
        memory("FB_RESERVED", "Framebuffer memory that the driver keeps, MiB.") {
            $0.report.sample?.signals[.memoryReserved]
        },
        signal("PCIE_LINK_GEN", "PCIe generation now.") { $0[.pcieGeneration] },
        signal("PCIE_LINK_WIDTH", "PCIe lanes now.") { $0[.pcieWidth] },
        signal("PCIE_MAX_LINK_GEN", "Highest PCIe generation.") { $0[.pcieGenerationMaximum] },
        signal("PCIE_MAX_LINK_WIDTH", "Most PCIe lanes.") { $0[.pcieWidthMaximum] },
        signal("PCIE_REPLAY_COUNTER", "PCIe replays.", kind: .counter) { $0[.pcieReplays] },
        signal("ECC_CURRENT", "1 when ECC is on.") { $0[.eccMode] },
        signal("ECC_SBE_VOL_TOTAL", "Corrected errors since the driver was loaded.", kind: .counter) {
            $0[.eccCorrectedVolatile]
        },
        signal("ECC_DBE_VOL_TOTAL", "Uncorrectable errors since the driver was loaded.", kind: .counter) {
            $0[.eccUncorrectedVolatile]
        },
        signal("ECC_SBE_AGG_TOTAL", "Corrected errors of the device's life.", kind: .counter) { $0[.eccCorrected] },
        signal("ECC_DBE_AGG_TOTAL", "Uncorrectable errors of the device's life.", kind: .counter) {
            $0[.eccUncorrected]
        },
        signal("RETIRED_SBE", "Pages retired for corrected errors.", kind: .counter) { $0[.retiredPages, "corrected"] },
        signal("RETIRED_DBE", "Pages retired for uncorrectable errors.", kind: .counter) {
            $0[.retiredPages, "uncorrected"]
        },
        signal("RETIRED_PENDING", "1 while pages wait for a reset to be retired.") { $0[.retiredPagesPending] },
        signal("CORRECTABLE_REMAPPED_ROWS", "Rows remapped for corrected errors.", kind: .counter) {
            $0[.rowsRemapped, "corrected"]
        },
        signal("UNCORRECTABLE_REMAPPED_ROWS", "Rows remapped for uncorrectable errors.", kind: .counter) {
            $0[.rowsRemapped, "uncorrected"]
        },
        signal("ROW_REMAP_PENDING", "1 while a row waits for a reset to be remapped.") { $0[.rowRemapPending] },
        signal("ROW_REMAP_FAILURE", "1 when a row could not be remapped.") { $0[.rowRemapFailed] },
    ]

    private static func signal(
        _ field: String, _ help: String, kind: Metric.Kind = .gauge,
        _ value: @escaping @Sendable (SignalReadings) -> Double?
    ) -> Metric {
        figure(field, help, kind: kind) { $0.report.sample.flatMap { value($0.signals) } }
    }

    private static func memory(
        _ field: String, _ help: String, _ bytes: @escaping @Sendable (MetricsSnapshot.Subject) -> Double?
    ) -> Metric {
        figure(field, help) { bytes($0).map { $0 / 1_048_576 } }
    }

    private static func figure(
        _ field: String, _ help: String, kind: Metric.Kind = .gauge,
        _ value: @escaping @Sendable (MetricsSnapshot.Subject) -> Double?
    ) -> Metric {
        Metric(name: "DCGM_FI_DEV_\(field)", kind: kind, help: help, subject: .dcgm, labels: []) { snapshot in
            snapshot.devices.compactMap { device in
                guard let labels = device.dcgmLabels, let value = value(device) else { return nil }
                return .init(subject: labels, value: value)
            }
        }
    }
}
