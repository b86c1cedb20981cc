package import HCSCatalog
package import HCSModel

extension Catalog {
    /// What the device can do at best: the catalogue's figures; for a card it does not know, an estimate where the library
    /// tells cores and clock; else unknown. A part of a card has its share of them.
    package func fingerprint(of device: DeviceInventory, vendor: Vendor) -> Fingerprint {
        let partition = device.details.partition
        let name = partition == nil ? device.name : CardIndex.cardName(device.name)
        if let row = row(vendor: vendor, name: name, memory: partition == nil ? device.memory : nil) {
            guard let partition else { return row.fingerprint }
            return Self.share(row.fingerprint, partition, bandwidth: Self.bandwidth(of: device, in: row, vendor))
        }
        guard let whole = Self.estimate(device, vendor) else { return .unknown }
        return partition.map { Self.share(whole, $0, bandwidth: nil) } ?? whole
    }

    /// A peak of cores x clock x operations for each cycle; `cores` and the clock are the whole card's.
    private static func estimate(_ device: DeviceInventory, _ vendor: Vendor) -> Fingerprint? {
        guard let cores = device.cores, let clock = device.maximumClockMHz, (1...10_000).contains(clock) else {
            return nil
        }
        func estimate(_ precision: Precision, _ word: String, _ operations: Double) -> Fingerprint {
            Fingerprint(
                tflops: [precision: Double(cores) * Double(clock) * operations / 1e6], confidence: .estimated,
                source: "\(cores) \(word) x \(clock) MHz x \(Int(operations)) as the library reports them")
        }
        switch vendor {
        // One multiplication and one addition for each FP32 lane.
        case .nvidia where (1...1_000_000).contains(cores): return estimate(.fp32, "cores", 2)
        // The cube unit of every AI core so far: 16 x 16 x 16 (vendor ABI reference, section 5).
        case .ascend where (1...512).contains(cores): return estimate(.fp16, "AI cores", 8192)
        // ROCm SMI tells no number of compute units, CNDEV no operations for each cycle.
        default: return nil
        }
    }

    /// Part of the card's memory bandwidth. Memory is cut into eighths, compute into sevenths (NVIDIA Multi-Instance GPU
    /// User Guide, instance profiles); for other vendors it goes with the compute.
    private static func bandwidth(of device: DeviceInventory, in row: CatalogRow, _ vendor: Vendor) -> Double? {
        guard vendor == .nvidia, let whole = row.memory, whole > .zero else { return nil }
        let eighths = (8 * Double(device.memory.bytes) / Double(whole.bytes)).rounded()
        return min(8, max(1, eighths)) / 8
    }

    /// - Parameter bandwidth: the part of the memory bandwidth; nil = as the compute.
    private static func share(_ whole: Fingerprint, _ partition: DevicePartition, bandwidth: Double?) -> Fingerprint {
        guard partition.share > 0 else { return .unknown }
        var words = "\(partition.slices)/\(partition.cardSlices) of the card"
        if let bandwidth, bandwidth != partition.share { words += ", \(Int(bandwidth * 8))/8 of its memory bandwidth" }
        return Fingerprint(
            tflops: whole.tflops.mapValues { $0 * partition.share },
            bandwidthGBps: whole.bandwidthGBps.map { $0 * (bandwidth ?? partition.share) },
            confidence: whole.confidence, source: "\(whole.source); \(words)")
    }
}
