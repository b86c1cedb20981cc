import Foundation
import HCSCatalog
import HCSDevice
import HCSModel
import HCSSystem
import HCSTestSupport
import Testing

@Suite struct CatalogTests {
    private let catalog = Catalog.builtIn

    private func find(_ vendor: Vendor, _ name: String, gibibytes: UInt64 = 80) -> CatalogRow? {
        catalog.row(vendor: vendor, name: name, memory: .gibibytes(gibibytes))
    }

    @Test func `every row of the built-in catalogue keeps the contract`() {
        #expect(catalog.rows.count == 82)
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
            if let double = figures[.fp64], let single = figures[.fp32] { #expect(single >= double, "\(row.aliases)") }
            if let half = figures[.fp16], let quarter = figures[.fp8] { #expect(quarter >= half, "\(row.aliases)") }
        }
        #expect(Set(catalog.rows.map(\.vendor)) == Set(Vendor.allCases))
    }

    @Test func `known cards have the figures of the reference table`() throws {
        let h100 = try #require(find(.nvidia, "NVIDIA H100 80GB HBM3"))
        #expect(
            h100.fingerprint.tflops == [
                .fp64: 67, .fp32: 67, .tf32: 495, .fp16: 989, .bf16: 989, .fp8: 1979, .int8: 1979,
            ])
        #expect(h100.fingerprint.confidence == .datasheet)
        #expect(h100.fingerprint.bandwidthGBps == 3350 && h100.fingerprint.tdpWatts == 700)
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

    @Test func `AMD's cards are found by what ROCm SMI calls them, each half of an MI250 on its own`() {
        func figures(_ name: String, _ gibibytes: UInt64) -> (fp16: Double?, bandwidth: Double?) {
            let row = find(.hygon, name, gibibytes: gibibytes)
            return (row?.fingerprint.tflops[.fp16], row?.fingerprint.bandwidthGBps)
        }
        #expect(figures("AMD Instinct MI300X", 192) == (1307.4, 5325))
        #expect(figures("Instinct MI325X", 256) == (1307.4, 6000))
        #expect(figures("MI210", 64) == (181, 1638) && figures("AMD Instinct MI250", 64) == (181, 1638))
        #expect(figures("AMD Instinct MI250X", 64) == (191.5, 1638))
        #expect(figures("AMD Instinct MI300X VF", 192) == (nil, nil), "it may be a part of a card")
        #expect(find(.hygon, "AMD", gibibytes: 64) == nil && find(.hygon, "AMD Instinct", gibibytes: 64) == nil)
    }

    @Test func `AMD's accelerators are looked for on the bus, not its graphics`() {
        let found = HostSoftware.pciDevices
        #expect(found.contains(PCIIdentifier(vendor: 0x1002, device: 0x74a1)) && HostSoftware.pciVendors.count == 4)
        #expect(!found.contains(PCIIdentifier(vendor: 0x1002, device: 0x1638)))
    }

    @Test func `memory tells cards of one name apart, less what a driver keeps back`() {
        #expect(find(.nvidia, "A100 SXM", gibibytes: 80)?.fingerprint.bandwidthGBps == 2039)
        #expect(
            catalog.row(vendor: .nvidia, name: "A100 SXM", memory: .mebibytes(40_536))?.fingerprint.bandwidthGBps
                == 1555)
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

    static let good = "nvidia,X|Y,80,9,1,2,3,4,5,6,7,8,datasheet,somewhere"

    @Test(arguments: [
        ("nvidia,X", "14 fields"), ("amd,X,1,,1,,,,,,,,datasheet,s", "no vendor"),
        ("nvidia,,1,,1,,,,,,,,datasheet,s", "alias"), ("nvidia,X|X,1,,1,,,,,,,,datasheet,s", "alias"),
        ("nvidia,X,1,,-1,,,,,,,,datasheet,s", "no positive number"),
        ("nvidia,X,1,,0,,,,,,,,datasheet,s", "no positive number"),
        ("nvidia,X,1,,nan,,,,,,,,datasheet,s", "no positive number"),
        ("nvidia,X,1,,1e3,,,,,,,,datasheet,s", "no positive number"),
        ("nvidia,X,1,,~5,,,,,,,,datasheet,s", "no positive number"),
        ("nvidia,X,1,,1,,,,,,,,estimated,s", "no confidence"),
        ("nvidia,X,1,,1,,,,,,,,unknown,s", "confidence"), ("nvidia,X,1,,,,,,,,,,datasheet,s", "confidence"),
        ("nvidia,X,1,,1,,,,,,,,datasheet,", "source"), ("nvidia,\"X\",1,,1,,,,,,,,datasheet,s", "quotes"),
        ("nvidia,y,80,,1,,,,,,,,datasheet,s", "already"), ("nvidia,y,,,1,,,,,,,,datasheet,s", "already"),
    ])
    func `a bad row is refused with its line number`(row: String, why: String) {
        let error = #expect(throws: ModelError.self) {
            try Catalog(csv: "# comment\n\(CatalogRow.header)\n\(Self.good)\n\(row)\n")
        }
        #expect(error?.code == .badCatalog)
        #expect(
            error?.message.hasPrefix("catalogue line 4: ") == true && error?.message.contains(why) == true,
            "\(error?.message ?? "")")
    }

    @Test func `a file without rows or with another header is refused`() {
        #expect(throws: ModelError.self) { try Catalog(csv: "\(CatalogRow.header)\n") }
        #expect(throws: ModelError.self) { try Catalog(csv: "\(Self.good)\n") }
        #expect(throws: ModelError.self) { try Catalog(csv: "") }
    }

    @Test func `an unknown Ascend card is estimated from its AI cores, as its maker computes it`() {
        let device = DeviceInventory(
            id: DeviceID("A"), name: "910X", index: 0, memory: .gibibytes(64), cores: 20, maximumClockMHz: 1800)
        let estimate = catalog.fingerprint(of: device, vendor: .ascend)
        #expect(estimate.confidence == .estimated && estimate.tflops.keys.map(\.rawValue) == ["fp16"])
        #expect(abs((estimate.tflops[.fp16] ?? 0) - 294.9) < 0.1)
        #expect(catalog.fingerprint(of: device, vendor: .hygon) == .unknown)
        #expect(catalog.fingerprint(of: device, vendor: .cambricon) == .unknown)
    }

    @Test func `a file with the line ends of another system is read`() throws {
        let table = try Catalog(csv: "\(CatalogRow.header)\r\n\(Self.good)\r\n")
        #expect(table.rows.first?.fingerprint.source == "somewhere" && table.rows.first?.fingerprint.tflops[.fp64] == 9)
    }
}

