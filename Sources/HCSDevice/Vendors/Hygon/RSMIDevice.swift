import CVendorABI
import HCSModel

/// A device as it is asked for samples: where it is, and which of its sensors, counters and lanes answered when it was
/// listed.
struct RSMIDevice {
    let id: DeviceID
    let index: UInt32
    /// Of which it is a part; nil for a card.
    let card: DeviceID?
    /// The number of the virtual DCU it is; nil for a card.
    let virtual: Int32?
    private(set) var isLost = false

    private let sensors: [Sensor]
    private let limits: SignalReadings
    /// Positions in the list of blocks.
    private let blocks: [UInt32]
    private let reportsUse: Bool
    private let lanes: UInt32
    private let hasXGMI: Bool
    /// The worst that the link's error status has said: 0, 1 or 2 for several. Some drivers clear it when it is read.
    private var linkErrors = 0

    private struct Sensor {
        var number: UInt32
        var key: SignalKey
    }

    init(_ library: RSMILibrary, _ device: DeviceInventory, virtual: Int32?, lanes: UInt32) {
        let index = device.index
        id = device.id
        self.index = index
        card = device.details.partition?.card
        self.virtual = virtual
        self.lanes = lanes
        hasXGMI = !device.details.links.isEmpty
        sensors = Self.sensors(library.build).filter { library.temperature(index, sensor: $0.number) != nil }
        blocks = Self.blocks(library, index)
        reportsUse = Self.memoryUsed(library, index) != nil
        limits = Self.limits(library, index)
    }

    var lost: RSMIDevice {
        var device = self
        device.isLost = true
        return device
    }
}

extension RSMIDevice {
    private static func sensors(_ build: RSMILibrary.Build) -> [Sensor] {
        let firstHBM = build == .hygon ? HCS_RSMI_HY_TEMP_TYPE_HBM_0 : RSMI_TEMP_TYPE_HBM_0
        var sensors = [
            Sensor(number: UInt32(RSMI_TEMP_TYPE_JUNCTION), key: SignalKey(.temperature, "junction")),
            Sensor(number: UInt32(RSMI_TEMP_TYPE_EDGE), key: SignalKey(.temperature, "edge")),
            Sensor(number: UInt32(RSMI_TEMP_TYPE_MEMORY), key: SignalKey(.memoryTemperature)),
        ]
        for stack in 0..<HCS_RSMI_HBM_COUNT {
            sensors.append(
                Sensor(number: UInt32(firstHBM + stack), key: SignalKey(.memoryTemperature, "hbm\(stack)")))
        }
        if build == .hygon {
            sensors.append(
                Sensor(number: UInt32(HCS_RSMI_HY_TEMP_TYPE_CORE), key: SignalKey(.temperature, "core")))
        }
        return sensors
    }

    private static func limits(_ library: RSMILibrary, _ index: UInt32) -> SignalReadings {
        func limit(_ metric: Int32) -> Double? {
            let sensors = [RSMI_TEMP_TYPE_JUNCTION, RSMI_TEMP_TYPE_EDGE]
            // A sensor without a limit answers 0.
            return sensors.lazy.compactMap { library.temperature(index, sensor: UInt32($0), metric) }.first { $0 > 0 }
        }
        var limits = SignalReadings()
        limits[.temperatureSlowdown] = limit(RSMI_TEMP_CRITICAL)
        limits[.temperatureShutdown] = limit(RSMI_TEMP_EMERGENCY)
        return limits
    }

    /// Blocks that count errors: of those the driver says are protected, the ones that answer.
    private static func blocks(_ library: RSMILibrary, _ index: UInt32) -> [UInt32] {
        let enabled = library.number { library.table.dev_ecc_enabled_get?(index, &$0) }
        var blocks: [UInt32] = []
        var position: UInt32 = 0
        while hcs_rsmi_block_name(position) != nil {
            if library.build == .hygon || position < UInt32(HCS_RSMI_BLOCKS_AMD),
                enabled.map({ $0 & hcs_rsmi_block_bit(position) != 0 }) ?? true,
                errors(library, index, position) != nil
            {
                blocks.append(position)
            }
            position += 1
        }
        return blocks
    }

    private static func errors(_ library: RSMILibrary, _ index: UInt32, _ block: UInt32) -> rsmi_error_count_t? {
        var count = rsmi_error_count_t()
        let result = library.table.dev_ecc_count_get?(index, hcs_rsmi_block_bit(block), &count)
        return library.succeeded(result) ? count : nil
    }

