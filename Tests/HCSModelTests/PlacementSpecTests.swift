import Foundation
import HCSModel
import Testing

@Suite struct PlacementSpecTests {
    private func decode(_ json: String) throws -> PlacementSpec {
        try JSONDecoder().decode(PlacementSpec.self, from: Data(json.utf8))
    }

    private static func terms(_ texts: [String]) throws -> [PlacementTerm] {
        try texts.map { try PlacementTerm(parsing: $0) }
    }

    private func problem(_ spec: PlacementSpec) -> String? {
        do throws(ModelError) { try spec.validate() } catch { return error.message }
        return nil
    }

    private func problem(
        require: [String] = [], prefer: [String] = [], avoid: [String] = []
    ) throws -> String? {
        problem(
            PlacementSpec(
                require: try Self.terms(require), prefer: try Self.terms(prefer), avoid: try Self.terms(avoid)))
    }

    @Test func `nothing said is one share of one device for the default tenant`() throws {
        let spec = try decode("{}")
        #expect(spec == PlacementSpec() && spec.devices == 1 && spec.compute == nil && spec.tenant == "default")
        try spec.validate()
    }

    @Test func `everything said comes back as it was`() throws {
        let spec = PlacementSpec(
            devices: 4, compute: .teraflops(20.5, .bf16), cpuMilli: 4500, memory: .gibibytes(16),
            require: try Self.terms(["vendor=nvidia", "driver>=535.104"]), prefer: try Self.terms(["model=*H100*"]),
            avoid: try Self.terms(["node!=host-a"]), interconnect: .link, strategy: .spread, workloadClass: .decode,
            priority: -7, gang: Gang(name: "g", size: 8, timeoutSeconds: 60), pool: "p", tenant: "t")
        try spec.validate()
        let json = try JSONEncoder().encode(spec)
        #expect(try JSONDecoder().decode(PlacementSpec.self, from: json) == spec)
        #expect(try decode(#"{"compute":{"share":250},"gang":{"name":"g","size":2}}"#).gang?.timeoutSeconds == 600)
        #expect(try decode(#"{"memory":"16Gi"}"#).memory == .gibibytes(16))
    }

    @Test(arguments: [
        #"{"device":2}"#, #"{"compute":{"share":1,"teraflops":2}}"#, #"{"compute":{"share":1,"precision":"fp16"}}"#,
        #"{"compute":{"teraflops":2}}"#, #"{"compute":{"teraflops":2,"precision":"fp12"}}"#, #"{"compute":{}}"#,
        #"{"compute":5}"#, #"{"gang":{"name":"g"}}"#, #"{"gang":{"name":"g","size":2,"sise":3}}"#,
        #"{"interconnect":"ring"}"#, #"{"strategy":"random"}"#, #"{"workloadClass":"chat"}"#,
        #"{"require":["model"]}"#, #"{"require":["colour=red"]}"#, #"{"require":"model=a"}"#,
        #"{"cpuMilli":1e30}"#, #"{"devices":99999999999999999999}"#, #"{"memory":"16GiB"}"#, #"{"memory":-1}"#, "[]",
    ])
    func `what is not understood is refused`(json: String) {
        #expect(throws: (any Error).self) { try decode(json) }
    }