/// Parts of a card: never the whole card's figures.
@Suite struct PartitionFingerprintTests {
    private func part(
        _ name: String, _ vendor: Vendor, _ slices: Int, of whole: Int, gibibytes: Double, cores: UInt32? = nil
    ) -> Fingerprint {
        Catalog.builtIn.fingerprint(
            of: DeviceInventory(
                id: DeviceID("P"), name: name, index: 0, memory: ByteCount(UInt64(gibibytes * 1_073_741_824)),
                cores: cores, maximumClockMHz: cores.map { _ in 1000 },
                details: DeviceDetails(
                    partition: DevicePartition(card: DeviceID("C"), slices: slices, cardSlices: whole))),
            vendor: vendor)
    }

    /// Slices, GiB, parts of the memory bandwidth in eighths, and what the source says.
    private static let instances: [(Int, Double, Double, String)] = [
        (1, 9.5, 1, "1/7 of the card, 1/8 of its memory bandwidth"),
        (1, 19.5, 2, "1/7 of the card, 2/8 of its memory bandwidth"),
        (3, 39.2, 4, "3/7 of the card, 4/8 of its memory bandwidth"),
        (7, 79.1, 8, "7/7 of the card"),
    ]

    @Test(arguments: instances)
    func `a MIG instance has its slices of the compute and its part of the memory`(
        slices: Int, gibibytes: Double, eighths: Double, words: String
    ) throws {
        let found = part("NVIDIA A100-SXM4-80GB MIG 1g.10gb", .nvidia, slices, of: 7, gibibytes: gibibytes)
        let fp16 = try #require(found.tflops[.fp16])
        let bandwidth = try #require(found.bandwidthGBps)
        #expect(abs(fp16 - 312 * Double(slices) / 7) < 1e-9 && abs(bandwidth - 2039 * eighths / 8) < 1e-9)
        #expect(found.confidence == .datasheet && found.source.hasSuffix("; \(words)"), "\(found.source)")
        #expect(found.tdpWatts == nil)
    }

    @Test func `the parts of the other vendors take memory bandwidth with the compute`() {
        let ascend = part("910B3", .ascend, 5, of: 20, gibibytes: 16)
        #expect(ascend.tflops[.fp16] == 313.0 / 4 && ascend.bandwidthGBps == 400)
        #expect(ascend.source.hasSuffix("; 5/20 of the card"))
        #expect(part("K100_AI", .hygon, 1, of: 4, gibibytes: 16).tflops[.fp16] == 48)
        #expect(part("MLU370-X8", .cambricon, 1, of: 2, gibibytes: 24).tflops[.int8] == 128)
    }

