import HCSModel
import HCSSimulation
import Testing

@Suite("A scenario file")
struct SimulationScenarioTests {
    private func parse(_ text: String) throws(SimulationError) -> Scenario { try Scenario.parse(Array(text.utf8)) }

    private func device(_ extra: String = "", memory: String = "80Gi") -> String {
        #"{"devices":[{"vendor":"nvidia","model":"H100","memory":"\#(memory)"\#(extra)}]}"#
    }

    @Test func `gives what is left out its stated default`() throws {
        let scenario = try parse(device())
        let device = try #require(scenario.devices.first)
        #expect(scenario.name == "default")
        #expect(device.memory == .gibibytes(80))
        #expect(device.granularity == .mebibytes(2))
        #expect(device.numa == nil)
        #expect(device.temperature == 45)
        #expect(scenario.pci(at: 0).description == "ffff:10:00.0")
    }

    @Test(arguments: [
        (#"{"devices":[],"x":1}"#, "top level: unknown field 'x'"),
        (
            #"{"devices":[{"vendor":"nvidia","model":"a","memory":"1Gi","colour":"red"}]}"#,
            "devices[0]: unknown field 'colour'"
        ),
        (#"{"devices":[{"vendor":"nvidia","model":"a"}]}"#, "devices[0].memory is missing"),
        (#"{"devices":[{"vendor":"acme","model":"a","memory":"1Gi"}]}"#, "devices[0].vendor"),
        (#"{"devices":[{"vendor":"nvidia","model":"","memory":"1Gi"}]}"#, "devices[0].model: must be 1 to 95"),
        (#"{"devices":{}}"#, "devices"),
        (#"[]"#, "top level"),
        (#"{"devices":"#, "top level"),
    ])
    func `names the place of what it does not understand`(text: String, place: String) {
        let error = #expect(throws: SimulationError.self) { try parse(text) }
        #expect(error?.code == .badScenario)
        #expect(error?.message.contains(place) == true, "\(error?.message ?? "")")
    }

    @Test(arguments: ["0", "-1", "1.5Gi", "80GiB", "80gi", "", "99999999999999999999", "17592186044416Ti", "17Ti"])
    func `refuses a size outside the quota grammar or the limits`(size: String) {
        let error = #expect(throws: SimulationError.self) { try parse(device(memory: size)) }
        #expect(error?.message.contains("devices[0].memory") == true, "\(error?.message ?? "")")
    }

    @Test(arguments: [
        #","granularity":"3Mi""#, #","granularity":"2Gi""#, #","numa":1024"#, #","numa":-1"#, #","temperature":151"#,
        #","utilization":101"#, #","power":10001"#, #","uuid":"4a44dc15""#, #","pci":"zz:00.0""#,
    ])
    func `refuses a figure that no device has`(extra: String) {
        #expect(throws: SimulationError.self) { try parse(device(extra)) }
    }

    @Test func `cuts a card into instances that have UUIDs of their own`() throws {
        let instances = #","mig":[{"profile":"1g.10gb","memory":"10Gi","slices":1},{"memory":"40Gi","slices":3}]"#
        let scenario = try parse(device(instances))
        #expect(scenario.devices.first?.mig.map(\.profile) == ["1g.10gb", "3g.40gb"])
        #expect(scenario.devices.first?.mig.map(\.memory) == [.gibibytes(10), .gibibytes(40)])
        #expect(Set((0..<2).map { scenario.uuid(ofInstance: $0, at: 0) } + [scenario.uuid(at: 0)]).count == 3)
    }

    @Test(arguments: [
        #"{"memory":"10Gi","slices":8}"#, #"{"memory":"10Gi","slices":0}"#, #"{"memory":"81Gi","slices":1}"#,
        #"{"memory":"1Ki","slices":1}"#, #"{"memory":"10Gi","slices":4},{"memory":"10Gi","slices":4}"#,
        #"{"memory":"50Gi","slices":3},{"memory":"50Gi","slices":3}"#, #"{"slices":1}"#, #"{"memory":"10Gi"}"#,
        #"{"memory":"10Gi","slices":1,"profile":"2g.10gb"}"#, #"{"memory":"10Gi","slices":1,"uuid":"x"}"#,
    ])
    func `refuses instances that no card can have`(instances: String) {
        let error = #expect(throws: SimulationError.self) { try parse(device(#","mig":[\#(instances)]"#)) }
        #expect(error?.message.contains("devices[0].mig") == true, "\(error?.message ?? "")")
    }

    @Test func `refuses more devices and instances than there is room for, and instances of another vendor's card`() {
        let cut = #","mig":[\#(Array(repeating: #"{"memory":"1Gi","slices":1}"#, count: 7).joined(separator: ","))]"#
        let card = #"{"vendor":"nvidia","model":"H100","memory":"80Gi"\#(cut)}"#
        #expect(throws: Never.self) {
            try parse(#"{"devices":[\#(Array(repeating: card, count: 8).joined(separator: ","))]}"#)
        }
        #expect(throws: SimulationError.self) {
            try parse(#"{"devices":[\#(Array(repeating: card, count: 9).joined(separator: ","))]}"#)
        }
        #expect(throws: SimulationError.self) { try parse(device(cut).replacing("nvidia", with: "ascend")) }
    }

    @Test func `refuses two devices with one identity and more than 64`() {
        let one = #"{"vendor":"nvidia","model":"a","memory":"1Gi","uuid":"00000000-0000-0000-0000-000000000001"}"#
        #expect(throws: SimulationError.self) { try parse(#"{"devices":[\#(one),\#(one)]}"#) }
        let plain = #"{"vendor":"nvidia","model":"a","memory":"1Gi"}"#
        let many = Array(repeating: plain, count: 65).joined(separator: ",")
        #expect(throws: SimulationError.self) { try parse(#"{"devices":[\#(many)]}"#) }
        #expect(throws: Never.self) { try parse(#"{"devices":[\#(many.dropLast(plain.count + 1))]}"#) }
    }

    @Test func `derives the same UUIDs from the same name and others from another`() throws {
        let first = try parse(device())
        var second = first
        #expect(first.uuid(at: 0) == second.uuid(at: 0))
        second.name = "other"
        #expect(first.uuid(at: 0) != second.uuid(at: 0))
    }

    @Test func `prints an identity as the vendor's library does`() throws {
        let uuid = try #require(DeviceUUID("4a44dc15-3642-04a8-0fe8-0e9039455cc1"))
        #expect(uuid.identity(vendor: .nvidia, index: 0).uuid == "GPU-4a44dc15-3642-04a8-0fe8-0e9039455cc1")
        #expect(uuid.identity(vendor: .ascend, index: 3).uuid == "4a44dc15-364204a8-0fe80e90-39455cc1-00000003")
        #expect(uuid.identity(vendor: .hygon, index: 0).uuid == "GPU-4a44dc15364204a8")
        #expect(uuid.identity(vendor: .cambricon, index: 0).uuid == "4a44dc15-3642-04a8-0fe8-0e9039455cc1")
    }
}