    @Test(arguments: [
        ("devices", PlacementSpec(devices: 0)), ("devices", PlacementSpec(devices: 17)),
        ("devices", PlacementSpec(devices: .min)), ("devices", PlacementSpec(devices: .max)),
        ("share", PlacementSpec(compute: .share(0))), ("share", PlacementSpec(compute: .share(1001))),
        ("contradict", PlacementSpec(compute: .share(999), wholeDevices: true)),
        ("TFLOPS", PlacementSpec(compute: .teraflops(0, .fp16))),
        ("TFLOPS", PlacementSpec(compute: .teraflops(.nan, .fp16))),
        ("TFLOPS", PlacementSpec(compute: .teraflops(.infinity, .fp16))),
        ("TFLOPS", PlacementSpec(compute: .teraflops(-1, .fp16))),
        ("TFLOPS", PlacementSpec(compute: .teraflops(1e9, .fp16))),
        ("cpuMilli", PlacementSpec(cpuMilli: -1)), ("cpuMilli", PlacementSpec(cpuMilli: .max)),
        ("memory", PlacementSpec(memory: ByteCount(.max))), ("priority", PlacementSpec(priority: 1001)),
        ("priority", PlacementSpec(priority: .min)), ("interconnect", PlacementSpec(interconnect: .link)),
        ("interconnect", PlacementSpec(interconnect: .sameNUMA)), ("tenant", PlacementSpec(tenant: "")),
        ("tenant", PlacementSpec(tenant: "A")), ("pool", PlacementSpec(pool: "../x")),
        ("pool", PlacementSpec(pool: String(repeating: "p", count: 64))),
        ("gang", PlacementSpec(gang: Gang(name: "", size: 2))),
        ("gang size", PlacementSpec(gang: Gang(name: "g", size: 0))),
        ("gang size", PlacementSpec(gang: Gang(name: "g", size: .max))),
        ("timeoutSeconds", PlacementSpec(gang: Gang(name: "g", size: 2, timeoutSeconds: 0))),
        ("timeoutSeconds", PlacementSpec(gang: Gang(name: "g", size: 2, timeoutSeconds: .max))),
        (
            "32 terms",
            PlacementSpec(require: Array(repeating: PlacementTerm(.model, .equal, "*a*"), count: 33))
        ),
    ])
    func `hostile sizes are refused by name`(word: String, spec: PlacementSpec) {
        #expect(problem(spec)?.contains(word) == true, "\(problem(spec) ?? "accepted")")
    }