    private static func memoryUsed(_ library: RSMILibrary, _ index: UInt32) -> UInt64? {
        library.number { library.table.dev_memory_usage_get?(index, UInt32(RSMI_MEM_TYPE_VRAM), &$0) }
    }
}

extension RSMIDevice {
    mutating func measure(_ library: RSMILibrary, _ virtuals: HydmiLibrary?, _ processes: RSMIProcesses) -> RawSample {
        guard !isLost else { return .lost(id) }
        var sample = RawSample(id: id)
        sample.memoryUsed = Self.memoryUsed(library, index)
        // The kernel driver takes a card's files away with the card; what it answered to at first, it answers no more.
        if sample.memoryUsed == nil, isGone(library) { return .lost(id) }
        sample.signals = limits
        readThermals(library, into: &sample.signals)
        readPower(library, into: &sample.signals)
        readActivity(library, into: &sample.signals)
        readErrors(library, into: &sample.signals)
        readPages(library, into: &sample.signals)
        readBus(library, into: &sample.signals)
        readLinks(library, into: &sample.signals)
        sample.processes = processes.onDevice[index] ?? []
        guard let virtual else { return sample }
        // Sensors and counters are the card's; memory and load are its own. Who holds what is not told by part.
        guard let usage = virtuals?.usage(of: virtual) else { return .lost(id) }
        sample.memoryUsed = usage.memory
        sample.signals[.utilization] = usage.busy
        sample.processes = []
        return sample
    }

    /// Whether the last call that must work fails for good.
    private func isGone(_ library: RSMILibrary) -> Bool {
        var total: UInt64 = 0
        switch library.table.dev_memory_total_get?(index, UInt32(RSMI_MEM_TYPE_VRAM), &total) {
        case RSMI_STATUS_SUCCESS, RSMI_STATUS_BUSY, RSMI_STATUS_INTERRUPT, RSMI_STATUS_OUT_OF_RESOURCES,
            RSMI_STATUS_PERMISSION, RSMI_STATUS_INIT_ERROR:
            return false
        default: return true
        }
    }

    private func readThermals(_ library: RSMILibrary, into signals: inout SignalReadings) {
        for sensor in sensors { signals[sensor.key] = library.temperature(index, sensor: sensor.number) }
        signals[.temperature] =
            signals[.temperature, "junction"] ?? signals[.temperature, "core"] ?? signals[.temperature, "edge"]
        if signals[.memoryTemperature] == nil {
            signals[.memoryTemperature] = signals.all(.memoryTemperature).map(\.value).max()
        }
    }

    private func readPower(_ library: RSMILibrary, into signals: inout SignalReadings) {
        let table = library.table
        // Cards since MI300 tell what they take now, those before an average.
        let power =
            library.number { library.later.dev_current_socket_power_get?(index, &$0) }
            ?? library.number { table.dev_power_ave_get?(index, 0, &$0) }
        signals[.power] = power.map { Double($0) / 1e6 }
        signals[.powerLimit] = library.number { table.dev_power_cap_get?(index, 0, &$0) }.map { Double($0) / 1e6 }
        var count: UInt64 = 0
        var timestamp: UInt64 = 0
        var microjoules: Float = 0
        if library.succeeded(table.dev_energy_count_get?(index, &count, &microjoules, &timestamp)), microjoules > 0 {
            signals[.energy] = Double(count) * Double(microjoules) / 1e6
        }
    }

    private func readActivity(_ library: RSMILibrary, into signals: inout SignalReadings) {
        let table = library.table
        signals[.utilization] = library.word { table.dev_busy_percent_get?(index, &$0) }.map { Double($0) }
        signals[.memoryUtilization] =
            library.word { table.dev_memory_busy_percent_get?(index, &$0) }.map { Double($0) }
        for (clock, domain) in [(RSMI_CLK_TYPE_SYS, "compute"), (RSMI_CLK_TYPE_MEM, "memory")] {
            let now = library.list({ table.dev_gpu_clk_freq_get?(index, UInt32(clock), &$0) }) { list in
                (list.frequency[Int(list.current)], (0..<Int(list.count)).map { list.frequency[$0] }.max() ?? 0)
            }
            signals[.clock, domain] = now.map { Double($0.0) / 1e6 }
            signals[.clockMaximum, domain] = now.map { Double($0.1) / 1e6 }
        }
    }

