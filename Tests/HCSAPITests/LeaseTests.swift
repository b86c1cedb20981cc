import Foundation
import HCSAPI
import HCSModel
import Testing

@Suite struct LeaseWireTests {
    @Test(arguments: [
        #"{"vendor":"nvidia","bytes":1,"pid":7,"startTime":9,"byte":1}"#,
        #"{"vendor":"amd","bytes":1,"pid":7,"startTime":9}"#, #"{"vendor":"nvidia","bytes":-1,"pid":7,"startTime":9}"#,
        #"{"vendor":"nvidia","bytes":1,"pid":7}"#, #"{"vendor":"nvidia","bytes":1,"pid":99999999999,"startTime":9}"#,
        "[]", "",
    ])
    func `a lease request is strict`(json: String) {
        #expect(throws: (any Error).self) { try HCSJSON.decode(LeaseRequest.self, from: Data(json.utf8)) }
    }

    @Test func `a change of a workload names what may be changed and nothing else`() throws {
        #expect(try HCSJSON.decode(WorkloadChange.self, from: Data(#"{"vram":5}"#.utf8)).vram == ByteCount(5))
        #expect(try HCSJSON.decode(WorkloadChange.self, from: Data(#"{"vram":"5Gi"}"#.utf8)).vram == .gibibytes(5))
        for json in [#"{"vram":5,"name":"x"}"#, #"{}"#, #"{"vram":"5GB"}"#, #"{"vram":"-5"}"#, #"{"vram":1.5}"#] {
            #expect(throws: (any Error).self) { try HCSJSON.decode(WorkloadChange.self, from: Data(json.utf8)) }
        }
    }

    @Test func `the command's environment is its user's own but for what the lease needs`() {
        let change = EnvironmentChange(
            set: ["HCS_SEGMENT": "/s", "CUDA_VISIBLE_DEVICES": "GPU-a"],
            prepend: ["LD_PRELOAD": "/i.so", "LD_LIBRARY_PATH": "/sim"], unset: ["HCS_VRAM_QUOTA"])
        let before = [
            "HOME": "/h", "LD_PRELOAD": "/jemalloc.so:/x.so", "HCS_VRAM_QUOTA": "1Gi", "CUDA_VISIBLE_DEVICES": "0,1",
        ]
        let after = change.applied(to: before)
        #expect(
            after == [
                "HOME": "/h", "LD_PRELOAD": "/i.so:/jemalloc.so:/x.so", "LD_LIBRARY_PATH": "/sim", "HCS_SEGMENT": "/s",
                "CUDA_VISIBLE_DEVICES": "GPU-a",
            ])
        #expect(change.applied(to: after) == after, "a lease within a lease names the library once")
    }
}