    @Test func `a name that several sizes share is not guessed from a part's memory, and no share is no figure`() {
        #expect(part("A100 SXM", .nvidia, 1, of: 7, gibibytes: 9.5) == .unknown)
        #expect(part("NVIDIA A100-SXM4-80GB", .nvidia, 0, of: 7, gibibytes: 9.5) == .unknown)
    }

    @Test func `an estimate is scaled as well`() {
        let found = part("NVIDIA Not Made Yet MIG 1g.10gb", .nvidia, 1, of: 4, gibibytes: 9.5, cores: 8000)
        #expect(found.tflops[.fp32] == 4 && found.confidence == .estimated)
    }
}

/// The operator's files over the built-in catalogue.
@Suite struct CatalogOverrideTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    private func put(_ name: String, _ rows: String...) throws {
        _ = try directory.write(([CatalogRow.header] + rows).joined(separator: "\n"), to: name)
    }

    @Test func `no directory is no news`() {
        let (catalog, files) = Catalog.builtIn.overridden(by: directory.file("none"))
        #expect(files.isEmpty && catalog.row(vendor: .ascend, name: "910B3", memory: .gibibytes(64)) != nil)
    }

    @Test func `rows are added and override, the last file wins, and the source names the file`() throws {
        try put(
            "10-a.csv", "ascend,910B3,64,,,,300,,,,,,thirdParty,ours",
            "nvidia,NVIDIA Not Made Yet,,1,2,,,,,,,,derived,plan")
        try put("20-b.csv", "ascend,910B3,64,,,,301,,,,1700,,thirdParty,measured by us")
        try put("ignored.txt", "nonsense")
        let (catalog, files) = Catalog.builtIn.overridden(by: directory.path)
        #expect(files.map(\.cards) == [2, 1] && files.allSatisfy { $0.problem == nil })
        let card = try #require(catalog.row(vendor: .ascend, name: "Ascend 910B3", memory: .gibibytes(64)))
        #expect(card.fingerprint.tflops == [.fp16: 301] && card.fingerprint.bandwidthGBps == 1700)
        #expect(card.fingerprint.source == "measured by us (20-b.csv)")
        #expect(
            catalog.row(vendor: .nvidia, name: "NVIDIA Not Made Yet", memory: .gibibytes(7))?.fingerprint.tflops[.fp64]
                == 1)
        #expect(catalog.row(vendor: .nvidia, name: "Tesla T4", memory: .gibibytes(16))?.fingerprint.tflops[.fp16] == 65)
    }

    @Test func `a row with a size counts for that size only`() throws {
        try put("a.csv", "nvidia,A100 SXM,40,,,,7,,,,,,derived,ours")
        let catalog = Catalog.builtIn.overridden(by: directory.path).catalog
        #expect(
            catalog.row(vendor: .nvidia, name: "A100 SXM", memory: .gibibytes(40))?.fingerprint.tflops == [.fp16: 7])
        #expect(
            catalog.row(vendor: .nvidia, name: "A100 SXM", memory: .gibibytes(80))?.fingerprint.tflops[.fp16] == 312)
    }

    @Test func `a bad file is reported with file, line and reason and costs only itself`() throws {
        try put("1.csv", "ascend,910B3,64,,,,300,,,,,,thirdParty,ours")
        try put("2.csv", "ascend,910B3,64,,,,400,,,,,,thirdParty,ours", "", "ascend,X,64,,,,-1,,,,,,thirdParty,ours")
        try FileManager.default.createDirectory(atPath: directory.file("3.csv"), withIntermediateDirectories: false)
        try Data([0xff, 0xfe, 10]).write(to: URL(filePath: directory.file("4.csv")))
        _ = try directory.write(String(repeating: "#", count: 2 << 20), to: "5.csv")
        mkfifo(directory.file("6.csv"), 0o600)
        let (catalog, files) = Catalog.builtIn.overridden(by: directory.path)
        #expect(files.map { $0.problem == nil } == [true, false, false, false, false, false])
        let second = try #require(files[1].problem)
        #expect(second.contains("2.csv line 4: '-1' in column 7 is no positive number"), "\(second)")
        #expect(files.dropFirst().allSatisfy { $0.problem?.contains($0.path) == true }, "\(files)")
        #expect(catalog.row(vendor: .ascend, name: "910B3", memory: .gibibytes(64))?.fingerprint.tflops == [.fp16: 300])
    }

    @Test func `files beyond the limit are said to be left out`() throws {
        for number in 0..<(Catalog.maximumFiles + 3) {
            try put("\(number + 1000).csv", "nvidia,Card \(number),,1,,,,,,,,,derived,ours")
        }
        let files = Catalog.builtIn.overridden(by: directory.path).files
        #expect(files.count == Catalog.maximumFiles + 1 && files.last?.problem?.contains("more than 64 files") == true)
    }
}