    @Test func `one device may be asked to be whole, or with all others on one node`() {
        #expect(problem(PlacementSpec(compute: .share(1000), wholeDevices: true)) == nil)
        #expect(problem(PlacementSpec(compute: .teraflops(5, .fp8), wholeDevices: true)) == nil)
        #expect(problem(PlacementSpec(interconnect: .sameNode)) == nil)
        #expect(problem(PlacementSpec(devices: 2, interconnect: .link)) == nil)
        let gang = Gang(name: "g", size: 2)
        #expect(problem(PlacementSpec(interconnect: .sameNode, gang: gang)) == nil)
        #expect(
            problem(PlacementSpec(interconnect: .sameNode, strategy: .spread, gang: gang))?.contains("contradicts")
                == true)
    }

    // MARK: Terms

    @Test(arguments: [
        ("model=A100", PlacementTerm(.model, .equal, "A100")),
        ("model!=*A100*", PlacementTerm(.model, .notEqual, "*A100*")),
        ("driver>=535", PlacementTerm(.driver, .atLeast, "535")),
        ("runtime<=12.4", PlacementTerm(.runtime, .atMost, "12.4")),
        ("model==x", PlacementTerm(.model, .equal, "=x")), ("node=a=b", PlacementTerm(.node, .equal, "a=b")),
    ])
    func `a term is read and written alike`(text: String, term: PlacementTerm) throws {
        #expect(try PlacementTerm(parsing: text) == term)
        #expect(term.description == text)
    }

    @Test(arguments: [
        "", "model", "=x", "model=", "MODEL=x", "colour=red", "model>x", "model>=3", "vendor<=a", "driver<5",
        "model=a\nb", "model=\u{1b}[2J", "model=\u{7f}", "model=" + String(repeating: "x", count: 129), "!=", "model!",
    ])
    func `a term that means nothing is refused with what there is`(text: String) {
        let error = #expect(throws: ModelError.self) { try PlacementTerm(parsing: text) }
        #expect(error?.message.contains("\u{1b}") == false || text.contains("\u{1b}"))
    }

    @Test(arguments: [
        ("model=A100", "model=A100"), ("model=a100", "model=A100"), ("model=NVIDIA A100-SXM4-80GB", "model=*a100*"),
        ("model=*A100*80*", "model=*a100*"), ("vendor=nvidia", "vendor=*"), ("model=*A100*", "model=*"),
        ("model!=A100", "model!=A100"), ("model!=*A100*", "model!=A100-SXM"), ("model=H100", "model!=A100"),
        ("vendor=ascend", "vendor!=nvidia"), ("driver>=550", "driver>=535"), ("driver=550.54", "driver>=535"),
        ("runtime<=11", "runtime<=12.4"), ("node=host-a", "node!=host-b"),
    ])
    func `required and to be avoided is refused, whatever the spelling`(required: String, avoided: String) throws {
        let words = try #require(try problem(require: [required], avoid: [avoided]))
        #expect(words.contains("'\(required)' is required") && words.contains(avoided))
    }

    @Test(arguments: [
        ("model=*A100*", "model=*A100*PCIe*"), ("vendor=nvidia", "model=*A100*"), ("model!=A100", "model=A100"),
        ("model=A100", "model!=A100"), ("driver>=535", "driver>=550"), ("node=host-*", "node=host-a"),
        ("vendor=nvidia", "vendor=ascend"), ("model=*A*B*", "model=*B*A*"),
    ])
    func `what only narrows is no contradiction`(required: String, avoided: String) throws {
        #expect(try problem(require: [required], avoid: [avoided]) == nil)
    }

    @Test(arguments: [
        ("model=A100", "model=H100"), ("model=A100", "model!=a100"), ("model=*A100*", "model!=*a*"),
        ("vendor=nvidia", "vendor=ascend"), ("node=a", "node=b"), ("node=a", "node=host-*"), ("node=host-*", "node=a"),
        ("driver>=550", "driver<=535"), ("driver=535", "driver>=550"), ("driver<=535", "driver=550"),
        ("driver=535", "driver=550"),
    ])
    func `two that cannot both hold are not both required`(one: String, other: String) throws {
        for pair in [[one, other], [other, one]] {
            #expect(try problem(require: pair)?.contains("cannot both hold") == true, "\(pair)")
        }
    }

    @Test(arguments: [
        ["model=A100", "model=A100 MIG 1g.10gb"], ["vendor=hygon", "vendor=amd"], ["runtime>=12", "runtime<=11"],
        ["driver>=535", "driver<=550"], ["model=*A100*", "model!=*PCIe*"], ["driver=12.4", "driver=12.4.0"],
        ["node=host-*", "node=*-a"],
    ])
    func `two that can hold may be required`(terms: [String]) throws {
        #expect(try problem(require: terms) == nil)
    }

    @Test func `preferred and to be avoided is refused`() throws {
        #expect(try problem(prefer: ["model=a100"], avoid: ["model=A100"])?.contains("preferred") == true)
        #expect(try problem(prefer: ["model=*A100*80*"], avoid: ["model=*A100*"]) == nil)
    }

    @Test func `a star stands for any text, and matching ends on hostile patterns`() {
        #expect(NamePattern.matches("*a100*", "NVIDIA A100-SXM4"))
        #expect(NamePattern.matches("a*", "A") && NamePattern.matches("*", "") && NamePattern.matches("**", "x"))
        #expect(!NamePattern.matches("a", "ab") && !NamePattern.matches("", "a") && !NamePattern.matches("*b", "ba"))
        #expect(NamePattern.covers("*", "*") && NamePattern.covers("a*", "a*b") && !NamePattern.covers("a*b", "a*"))
        #expect(!NamePattern.covers("?", "*") && !NamePattern.covers("x", "*"))
        let stars = String(repeating: "*a", count: 64)
        #expect(!NamePattern.matches(stars + "b", String(repeating: "a", count: 128)))
    }

    @Test func `versions compare by their numbers`() {
        #expect(DottedVersion.compare("535.104", "550") < 0 && DottedVersion.compare("12.10", "12.9") > 0)
        #expect(DottedVersion.compare("12.4", "12.4.0") == 0 && DottedVersion.compare("v8.0.RC2", "8.0.2") == 0)
        #expect(DottedVersion.compare("99999999999999999999", "1") > 0 && DottedVersion.compare("", "0") == 0)
    }
}
