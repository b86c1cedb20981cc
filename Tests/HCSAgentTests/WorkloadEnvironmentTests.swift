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

    @Test func `a simulated device brings its libraries before the workload's own`() throws {
        let simulated = WorkloadEnvironment.Simulated(libraryDirectory: "/sim", stateFile: "/state")
        let result = try make([AgentFixtures.device()], environment: ["LD_LIBRARY_PATH": "/mine"], simulated: simulated)
        #expect(result["LD_LIBRARY_PATH"] == "/sim:/mine")
        #expect(result["HCS_SIM_STATE"] == "/state")
        #expect(try make([AgentFixtures.device()])["LD_LIBRARY_PATH"] == nil)
    }

    @Test(arguments: [
        "LD_PRELOAD", "LD_AUDIT", "HCS_SEGMENT", "HCS_VRAM_QUOTA", "CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES",
    ])
    func `a workload cannot set what HCS sets`(name: String) {
        #expect(throws: AgentError.self) { try make([AgentFixtures.device()], environment: [name: "x"]) }
    }
}
