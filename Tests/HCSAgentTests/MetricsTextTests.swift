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
        #expect(value("hcs_escapes_total") == nil, "nothing escaped")
        #expect(lines.contains { $0.contains(#"model="Quote \" back\\slash\nline""#) })
    }

    @Test func `escapes are summed by device and kind, never by process, and stay at 0 when they are over`() async {
        let state = AgentFixtures.state()
        await state.set(devices: [AgentFixtures.device("GPU-a")])
        let totals = [EscapeCount(device: DeviceID("GPU-a"), kind: .unmanaged, count: 2)]
        func escape(_ pid: Int32) -> Escape {
            Escape(kind: .unmanaged, device: DeviceID("GPU-a"), bytes: .gibibytes(1), pid: pid, sinceMilliseconds: 0)
        }
        for (list, bytes) in [([escape(1), escape(2)], "2147483648"), ([], "0")] {
            await state.set(escapes: list, totals: totals)
            let lines = MetricsText.render(await state.status()).split(separator: "\n")
            let sizes = lines.filter { $0.hasPrefix("hcs_escape_bytes{") }
            #expect(sizes.count == 1)
            #expect(sizes.first?.hasSuffix(#"kind="unmanaged"} \#(bytes)"#) == true, "\(sizes)")
            #expect(sizes.first?.contains(#"uuid="GPU-a""#) == true)
            #expect(lines.first { $0.hasPrefix("hcs_escapes_total{") }?.hasSuffix(" 2") == true)
        }
        #expect(MetricsText.render(await state.status()).contains("# TYPE hcs_escapes_total counter"))
    }
}
