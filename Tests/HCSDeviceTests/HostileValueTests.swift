import HCSDevice
import HCSModel
import Testing

@Suite struct HostileValueTests {
    @Test func `figures that cannot be true are dropped and counted, each alone`() {
        let memory = ByteCount.gibibytes(10)
        func judge(_ sample: RawSample) -> (DeviceSample, Int) { Plausibility.judge(sample, memory: memory) }
        let id = DeviceID("x")
        #expect(judge(RawSample(id: id, signals: [.temperature: 32765])) == (DeviceSample(), 1))
        #expect(judge(RawSample(id: id, signals: [.temperature: -51])) == (DeviceSample(), 1))
        #expect(judge(RawSample(id: id, signals: [.temperature: .nan])) == (DeviceSample(), 1))
        #expect(judge(RawSample(id: id, signals: [.temperature: -40])) == (DeviceSample(temperatureCelsius: -40), 0))
        #expect(judge(RawSample(id: id, signals: [.power: 5001])) == (DeviceSample(), 1))
        #expect(judge(RawSample(id: id, signals: [.power: -1, .utilization: 101])) == (DeviceSample(), 2))
        #expect(judge(RawSample(id: id, memoryUsed: 11 << 30)) == (DeviceSample(memoryUsed: .gibibytes(11)), 0))
        #expect(judge(RawSample(id: id, memoryUsed: 11 << 30 + 1)).1 == 1, "10 GiB and a tenth is the limit")
        #expect(judge(RawSample(id: id, memoryUsed: 12 << 30)) == (DeviceSample(), 1))
        let mixed = RawSample(
            id: id, memoryUsed: .max, health: .good, signals: [.temperature: 50],
            processes: [.init(pid: 1, memory: .gibibytes(1)), .init(pid: 2, memory: ByteCount(.max))])
        #expect(
            judge(mixed)
                == (
                    DeviceSample(
                        temperatureCelsius: 50, vendorHealth: .good, processes: [.init(pid: 1, memory: .gibibytes(1))]),
                    2
                ))
    }

    @Test func `an inventory leaves out what is no device and says so`() throws {
        let good = DeviceInventory(id: DeviceID("a"), name: "A", index: 0, memory: .gibibytes(8))
        func entry(_ change: (inout [String: JSONValue]) -> Void) -> JSONValue {
            guard case .object(var fields) = good.json else { return .null }
            change(&fields)
            return .object(fields)
        }
        let inventory = try VendorInventory(
            json: .object([
                "devices": .array([
                    good.json, good.json, .null, entry { $0["id"] = "../../x" }, entry { $0["memory"] = .unsigned(5) },
                    entry { $0["memory"] = .unsigned(.max) }, entry { $0["index"] = .unsigned(64) },
                    entry {
                        $0["name"] = "\u{1b}"; $0["id"] = "b"
                    }, entry { $0["index"] = .negative(-1) },
                ])
            ]))
        #expect(inventory.devices.map(\.id.uuid) == ["a", "b"])
        #expect(inventory.devices.last?.name == "?")
        #expect(inventory.skipped.count == 7)
        #expect(throws: DeviceError.self) { try VendorInventory(json: .object(["devices": "all"])) }
    }

    @Test func `inventories and samples survive the wire`() throws {
        let device = DeviceInventory(
            id: DeviceID("GPU-1"), name: "Card", index: 3, memory: .gibibytes(80),
            pci: PCIAddress(domain: 0x1ffff, bus: 0xff, device: 31, function: 7), numaNode: 1, driverVersion: "5.1",
            cores: 10, maximumClockMHz: 20)
        #expect(DeviceInventory(json: try JSONValue(parsing: device.json.utf8)) == device)
        var linked = device
        linked.details = DeviceDetails(
            serial: "S1", firmware: "96.00", architecture: "sm_90", runtimeVersion: "12.4",
            partition: DevicePartition(card: DeviceID("GPU-0"), profile: "1g.10gb", slices: 1, cardSlices: 7),
            links: [
                DeviceLink(
                    kind: .nvlink, lane: 3, up: true, peer: .device, peerAddress: device.pci, version: 4,
                    bandwidthGBps: 25)
            ])
        #expect(DeviceInventory(json: try JSONValue(parsing: linked.json.utf8)) == linked)
        let sample = RawSample(
            id: device.id, memoryUsed: 7, health: .warning, faultCodes: [0x8C1F_2008],
            signals: [.temperature: 41.5, .power: 0, .utilization: 100],
            processes: [.init(pid: 9, memory: ByteCount(5)), .init(pid: 8, memory: ByteCount(4))],
            events: [DeviceEvent(kind: .xid, code: 79), DeviceEvent(kind: .xid, code: 13, count: 7)])
        #expect(RawSample(json: try JSONValue(parsing: sample.json.utf8)) == sample)
    }

    @Test func `a process that is named twice holds the larger of the two, once`() throws {
        let sample = RawSample(
            id: DeviceID("a"),
            processes: [
                .init(pid: 7, memory: ByteCount(5)), .init(pid: 8, memory: ByteCount(.max)),
                .init(pid: 7, memory: ByteCount(9)), .init(pid: 8, memory: .zero),
            ])
        let read = try #require(RawSample(json: sample.json))
        #expect(Set(read.processes) == [.init(pid: 7, memory: ByteCount(9)), .init(pid: 8, memory: ByteCount(.max))])
        #expect(read.processes.count == 2)
    }

    @Test func `the fullest answer there can be fits a reply`() {
        var signals = SignalReadings()
        for lane in 0..<1000 {
            signals[.eccUncorrectedVolatile, "\(String(repeating: "x", count: 28))\(lane)"] = 1.0 / 3
        }
        let processes = (1...5000).map { DeviceSample.ProcessMemory(pid: .max - Int32($0), memory: ByteCount(.max)) }
        let sample = RawSample(
            id: DeviceID(String(repeating: "x", count: 96)), memoryUsed: .max, health: .critical,
            faultCodes: Array(repeating: .max, count: 1000), signals: signals, processes: processes,
            events: (0..<100).map { DeviceEvent(kind: .xid, code: .max - $0, count: .max) })
        let all = JSONValue.array(Array(repeating: sample.json, count: WorkerProtocol.maximumDevices))
        let reply = WorkerProtocol.reply(.max, .success(.object(["samples": all])))
        #expect(throws: Never.self) { try WorkerProtocol.value(of: Array(reply.dropLast()), number: .max) }
        let tooLong = WorkerProtocol.reply(1, .success(.string(String(repeating: "x", count: 4 << 20))))
        #expect(tooLong.count < 200)
        let error = #expect(throws: DeviceError.self) {
            try WorkerProtocol.value(of: Array(tooLong.dropLast()), number: 1)
        }
        #expect(error?.code == .replyTooLong)
    }

    @Test(arguments: ["", "sample", "x sample", "1 reboot", "1  sample", "-1 sample", "1 sample "])
    func `what is no request is not understood`(line: String) {
        #expect(WorkerProtocol.parse(line.utf8) == nil)
    }
}
