import HCSAPI
import HCSAgent
import HCSModel
import Testing

@Suite struct WorkloadEnvironmentTests {
    private func make(
        _ devices: [Device], environment: [String: String] = [:], simulated: WorkloadEnvironment.Simulated? = nil
    ) throws -> [String: String] {
        try WorkloadEnvironment.make(
            spec: WorkloadSpec(
                name: "w", command: ["x"], environment: environment, runtime: .cuda, vram: .gibibytes(1)),
            devices: devices, segment: "/seg", interceptor: "/i.so", home: "/home/w", userName: "w",
            simulated: simulated)
    }

    @Test(arguments: [
        (Vendor.nvidia, "CUDA_VISIBLE_DEVICES", "u3,u1"), (.ascend, "ASCEND_RT_VISIBLE_DEVICES", "3,1"),
        (.hygon, "HIP_VISIBLE_DEVICES", "3,1"), (.cambricon, "MLU_VISIBLE_DEVICES", "3,1"),
    ])
    func `only the granted devices are visible, in their order, and no other maker's`(
        vendor: Vendor, variable: String, value: String
    ) throws {
        let devices = [3, 1].map { AgentFixtures.device("u\($0)", vendor: vendor, index: UInt32($0)) }
        let result = try make(devices)
        let visible = result.filter { $0.key.hasSuffix("_VISIBLE_DEVICES") }
        #expect(visible.count == 4)
        #expect(visible[variable] == value)
        #expect(visible.filter { $0.key != variable }.allSatisfy { $0.value.isEmpty })
        #expect(result["ROCR_VISIBLE_DEVICES"] == nil)
    }

    /// Parts of the first card, and a card.
    private static let virtual = [(0, 4), (0, 1), (2, nil)].map { (index: UInt32, number: Int?) in
        var device = AgentFixtures.device("d\(index)-\(number ?? -1)", vendor: .hygon, index: index)
        device.details.partition = number.map {
            DevicePartition(card: DeviceID("d\(index)"), profile: "vdcu\($0)", slices: 1, cardSlices: 4)
        }
        return device
    }

    @Test func `virtual DCUs are told by their own numbers, their card once`() throws {
        let result = try make(Self.virtual)
        #expect(result["HIP_VISIBLE_DEVICES"] == "0,2" && result["VHCU_VISIBLE_DEVICES"] == "4,1")
        #expect(try make([Self.virtual[2]])["VHCU_VISIBLE_DEVICES"] == nil)
        var other = Self.virtual[0]
        other.vendor = .ascend
        #expect(try make([other])["VHCU_VISIBLE_DEVICES"] == nil)
    }

    @Test(arguments: ["vdcu", "vdcu-1", "vdcu4294967296", "vdcu1 2", "vdcu\n1", "4", "CPX"])
    func `a profile that is no virtual DCU's gives no number`(profile: String) throws {
        var device = Self.virtual[0]
        device.details.partition?.profile = profile
        let result = try make([device])
        #expect(result["VHCU_VISIBLE_DEVICES"] == nil && result["HIP_VISIBLE_DEVICES"] == "0")
    }

    @Test func `a leased command sees its virtual DCU, and no number that its caller had`() {
        func change(_ device: Device) -> EnvironmentChange {
            WorkloadEnvironment.change(
                for: device, segment: "/seg", interceptor: "/i.so", name: nil, simulated: nil)
        }
        let part = change(Self.virtual[0])
        #expect(part.set["VHCU_VISIBLE_DEVICES"] == "4" && part.set["HIP_VISIBLE_DEVICES"] == "0")
        #expect(!part.unset.contains("VHCU_VISIBLE_DEVICES") && part.set["CUDA_VISIBLE_DEVICES"] == "")
        for device in [Self.virtual[2], AgentFixtures.device()] {
            let card = change(device)
            #expect(card.set["VHCU_VISIBLE_DEVICES"] == nil && card.unset.contains("VHCU_VISIBLE_DEVICES"))
        }
    }

    @Test func `a simulated device brings its libraries before the workload's own`() throws {
        let simulated = WorkloadEnvironment.Simulated(libraryDirectory: "/sim", stateFile: "/state")
        let result = try make([AgentFixtures.device()], environment: ["LD_LIBRARY_PATH": "/mine"], simulated: simulated)
        #expect(result["LD_LIBRARY_PATH"] == "/sim:/mine")
        #expect(result["HCS_SIM_STATE"] == "/state")
        #expect(try make([AgentFixtures.device()])["LD_LIBRARY_PATH"] == nil)
    }

    @Test(arguments: [
        "LD_PRELOAD", "LD_AUDIT", "HCS_SEGMENT", "HCS_VRAM_QUOTA", "CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES",
        "VHCU_VISIBLE_DEVICES",
    ])
    func `a workload cannot set what HCS sets`(name: String) {
        #expect(throws: AgentError.self) { try make([AgentFixtures.device()], environment: [name: "x"]) }
    }
}