    /// Counters of the driver's life. The total is left out where one block does not answer: it would fall.
    private func readErrors(_ library: RSMILibrary, into signals: inout SignalReadings) {
        let enabled = library.number { library.table.dev_ecc_enabled_get?(index, &$0) }
        signals[.eccMode] = enabled.map { $0 & UInt64(RSMI_GPU_BLOCK_UMC) != 0 ? 1 : 0 }
        var corrected = 0.0
        var uncorrected = 0.0
        var answers = 0
        for block in blocks {
            guard let count = Self.errors(library, index, block), let name = hcs_rsmi_block_name(block) else {
                continue
            }
            let place = String(cString: name)
            signals[.eccCorrectedVolatile, place] = Double(count.correctable_err)
            signals[.eccUncorrectedVolatile, place] = Double(count.uncorrectable_err)
            corrected += Double(count.correctable_err)
            uncorrected += Double(count.uncorrectable_err)
            answers += 1
        }
        guard answers > 0, answers == blocks.count else { return }
        signals[.eccCorrectedVolatile] = corrected
        signals[.eccUncorrectedVolatile] = uncorrected
    }

    private static let pageLimit: UInt32 = 4096

    private func readPages(_ library: RSMILibrary, into signals: inout SignalReadings) {
        let table = library.table
        guard let count = library.word({ table.dev_memory_reserved_pages_get?(index, &$0, nil) }) else { return }
        guard count > 0, count <= Self.pageLimit else {
            // More than can be is for the plausibility filter to drop.
            signals[.retiredPages] = Double(count)
            if count == 0 { signals[.retiredPagesPending] = 0 }
            return
        }
        var records = [rsmi_retired_page_record_t](
            repeating: rsmi_retired_page_record_t(), count: Int(count))
        var listed = count
        let result = table.dev_memory_reserved_pages_get?(index, &listed, &records)
        guard library.succeeded(result) || result == RSMI_STATUS_INSUFFICIENT_SIZE else { return }
        let pages = records.prefix(Int(min(listed, count)))
        let pending = pages.count(where: { $0.status == UInt32(RSMI_MEM_PAGE_STATUS_PENDING) })
        let unreservable = pages.count(where: { $0.status == UInt32(RSMI_MEM_PAGE_STATUS_UNRESERVABLE) })
        signals[.retiredPages] = Double(pages.count - pending - unreservable)
        signals[.retiredPages, "unreservable"] = Double(unreservable)
        signals[.retiredPagesPending] = pending > 0 ? 1 : 0
    }

    private func readBus(_ library: RSMILibrary, into signals: inout SignalReadings) {
        let table = library.table
        signals[.pcieReplays] = library.number { table.dev_pci_replay_counter_get?(index, &$0) }.map { Double($0) }
        _ = library.list({ table.dev_pci_bandwidth_get?(index, &$0) }) { list in
            let entries = 0..<Int(list.count)
            signals[.pcieGeneration] = Self.generation(list.frequency[Int(list.current)])
            signals[.pcieWidth] = Double(list.lanes[Int(list.current)])
            signals[.pcieGenerationMaximum] = entries.compactMap { Self.generation(list.frequency[$0]) }.max()
            signals[.pcieWidthMaximum] = entries.map { Double(list.lanes[$0]) }.max()
        }
    }

    /// From transfers for each second: 2.5, 5, 8, 16, 32, 64 billion.
    private static func generation(_ rate: UInt64) -> Double? {
        let rates: [UInt64] = [2500, 5000, 8000, 16_000, 32_000, 64_000]
        return rates.firstIndex(of: rate / 1_000_000).map { Double($0 + 1) }
    }

    private mutating func readLinks(_ library: RSMILibrary, into signals: inout SignalReadings) {
        for lane in 0..<lanes {
            let state = library.word { library.own.xhcl_link_state_get?(index, lane, &$0) }
            signals[.linkUp, "\(lane)"] = state.map { $0 == 1 ? 1 : 0 }
        }
        guard hasXGMI, let status = library.word({ library.table.dev_xgmi_error_status?(index, &$0) }),
            status <= UInt32(RSMI_XGMI_STATUS_MULTIPLE_ERRORS)
        else { return }
        linkErrors = max(linkErrors, Int(status))
        signals[.linkErrors] = Double(linkErrors)
    }
}
