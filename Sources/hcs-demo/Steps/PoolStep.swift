import HCSAPI
import HCSModel

/// Step 1: the host and its devices are there, each with what a person wants to know about it.
struct PoolStep {
    func run(_ demo: Demo) async throws {
        demo.screen.heading(1, "The host and its devices")
        demo.screen.say("Facts of the host are this machine's own; its accelerators are simulated vendor libraries,")
        demo.screen.say("loaded by the same door as real ones.")
        let expected: [Vendor: Int] = [.nvidia: 2, .ascend: 2, .hygon: 1, .cambricon: 1]
        let devices = try await demo.await_(
            "six simulated devices with known health in `hcs devices`", within: .seconds(20)
        ) {
            let all = try await demo.devices()
            let usable = all.filter { $0.device.simulated && $0.health.band.acceptsWork }
            return usable.count >= expected.values.reduce(0, +) ? all : nil
        }
        try demo.hcs(["nodes"])
        try demo.hcs(["devices"])

        let simulated = devices.filter(\.device.simulated)
        let counts = Dictionary(grouping: simulated, by: \.device.vendor).mapValues(\.count)
        let text = Vendor.allCases.map { "\(counts[$0] ?? 0) \($0.displayName)" }.joined(separator: ", ")
        demo.screen.line()
        demo.promise("1", "2 NVIDIA, 2 Ascend, 1 Hygon and 1 Cambricon device", text, counts == expected)
        let complete = simulated.filter {
            !$0.device.model.isEmpty && $0.device.memory.bytes > 0 && $0.device.pci != nil && $0.device.numaNode != nil
                && $0.device.fingerprint.tflops[.fp16] != nil && $0.device.fingerprint.tflops[.fp32] != nil
        }
        demo.promise(
            "1", "each with model, UUID, VRAM, FP16 and FP32 TFLOPS, PCI address, NUMA node, health",
            "\(complete.count) of \(simulated.count) complete", complete.count == simulated.count)
        let real = devices.filter { !$0.device.simulated }
        demo.screen.note(
            real.isEmpty
                ? "This machine has no real device."
                : "\(real.count) real device(s) found: listed, and left alone by the demo.")
    }
}
