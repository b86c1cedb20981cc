import HCSHealth
import HCSModel
import Testing

@Suite struct FaultCatalogueTests {
    private func row(_ code: String) throws -> FaultCatalogue.Row {
        let code = try #require(FaultCode(code))
        return try #require(FaultCatalogue.builtIn.row(code))
    }

    @Test func `the built-in catalogue knows every vendor's codes, each with a source`() throws {
        let rows = FaultCatalogue.builtIn.rows
        #expect(rows.count { $0.code.vendor == "nvidia" && $0.code.family == "xid" } == 109)
        #expect(rows.count { $0.code.family == "dcmi-code" } == 803, "802 distinct codes and any other")
        #expect(Set(rows.map(\.code.vendor)) == Set(Vendor.allCases.map(\.rawValue) + ["host"]))
        let hard = rows.filter { $0.code.family == "xid" && $0.faultClass == .hard }
        #expect(
            hard.map(\.code.code) == [
                "46", "48", "54", "62", "64", "74", "79", "95", "109", "110", "119", "120", "136", "140", "143", "151",
                "155", "156", "158", "167", "169",
            ])
    }

    @Test(
        arguments: [
            ("nvidia/xid/13", .application, .restartApplication), ("nvidia/xid/48", .hard, .reset),
            ("nvidia/xid/79", .hard, .reboot), ("nvidia/xid/94", .soft, .restartApplication),
            ("nvidia/xid/154", .recoveryAction, nil), ("nvidia/xid/149", .decode, .reset),
            ("ascend/dcmi-code/0x80E01801", .held, .restartApplication),
            ("ascend/dcmi-code/0x80E18402", .hard, .service),
            ("ascend/dcmi-code/0x80E18404", .hard, .reset), ("ascend/dcmi-code/0x80818C06", .soft, nil),
            ("ascend/dcmi-code/0x80CB8008", .soft, .restartApplication), ("hygon/hydcu-xid/2", .hard, .reset),
            ("cambricon/cnrm-xid/8", .hard, .service), ("cambricon/cnrm-xid/999", .soft, nil),
            ("host/pcie-error/fatal", .hard, .reset),
        ] as [(String, FaultClass, FaultAdvice?)])
    func `samples of the catalogue are what the reference tables say`(
        code: String, faultClass: FaultClass, advice: FaultAdvice?
    ) throws {
        let found = try row(code)
        #expect(found.faultClass == faultClass && found.advice == advice && !found.source.isEmpty, "\(found)")
    }

    @Test func `a code's name is the vendor's way to write it`() {
        func name(_ code: UInt32, _ vendor: Vendor, _ family: String) -> String {
            FaultCode(
                Fault(
                    family: family, code: code, vendor: vendor, pci: nil, message: "", sequence: nil,
                    atMilliseconds: 0, simulated: false)
            ).description
        }
        #expect(name(79, .nvidia, "xid") == "nvidia/xid/79")
        #expect(name(0x80E0_1801, .ascend, "dcmi-code") == "ascend/dcmi-code/0x80E01801")
        #expect(name(0x40F8_4E00, .ascend, "dcmi-code") == "ascend/dcmi-code/0x40F84E00")
    }

    private static let header = FaultCatalogue.header

    @Test(arguments: [
        "", "nvidia,xid,79,hard,,reset,x,y", "\(header)", "\(header)\nnvidia,xid,79,hard,,reset,x",
        "\(header)\nnvidia,xid,79,hard,,reset,x,y,z", "\(header)\nnvidla,xid,79,hard,,reset,x,y",
        "\(header)\nnvidia,xid,,hard,,reset,x,y", "\(header)\nnvidia,x d,79,hard,,reset,x,y",
        "\(header)\nnvidia,xid,79,harder,,reset,x,y", "\(header)\nnvidia,xid,79,hard,,pray,x,y",
        "\(header)\nnvidia,xid,79,soft,,reset,x,y", "\(header)\nnvidia,xid,79,hard,group,reset,x,y",
        "\(header)\nnvidia,xid,79,hard,,reset,x,", "\(header)\nnvidia,xid,79,hard,,,x,y\nnvidia,xid,79,hard,,,x,y",
        "\(header)\nnvidia,xid,79,hard,,reset,\(String(repeating: "x", count: 2000)),y",
    ])
    func `a damaged catalogue is refused with its line`(text: String) {
        #expect(throws: HealthError.self) { try FaultCatalogue(csv: text) }
    }

    @Test func `a catalogue has a limit`() {
        let rows = (0...FaultCatalogue.maximumRows).map { "nvidia,xid,\($0),hard,,reset,x,y" }
        #expect(throws: HealthError.self) {
            try FaultCatalogue(csv: ([Self.header] + rows).joined(separator: "\n"))
        }
        #expect(throws: Never.self) {
            try FaultCatalogue(csv: ([Self.header] + rows.dropLast()).joined(separator: "\r\n"))
        }
    }
}
