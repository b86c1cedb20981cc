import HCSAPI
import HCSAgent
import HCSModel
import Testing

@Suite struct MetricsTextTests {
    @Test func `devices come out in base units, unknown scores as NaN, and names cannot break the format`() async {
        let state = AgentFixtures.state()
        var device = AgentFixtures.device("GPU-a")
        device.model = "Quote \" back\\slash\nline"
        await state.set(devices: [device])
        await state.set(samples: [
            DeviceID("GPU-a"): DeviceSample(memoryUsed: .gibibytes(1), temperatureCelsius: 40.5, utilizationPercent: 50)
        ])
        let lines = MetricsText.render(await state.status()).split(separator: "\n")
        func value(_ name: String) -> Substring? {
            lines.first { $0.hasPrefix("\(name){") }?.split(separator: " ").last
        }
        #expect(value("hcs_gpu_health_score") == "NaN")
        #expect(value("hcs_gpu_memory_used_bytes") == "1073741824")
        #expect(value("hcs_gpu_temperature_celsius") == "40.5")
        #expect(value("hcs_gpu_utilization_ratio") == "0.5")
        #expect(value("hcs_gpu_power_watts") == nil, "what was not measured is absent")
        #expect(lines.contains { $0.contains(#"model="Quote \" back\\slash\nline""#) })
    }
}
