import HCSDevice
import HCSModel
import Testing

@Suite struct CatalogTests {
    private let catalog = Catalog.builtIn

    private func find(_ vendor: Vendor, _ name: String, gibibytes: UInt64 = 80) -> CatalogRow? {
        catalog.row(vendor: vendor, name: name, memory: .gibibytes(gibibytes))
    }

    @Test func `every row of the built-in catalogue keeps the contract`() {
        #expect(catalog.rows.count == 77)
        for row in catalog.rows {
            #expect(!row.aliases.isEmpty && !row.fingerprint.source.isEmpty, "\(row.aliases)")
            #expect(row.fingerprint.tflops.values.allSatisfy { $0 > 0 && $0 < 100_000 }, "\(row.aliases)")
            #expect(row.fingerprint.tflops.isEmpty == (row.fingerprint.confidence == .unknown), "\(row.aliases)")
            for alias in row.aliases {
                let memory = row.memory ?? .gibibytes(1)
                #expect(catalog.row(vendor: row.vendor, name: alias, memory: memory) == row, "\(alias)")
                #expect(catalog.row(vendor: row.vendor, name: alias.uppercased(), memory: memory) == row, "\(alias)")
            }
            // Half precision is never slower than single, FP8 and INT8 never than half: a shifted column shows here.
            let figures = row.fingerprint.tflops
            if let single = figures[.fp32], let half = figures[.fp16] { #expect(half >= single, "\(row.aliases)") }
            if let half = figures[.fp16], let quarter = figures[.fp8] { #expect(quarter >= half, "\(row.aliases)") }
        }
        #expect(Set(catalog.rows.map(\.vendor)) == Set(Vendor.allCases))
    }

    @Test func `known cards have the figures of the reference table`() throws {
        let h100 = try #require(find(.nvidia, "NVIDIA H100 80GB HBM3"))
        #expect(h100.fingerprint.tflops == [.fp32: 67, .tf32: 495, .fp16: 989, .bf16: 989, .fp8: 1979, .int8: 1979])
        #expect(h100.fingerprint.confidence == .datasheet)
        #expect(h100.bandwidthGBps == 3350 && h100.tdpWatts == 700)
        let b3 = try #require(find(.ascend, "910B3", gibibytes: 64))
        #expect(b3.fingerprint.tflops[.fp16] == 313 && b3.fingerprint.confidence == .derived)
        #expect(find(.hygon, "K100_AI", gibibytes: 64)?.fingerprint.tflops[.fp16] == 192)
        #expect(find(.cambricon, "MLU370-X8", gibibytes: 48)?.fingerprint.tflops[.int8] == 256)
    }

    @Test func `a name is found without the maker's name, punctuation and case`() {
        #expect(find(.nvidia, "h100 80gb hbm3") == find(.nvidia, "NVIDIA H100 80GB HBM3"))
        #expect(find(.ascend, "Ascend 910B3", gibibytes: 64) == find(.ascend, "910B3", gibibytes: 64))
        #expect(find(.hygon, "Hygon K100-AI", gibibytes: 64) == find(.hygon, "K100_AI", gibibytes: 64))
        #expect(find(.cambricon, "mlu370x8", gibibytes: 48) != nil)
        #expect(find(.ascend, "NVIDIA H100 80GB HBM3") == nil)
        #expect(find(.nvidia, "NVIDIA") == nil && find(.nvidia, "") == nil)
    }

    @Test func `memory tells cards of one name apart, less what a driver keeps back`() {
        #expect(find(.nvidia, "A100 SXM", gibibytes: 80)?.bandwidthGBps == 2039)
        #expect(catalog.row(vendor: .nvidia, name: "A100 SXM", memory: .mebibytes(40_536))?.bandwidthGBps == 1555)
        #expect(find(.nvidia, "A100 SXM", gibibytes: 60) == nil)
    }

    @Test func `an unknown NVIDIA card is estimated from cores and clock, and says so; others stay unknown`() {
        var device = DeviceInventory(
            id: DeviceID("GPU-1"), name: "NVIDIA Not Made Yet", index: 0, memory: .gibibytes(48), cores: 16896,
            maximumClockMHz: 1980)
        let estimate = catalog.fingerprint(of: device, vendor: .nvidia)
        #expect(estimate.confidence == .estimated)
        #expect(estimate.tflops.keys.map(\.rawValue) == ["fp32"])
        #expect(abs((estimate.tflops[.fp32] ?? 0) - 66.9) < 0.1)
        #expect(catalog.fingerprint(of: device, vendor: .ascend) == .unknown)
        device.maximumClockMHz = nil
        #expect(catalog.fingerprint(of: device, vendor: .nvidia) == .unknown)
    }

    static let good = "nvidia,X|Y,80,1,2,3,4,5,6,7,8,datasheet,somewhere"

    @Test(arguments: [
        ("nvidia,X", "13 fields"), ("amd,X,1,1,,,,,,,,datasheet,s", "no vendor"),
        ("nvidia,,1,1,,,,,,,,datasheet,s", "alias"), ("nvidia,X|X,1,1,,,,,,,,datasheet,s", "alias"),
        ("nvidia,X,1,-1,,,,,,,,datasheet,s", "no positive number"),
        ("nvidia,X,1,0,,,,,,,,datasheet,s", "no positive number"),
        ("nvidia,X,1,nan,,,,,,,,datasheet,s", "no positive number"),
        ("nvidia,X,1,1e3,,,,,,,,datasheet,s", "no positive number"),
        ("nvidia,X,1,~5,,,,,,,,datasheet,s", "no positive number"),
        ("nvidia,X,1,1,,,,,,,,estimated,s", "no confidence"),
        ("nvidia,X,1,1,,,,,,,,unknown,s", "confidence"), ("nvidia,X,1,,,,,,,,,datasheet,s", "confidence"),
        ("nvidia,X,1,1,,,,,,,,datasheet,", "source"), ("nvidia,\"X\",1,1,,,,,,,,datasheet,s", "quotes"),
        ("nvidia,y,80,1,,,,,,,,datasheet,s", "already"), ("nvidia,y,,1,,,,,,,,datasheet,s", "already"),
    ])
    func `a bad row is refused with its line number`(row: String, why: String) {
        let error = #expect(throws: DeviceError.self) {
            try Catalog(csv: "# comment\n\(CatalogRow.header)\n\(Self.good)\n\(row)\n")
        }
        #expect(error?.code == .badCatalog)
        #expect(
            error?.message.hasPrefix("catalogue line 4: ") == true && error?.message.contains(why) == true,
            "\(error?.message ?? "")")
    }

    @Test func `a file without rows or with another header is refused`() {
        #expect(throws: DeviceError.self) { try Catalog(csv: "\(CatalogRow.header)\n") }
        #expect(throws: DeviceError.self) { try Catalog(csv: "\(Self.good)\n") }
        #expect(throws: DeviceError.self) { try Catalog(csv: "") }
    }
}
