import Foundation
import HCSAPI
import HCSModel
import Testing

@Suite struct WireTests {
    private var report: NodeReport {
        NodeReport(
            bootID: "b", node: "n1", sequence: 7, agentStartMilliseconds: 1, sentMilliseconds: 2,
            host: HostFacts(
                hostname: "n1", kernel: "6.1.0", architecture: "x86_64", cpuModel: "cpu", cpuCount: 2,
                memory: .gibibytes(8),
                numaNodes: [.init(id: 0, memory: .gibibytes(8), cpuCount: 2)],
                acceleratorFunctions: []),
            devices: [
                DeviceReport(
                    device: Device(
                        id: DeviceID("GPU-1"), vendor: .nvidia, model: "H100", index: 0, memory: .gibibytes(80),
                        pci: PCIAddress("ffff:3b:00.0"), numaNode: 0,
                        fingerprint: Fingerprint(tflops: [.fp16: 989], confidence: .datasheet, source: "s"),
                        simulated: true),
                    sample: DeviceSample(memoryUsed: .gibibytes(1), processes: [.init(pid: 12, memory: .gibibytes(1))]),
                    health: DeviceHealth(score: 100, reasons: []))
            ],
            workloads: [], vendors: [], probes: [ProbeStatus(name: "kernel-log", state: .polling, detail: "no BTF")])
    }

    @Test func `a report survives the wire`() throws {
        #expect(try HCSJSON.decode(NodeReport.self, from: HCSJSON.encode(report)) == report)
    }

    @Test func `the report writer leaves no field out, and writes what has changed since the last report`() throws {
        var writer = ReportWriter()
        var report = report
        var other = report.devices[0]
        other.device.id = DeviceID("GPU-2")
        report.devices.append(other)
        let id = try #require(WorkloadID("00000000-0000-4000-8000-000000000001"))
        report.workloads = [WorkloadObservation(id: id, attempt: 1, phase: .running)]
        report.vendors = [VendorStatus(vendor: .nvidia, simulated: true, state: .running)]
        (report.leases, report.escapes, report.clearances) = ([], [], [])
        report.topology = Topology()
        report.health = DeviceHealth(score: 90, reasons: [])
        func check(_ line: Int = #line) throws {
            let text = try writer.write(report)
            #expect(try HCSJSON.decode(NodeReport.self, from: text) == report, "line \(line)")
            let written = try #require(JSONSerialization.jsonObject(with: text) as? [String: Any]).keys
            let expected = Set(
                try #require(
                    JSONSerialization.jsonObject(with: HCSJSON.encode(report)) as? [String: Any]
                ).keys)
            #expect(Set(written) == expected, "line \(line)")
        }
        try check()
        #expect(Mirror(reflecting: report).children.count == NodeReport.CodingKeys.allCases.count)
        try check()
        report.sequence += 1
        report.host.hostname = "n2"
        try check()
        report.devices[1].sample = DeviceSample(memoryUsed: .gibibytes(2))
        try check()
        report.devices.swapAt(0, 1)
        report.topology = nil
        try check()
        report.devices.removeFirst()
        report.health = nil
        try check()
        report.devices = []
        report.topology = Topology()
        try check()
    }

    @Test func `a field that a newer agent adds is ignored`() throws {
        var object = try #require(JSONSerialization.jsonObject(with: HCSJSON.encode(report)) as? [String: Any])
        object["addedLater"] = ["x": 1]
        let data = try JSONSerialization.data(withJSONObject: object)
        #expect(try HCSJSON.decode(NodeReport.self, from: data) == report)
    }

    @Test func `a report of an older agent, without leases, escapes and topology, is taken`() throws {
        var object = try #require(JSONSerialization.jsonObject(with: HCSJSON.encode(report)) as? [String: Any])
        for key in ["leases", "escapes", "topology"] { object[key] = nil }
        let old = try HCSJSON.decode(NodeReport.self, from: try JSONSerialization.data(withJSONObject: object))
        #expect(old.leases == nil && old.escapes == nil && old.topology == nil)
    }

    @Test func `throughput is an object by precision, for programs that read it`() throws {
        let text = String(decoding: try HCSJSON.encode(report.devices[0].device.fingerprint), as: UTF8.self)
        #expect(text == #"{"confidence":"datasheet","source":"s","tflops":{"fp16":989}}"#)
    }

    @Test(arguments: [
        (#"{"node":5}"#, "apiVersion"), (#"{"#, "JSON"), ("", "JSON"), (#"{"apiVersion":7}"#, "apiVersion"),
    ])
    func `a decoding error is told with its place`(json: String, word: String) {
        do {
            _ = try HCSJSON.decode(NodeReport.self, from: Data(json.utf8))
            Issue.record("decoded")
        } catch {
            #expect(HCSJSON.explain(error).contains(word), "\(HCSJSON.explain(error))")
        }
    }

    @Test func `an unreachable server is an error that names it`() async {
        await #expect {
            try await HTTPAPIClient.with(endpoint: .url("http://127.0.0.1:1"), token: nil) {
                try await SchedulerClient($0).nodes()
            }
        } throws: { ($0 as? ClientError)?.message.contains("http://127.0.0.1:1") == true }
    }

    @Test(arguments: [
        (#"{"target":"n1","reason":"r","by":"a","drian":true}"#, "unknown field 'drian'"),
        (#"{"target":"n1","by":"a"}"#, "reason"), (#"{"target":"n1","reason":5,"by":"a"}"#, "reason"),
        (#"{"target":"n1","reason":"r","by":"a","drain":"yes"}"#, "drain"),
    ])
    func `an order that is misspelt is refused with its place`(json: String, word: String) {
        #expect { try HCSJSON.decode(CordonRequest.self, from: Data(json.utf8)) } throws: {
            HCSJSON.explain($0).contains(word)
        }
    }

    @Test func `every order refuses a field that it does not know`() {
        let json = Data(#"{"target":"n1","device":"d","reason":"r","by":"a","later":true}"#.utf8)
        func refuses<Order: Decodable>(_ type: Order.Type) -> Bool {
            do {
                _ = try HCSJSON.decode(type, from: json)
                return false
            } catch { return HCSJSON.explain(error).contains("unknown field") }
        }
        #expect(refuses(CordonRequest.self) && refuses(UncordonRequest.self))
        #expect(refuses(ClearanceRequest.self) && refuses(ForgetRequest.self))
    }

    @Test func `assignments without clearances are as an older agent knows them, and its reports are taken`() throws {
        let set = NodeAssignments(node: "n1", revision: .zero, workloads: [])
        let text = String(decoding: try HCSJSON.encode(set), as: UTF8.self)
        #expect(text == #"{"node":"n1","revision":0,"workloads":[]}"#)
        var object = try #require(JSONSerialization.jsonObject(with: HCSJSON.encode(report)) as? [String: Any])
        #expect(object["clearances"] == nil)
        object["clearances"] = [["id": "00000000-0000-4000-8000-000000000001", "applied": true, "message": "m"]]
        let new = try HCSJSON.decode(NodeReport.self, from: try JSONSerialization.data(withJSONObject: object))
        #expect(new.clearances?.map(\.applied) == [true])
    }

    @Test(arguments: ["", "../x", "a/b", "a b", "A", "a?b"])
    func `what is neither id nor name never reaches the path`(text: String) async {
        await #expect {
            try await HTTPAPIClient.with(endpoint: .url("http://127.0.0.1:1"), token: nil) {
                try await SchedulerClient($0).workload(text)
            }
        } throws: { ($0 as? APIProblem)?.status == 400 }
    }
}
