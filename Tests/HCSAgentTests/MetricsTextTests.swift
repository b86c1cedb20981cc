import HCSAPI
import HCSAgent
import HCSModel
import Testing

@Suite struct MetricsTextTests {
    private func scrape(_ state: NodeState, _ compatibility: MetricsCompatibility = .dcgm) async -> MetricsScrape {
        MetricsScrape(
            MetricsText.render(MetricsSnapshot(status: await state.status()), compatibility: compatibility))
    }

    @Test func `devices come out in base units, unknown scores as NaN, and what was not measured not at all`() async {
        let state = AgentFixtures.state()
        await state.set(devices: [AgentFixtures.device("GPU-a")])
        var sample = DeviceSample(memoryUsed: .gibibytes(1), temperatureCelsius: 40.5, utilizationPercent: 50)
        sample.signals[.clock, "compute"] = 1980
        sample.signals[.eccUncorrected] = 3
        sample.signals[.eccUncorrected, "sram"] = 2
        await state.set(samples: [DeviceID("GPU-a"): sample])
        let scrape = await scrape(state)
        #expect(scrape.problems.isEmpty)
        #expect(scrape.value("hcs_gpu_health_score")?.isNaN == true)
        #expect(scrape.value("hcs_gpu_health_state", ["state": "unknown"]) == 1)
        #expect(scrape.series("hcs_gpu_health_state").count == HealthBand.allCases.count)
        #expect(scrape.value("hcs_gpu_memory_used_bytes") == 1_073_741_824)
        #expect(scrape.value("hcs_gpu_temperature_celsius") == 40.5)
        #expect(scrape.value("hcs_gpu_utilization_ratio") == 0.5)
        #expect(scrape.value("hcs_gpu_clock_hertz", ["part": "compute"]) == 1.98e9)
        #expect(
            scrape.value("hcs_gpu_ecc_errors_total", ["type": "uncorrected", "location": "all", "uuid": "GPU-a"]) == 3)
        #expect(scrape.value("hcs_gpu_ecc_errors_total", ["type": "uncorrected", "location": "sram"]) == 2)
        #expect(scrape.series("hcs_gpu_power_watts").isEmpty, "what was not measured is absent")
        #expect(scrape.series("hcs_escapes_total").isEmpty, "nothing escaped")
        #expect(scrape.series("hcs_agent_scheduler_reachable").isEmpty, "no scheduler is asked for")
    }

    @Test(arguments: [
        "Quote \" back\\slash\nline", "\"\u{301}", "\\\u{301}", "}\r\n# TYPE x counter", "", "日本\u{0}\u{7f}",
    ])
    func `no name can break the format`(name: String) async {
        let state = AgentFixtures.state()
        var device = AgentFixtures.device("GPU-\(name)")
        device.model = name
        device.driverVersion = name
        await state.set(devices: [device])
        await state.set(samples: [device.id: DeviceSample(temperatureCelsius: 40)])
        await state.set(
            escapes: [], totals: [EscapeCount(device: DeviceID("gone\(name)"), kind: .unmanaged, count: 1)])
        let scrape = await scrape(state)
        #expect(scrape.problems.isEmpty)
        #expect(scrape.value("hcs_gpu_temperature_celsius", ["model": name, "uuid": "GPU-\(name)"]) == 40)
        #expect(scrape.value("DCGM_FI_DEV_GPU_TEMP", ["modelName": name]) == 40)
        #expect(scrape.value("hcs_escapes_total", ["uuid": "gone\(name)"]) == 1)
    }

    @Test func `a full scrape has each family once, no series twice, and every metric there is`() async {
        let snapshot = await MetricsScrape.fullSnapshot()
        let scrape = MetricsScrape(MetricsText.render(snapshot))
        #expect(scrape.problems.isEmpty)
        #expect(Set(scrape.types.keys) == Set(Metrics.all(.dcgm).map(\.name)))
        for metric in Metrics.all(.dcgm) { #expect(scrape.types[metric.name] == metric.kind.rawValue) }
        for counter in scrape.types where counter.value == "counter" && counter.key.hasPrefix("hcs_") {
            #expect(counter.key.hasSuffix("_total"))
        }
    }

    @Test func `a card with eighteen lanes keeps its series within bounds, and a lane's errors are one`() async {
        let state = AgentFixtures.state()
        await state.set(devices: [AgentFixtures.device("GPU-a")])
        var sample = MetricsScrape.fullSample()
        sample.signals[.linkErrors] = nil
        for lane in 0..<18 {
            sample.signals[.linkUp, "\(lane)"] = 1
            for kind in ["crc", "ecc", "replay", "recovery"] { sample.signals[.linkErrors, "\(lane)/\(kind)"] = 2 }
        }
        await state.set(samples: [DeviceID("GPU-a"): sample])
        let scrape = await scrape(state, .none)
        #expect(scrape.value("hcs_gpu_link_errors_total", ["part": "17"]) == 8)
        #expect(scrape.series("hcs_gpu_link_errors_total").count == 18)
        #expect(scrape.values.keys.count { $0.labels["uuid"] != nil } < 150)
    }

    @Test func `DCGM's names have its units and labels, for NVIDIA's devices alone`() async {
        let state = AgentFixtures.state()
        var card = MetricsScrape.fullDevice(.nvidia, 3)
        card.simulated = true
        let others = Vendor.allCases.filter { $0 != .nvidia }.map { MetricsScrape.fullDevice($0, 0) }
        await state.set(devices: [card] + others)
        var samples: [DeviceID: DeviceSample] = [:]
        for device in [card] + others { samples[device.id] = MetricsScrape.fullSample() }
        samples[card.id]?.signals[.energy] = 2.5
        samples[card.id]?.signals[.utilization] = 40
        samples[card.id]?.signals[.memoryReserved] = 1_073_741_824
        await state.set(samples: samples)
        let scrape = await scrape(state)
        #expect(scrape.problems.isEmpty)
        let dcgm = scrape.values.filter { $0.key.name.hasPrefix("DCGM_") }
        #expect(dcgm.count == Metrics.dcgm.count, "one series of each: nobody else's device is among them")
        #expect(
            scrape.series("DCGM_FI_DEV_SM_CLOCK").first?.labels == [
                "gpu": "3", "UUID": "nvidia-3", "pci_bus_id": "00000000:3E:00.0", "device": "nvidia3",
                "modelName": "Card", "Hostname": "n1", "hostname": "n1", "DCGM_FI_DRIVER_VERSION": "580.65.06",
                "simulated": "true",
            ])
        let expected: [String: Double] = [
            "SM_CLOCK": 1000, "MEM_CLOCK": 1000, "FB_TOTAL": 81920, "FB_USED": 3072, "FB_RESERVED": 1024,
            "FB_FREE": 77824, "TOTAL_ENERGY_CONSUMPTION": 2500, "GPU_UTIL": 40, "RETIRED_SBE": 2,
            "UNCORRECTABLE_REMAPPED_ROWS": 3, "ENC_UTIL": 5,
        ]
        for (field, value) in expected { #expect(scrape.value("DCGM_FI_DEV_\(field)") == value, "\(field)") }
        #expect(await self.scrape(state, .none).types.keys.allSatisfy { !$0.hasPrefix("DCGM_") })
    }

    @Test func `what NVML does not tell has no DCGM name either`() async {
        let state = AgentFixtures.state()
        await state.set(devices: [AgentFixtures.device("GPU-a")])
        await state.set(samples: [DeviceID("GPU-a"): DeviceSample(temperatureCelsius: 40)])
        let names = Set(await scrape(state).values.keys.map(\.name).filter { $0.hasPrefix("DCGM_") })
        #expect(names == ["DCGM_FI_DEV_GPU_TEMP", "DCGM_FI_DEV_FB_TOTAL"])
        #expect(!Metrics.dcgm.contains { $0.name.contains("_PROF_") || $0.name.hasSuffix("XID_ERRORS") })
    }

    @Test func `two MIG instances of one card are two series`() async {
        let state = AgentFixtures.state()
        var instances = ["MIG-a", "MIG-b"].map { AgentFixtures.device($0) }
        for i in instances.indices {
            instances[i].details.partition = DevicePartition(
                card: DeviceID("GPU-a"), profile: "1g.10gb", slices: 1, cardSlices: 7)
        }
        await state.set(devices: instances)
        await state.set(
            samples: Dictionary(uniqueKeysWithValues: instances.map { ($0.id, MetricsScrape.fullSample()) }))
        let scrape = await scrape(state)
        #expect(scrape.problems.isEmpty)
        #expect(scrape.value("DCGM_FI_DEV_FB_USED", ["GPU_I_PROFILE": "1g.10gb", "UUID": "MIG-b"]) == 3072)
    }

    @Test func `escapes are summed by device and kind, never by process, and stay at 0 when they are over`() async {
        let state = AgentFixtures.state()
        await state.set(devices: [AgentFixtures.device("GPU-a")])
        let totals = [EscapeCount(device: DeviceID("GPU-a"), kind: .unmanaged, count: 2)]
        func escape(_ pid: Int32) -> Escape {
            Escape(kind: .unmanaged, device: DeviceID("GPU-a"), bytes: .gibibytes(1), pid: pid, sinceMilliseconds: 0)
        }
        for (list, bytes) in [([escape(1), escape(2)], 2_147_483_648.0), ([], 0)] {
            await state.set(escapes: list, totals: totals)
            let scrape = await scrape(state)
            #expect(scrape.value("hcs_escape_bytes", ["uuid": "GPU-a", "kind": "unmanaged"]) == bytes)
            #expect(scrape.value("hcs_escapes_total") == 2)
            #expect(scrape.types["hcs_escapes_total"] == "counter")
        }
    }

    @Test func `a pass's time falls into its bucket and all above`() async {
        var record = MetricsRecord()
        for seconds in [0.004, 0.3, 99] { record.collected(devices: [], samples: [:], seconds: seconds, at: 0) }
        let status = await AgentFixtures.state().status()
        let scrape = MetricsScrape(MetricsText.render(MetricsSnapshot(status: status, record: record)))
        let name = "hcs_collector_duration_seconds"
        #expect(scrape.problems.isEmpty)
        for (bound, count) in [("0.005", 1.0), ("0.25", 1), ("0.5", 2), ("10", 2), ("+Inf", 3)] {
            #expect(scrape.value("\(name)_bucket", ["le": bound]) == count, "\(bound)")
        }
        #expect(scrape.value("\(name)_count") == 3)
        #expect(scrape.value("\(name)_sum") == 99.304)
    }
}
