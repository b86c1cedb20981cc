import Foundation
import HCSModel
import Testing

@Suite struct WireValueTests {
    @Test(arguments: ["0000:3b:00.0", "ffff:00:1f.7", "00000000:3B:00.0", "3b:00", "0000:3b:00"])
    func `a PCI address is read in every form that libraries and kernels print`(text: String) {
        #expect(PCIAddress(text) != nil)
    }

    @Test(arguments: [
        "", "3b", "0000:3b:20.0", "0000:3b:00.8", "0000:100:00.0", "xx:00", "0000:3b:00.0.0", "1:2:3:4", "0000:+b:00.0",
        "0000:3b:00.+1", "fffffffff:00:00.0",
    ])
    func `anything else is no PCI address`(text: String) {
        #expect(PCIAddress(text) == nil)
    }

    @Test func `a PCI address prints as sysfs does`() {
        #expect(PCIAddress("00000000:3B:00.0")?.description == "0000:3b:00.0")
    }

    @Test(arguments: [
        "", "..", "../../etc/passwd", "0123456789abcdef0123456789abcdef", "ABCDEF00-0000-4000-8000-000000000000",
    ])
    func `a workload id that is no lower-case UUID is refused: it becomes a file name`(text: String) {
        #expect(WorkloadID(text) == nil)
    }

    @Test func `a random workload id has the form it demands`() {
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<100 {
            let id = WorkloadID.random(using: &generator)
            #expect(WorkloadID(id.text) == id)
        }
    }
}

@Suite struct WorkloadSpecTests {
    private func decode(_ json: String) throws -> WorkloadSpec {
        try JSONDecoder().decode(WorkloadSpec.self, from: Data(json.utf8))
    }

    private func spec(_ change: (inout WorkloadSpec) -> Void) -> WorkloadSpec {
        var spec = WorkloadSpec(name: "train", command: ["/bin/true"], runtime: .cuda, vram: .gibibytes(8))
        change(&spec)
        return spec
    }

    @Test func `the smallest request has defaults for the rest`() throws {
        let spec = try decode(#"{"name":"a","command":["x"],"runtime":"cuda","vram":1024}"#)
        #expect(spec.restart == .onDeviceFault)
        #expect(spec.stopSignal == 15)
        #expect(spec.graceSeconds == 10)
        try spec.validate()
    }

    @Test func `an unknown field is an error that names it`() {
        #expect {
            try decode(#"{"name":"a","command":["x"],"runtime":"cuda","vram":1024,"vramm":1}"#)
        } throws: { String(describing: $0).contains("unknown field 'vramm'") }
    }

    @Test(arguments: [
        #"{"name":"a","command":["x"],"runtime":"cuda","vram":18446744073709551616}"#,
        #"{"name":"a","command":["x"],"runtime":"cuda","vram":-1}"#,
        #"{"name":"a","command":["x"],"runtime":"cuda","vram":1.5}"#,
        #"{"name":"a","command":["x"],"runtime":"opencl","vram":1}"#,
        #"{"name":"a","command":"x","runtime":"cuda","vram":1}"#,
        #"{"name":"a"}"#, "[]", "", "{", #""x""#, "null",
    ])
    func `a malformed request is an error`(json: String) {
        #expect(throws: (any Error).self) { try decode(json) }
    }

    @Test func `what cannot run is refused before it is queued`() {
        let bad = [
            spec { $0.name = "" }, spec { $0.name = "Train" }, spec { $0.name = "../x" },
            spec { $0.name = String(repeating: "a", count: 64) }, spec { $0.command = [] }, spec { $0.command = [""] },
            spec { $0.command = ["a\0b"] }, spec { $0.command = Array(repeating: "a", count: 1025) },
            spec { $0.command = ["x", String(repeating: "a", count: 200_000)] }, spec { $0.vram = .zero },
            spec { $0.vram = ByteCount(.max) }, spec { $0.workingDirectory = "relative" }, spec { $0.stopSignal = 0 },
            spec { $0.stopSignal = 65 }, spec { $0.graceSeconds = -1 }, spec { $0.maximumRunSeconds = 0 },
            spec { $0.environment = ["": "x"] }, spec { $0.environment = ["A=B": "x"] },
            spec { $0.environment = ["LD_PRELOAD": "x"] }, spec { $0.environment = ["CUDA_VISIBLE_DEVICES": "0"] },
            spec { $0.environment = ["HCS_SEGMENT": "/dev/null"] },
        ]
        for spec in bad { #expect(throws: ModelError.self) { try spec.validate() } }
    }
}
