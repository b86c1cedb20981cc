import CVendorABI
import HCSModel
import HCSSystem

/// Huawei Ascend through DCMI, `libdcmi.so` (vendor ABI reference 2.1): the classic calls, or those of the 950 where the
/// driver has no others. A device's identity is its die id: DCMI has no UUID. It has no shutdown either; the session ends
/// with the process.
package final class DCMIBackend: VendorBackend {
    private enum Generation { case classic, flat }

    /// What a device is told apart by, best first. A serial is the card's: it serves where a card has one device.
    private enum Source: Hashable {
        case die(Int32)
        case serial
    }

    private struct Known {
        var id: DeviceID
        var source: Source
        var maximumClock: UInt32?
    }

    private var library: DynamicLibrary?
    private var calls = DCMICalls()
    private var generation = Generation.classic
    private var known: [DCMIAddress: Known] = [:]
    package private(set) var symbols = SymbolReport(library: HCS_DCMI_LIBRARY, present: 0, missing: [])

    private static let sources = [Source.die(DCMI_DIE_NDIE), .die(DCMI_DIE_VDIE), .serial]
    package static let directories = [
        "/usr/local/dcmi", "/usr/local/Ascend/driver/lib64/driver", "/usr/local/Ascend/driver/lib64",
        "/usr/local/Ascend/driver/lib64/common",
    ]

    package init() {}

    package func open(_ search: LibrarySearch) throws(DeviceError) {
        close()
        let library = try search.open(
            names: [HCS_DCMI_LIBRARY], paths: Self.directories.map { "\($0)/\(HCS_DCMI_LIBRARY)" }, .lazyGlobal)
        var table = hcs_dcmi_table()
        _ = hcs_dcmi_load(library.handle, &table)
        symbols = SymbolReport(
            library: library.path(of: "dcmi_init") ?? library.path(of: "dcmiv2_init") ?? library.name,
            count: hcs_dcmi_symbol_count(), name: { hcs_dcmi_symbol_name($0) },
            present: { hcs_dcmi_symbol_present(&table, $0) != 0 })
        calls.table = table
        if !hasClassic, !hasFlat {
            try symbols.require(["dcmi_init", "dcmi_get_card_list", "dcmi_get_device_num_in_card"])
        }
        self.library = consume library
        try start()
    }

    package func inventory() throws(DeviceError) -> VendorInventory {
        var inventory = VendorInventory()
        let driver = driverVersion
        let found = try addresses { inventory.skip($0) }
        for at in found where isNPU(at) {
            guard let (device, entry) = describe(at, among: found, position: inventory.devices.count, driver: driver)
            else {
                inventory.skip("\(at): it does not tell its die id or memory")
                continue
            }
            if inventory.add(device) { remember(entry, at: at) }
        }
        return inventory
    }

    /// One place per identity: a device that moved to another address is not lost at the old one.
    private func remember(_ entry: Known, at address: DCMIAddress) {
        known = known.filter { $0.value.id != entry.id }
        known[address] = entry
    }

    /// Asks each device who it is before it is measured: addresses are numbered anew when a card goes.
    package func sample() throws(DeviceError) -> [RawSample] {
        var samples: [RawSample] = []
        for (at, entry) in known.sorted(by: { $0.key.order < $1.key.order }) {
            let id = identity(at, by: entry.source) ?? entry.id
            guard !samples.contains(where: { $0.id == id }) else { continue }
            samples.append(try measure(at, id, entry))
        }
        for entry in known.values where !samples.contains(where: { $0.id == entry.id }) {
            samples.append(.lost(entry.id))
        }
        return samples
    }

    package func close() {
        known = [:]
        calls = DCMICalls()
        library = nil
    }
}

extension DCMIBackend {
    private var hasClassic: Bool {
        calls.table.`init` != nil && calls.table.get_device_num_in_card != nil
            && (calls.table.get_card_list != nil || calls.table.get_card_num_list != nil)
    }

    private var hasFlat: Bool { calls.table.v2_init != nil && calls.table.v2_get_device_list != nil }

    private func start() throws(DeviceError) {
        generation = .classic
        let classic = hasClassic ? calls.table.`init`?() : nil
        if classic == DCMI_OK { return }
        let flat = hasFlat ? calls.table.v2_init?() : nil
        generation = .flat
        if flat == DCMI_OK { return }
        // Of two refusals, the one that says more than "another generation".
        if let classic, classic != DCMI_ERR_CODE_NOT_SUPPORT || flat == nil {
            throw Self.failure(.initFailed, "dcmi_init", classic)
        }
        throw Self.failure(.initFailed, "dcmiv2_init", flat ?? DCMI_ERR_CODE_INNER_ERR)
    }

    private var driverVersion: String? {
        PrintableText.from(capacity: 96) {
            generation == .classic
                ? calls.table.get_driver_version?($0, $1) == DCMI_OK
                : calls.table.v2_get_driver_version?($0, $1) == DCMI_OK
        }
    }

    /// The list of cards, or of devices for the 950.
    private func list() throws(DeviceError) -> [Int32] {
        var count: Int32 = 0
        // Twice what the call is told, for a driver that knows better how many there are.
        var list = [Int32](repeating: -1, count: 2 * Int(HCS_DCMI_MAX_CARDS))
        let capacity = Int32(HCS_DCMI_MAX_CARDS)
        let table = calls.table
        let (name, result): (String, Int32?) =
            switch generation {
            case .classic where table.get_card_list != nil:
                ("dcmi_get_card_list", table.get_card_list?(&count, &list, capacity))
            case .classic: ("dcmi_get_card_num_list", table.get_card_num_list?(&count, &list, capacity))
            case .flat: ("dcmiv2_get_device_list", table.v2_get_device_list?(&list, &count, capacity))
            }
        if generation == .classic, result == DCMI_ERR_CODE_NOT_SUPPORT, hasFlat, table.v2_init?() == DCMI_OK {
            generation = .flat
            return try self.list()
        }
        guard result == DCMI_OK else {
            let result = result ?? DCMI_ERR_CODE_NOT_SUPPORT
            // A driver that is not ready yet is another matter than one that was, and is not any more.
            let stale = !known.isEmpty && Self.isDriverGone(result)
            throw Self.failure(stale ? .libraryStale : .callFailed, name, result)
        }
        return Array(list.prefix(Int(min(max(count, 0), capacity))))
    }

    private func addresses(skip: (String) -> Void) throws(DeviceError) -> [DCMIAddress] {
        let numbers = try list()
        if generation == .flat { return numbers.map { .flat($0) } }
        var found: [DCMIAddress] = []
        for card in numbers {
            var count: Int32 = 0
            let result = calls.table.get_device_num_in_card?(card, &count) ?? DCMI_ERR_CODE_NOT_SUPPORT
            guard result == DCMI_OK else {
                skip("card \(card): \(Self.text(of: result))")
                continue
            }
            found += (0..<min(max(count, 0), Int32(WorkerProtocol.maximumDevices))).map { .card(card, $0) }
        }
        // Controllers and CPUs of cards are in it, too.
        return Array(found.prefix(3 * WorkerProtocol.maximumDevices))
    }

    /// A card's management controller and its CPU are devices too; a driver that cannot tell has NPUs only.
    private func isNPU(_ at: DCMIAddress) -> Bool {
        (calls.type(at) ?? UInt32(DCMI_UNIT_TYPE_NPU)) == DCMI_UNIT_TYPE_NPU
    }

    private func identify(_ at: DCMIAddress) -> (DeviceID, Source)? {
        for source in (known[at].map { [$0.source] } ?? []) + Self.sources {
            if let id = identity(at, by: source) { return (id, source) }
        }
        return nil
    }

    private func describe(_ at: DCMIAddress, among others: [DCMIAddress], position: Int, driver: String?)
        -> (DeviceInventory, Known)?
    {
        guard let memory = memory(at), let (id, source) = identify(at) else { return nil }
        let chip = calls.chip(at)
        let name = chip.flatMap { PrintableText.clean(field: $0.npu_name) ?? PrintableText.clean(field: $0.chip_name) }
        var device = DeviceInventory(
            id: id, name: name ?? "Ascend NPU", index: logicID(at) ?? UInt32(position),
            memory: ByteCount(memory.total), driverVersion: driver)
        device.pci = pci(at)
        device.cores = chip?.aicore_cnt
        device.maximumClockMHz = calls.frequency(at, DCMI_FREQUENCY_AICORE_MAX)
        device.details = details(at, chip)
        device.details.links = links(at, among: others)
        return (device, Known(id: id, source: source, maximumClock: device.maximumClockMHz))
    }

    /// The number that runtimes count by; the 950's own number is that.
    private func logicID(_ at: DCMIAddress) -> UInt32? {
        switch at {
        case .flat(let device): return UInt32(exactly: device)
        case .card(let card, let device):
            var logic: Int32 = -1
            guard calls.table.get_device_logic_id?(&logic, card, device) == DCMI_OK else { return nil }
            return UInt32(exactly: logic)
        }
    }

    private func pci(_ at: DCMIAddress) -> PCIAddress? {
        guard let pcie = calls.pcie(at), let domain = UInt32(exactly: pcie.domain),
            let bus = UInt8(exactly: pcie.bdf_busid), pcie.bdf_deviceid < 32, pcie.bdf_funcid < 8
        else { return nil }
        return PCIAddress(
            domain: domain, bus: bus, device: UInt8(pcie.bdf_deviceid), function: UInt8(pcie.bdf_funcid))
    }

    private func details(_ at: DCMIAddress, _ chip: dcmi_chip_info_v2?) -> DeviceDetails {
        var details = DeviceDetails(serial: serial(at), firmware: calls.version(at))
        details.partNumber = calls.label(at).flatMap { Self.told($0.model) }
        if details.partNumber == nil, let board = calls.board(at) {
            details.partNumber = "board 0x\(String(board.board_id, radix: 16)) PCB \(board.pcb_id) BOM \(board.bom_id)"
        }
        if let chip, let type = PrintableText.clean(field: chip.chip_type),
            let name = PrintableText.clean(field: chip.chip_name)
        {
            details.architecture = name.hasPrefix(type) ? name : type + name
        }
        return details
    }

    private func serial(_ at: DCMIAddress) -> String? { calls.label(at).flatMap { Self.told($0.serial_number) } }

    /// A label's field without a value says so in words.
    private static func told<Field>(_ field: Field) -> String? {
        PrintableText.clean(field: field).flatMap { ["NA", "N/A", "na"].contains($0) ? nil : $0 }
    }

    private func identity(_ at: DCMIAddress, by source: Source) -> DeviceID? {
        switch source {
        case .serial: return serial(at).map { DeviceID($0) }
        case .die(let kind):
            guard let die = calls.die(at, kind) else { return nil }
            let words = [die.soc_die.0, die.soc_die.1, die.soc_die.2, die.soc_die.3, die.soc_die.4]
            // A chip without a burnt-in id answers zeros (or ones), as does every other such chip.
            guard Set(words) != [0], Set(words) != [.max] else { return nil }
            return DeviceID(words.map { Self.hexadecimal($0) }.joined(separator: "-"))
        }
    }

    private static func hexadecimal(_ word: UInt32) -> String {
        let digits = String(word, radix: 16)
        return String(repeating: "0", count: 8 - digits.count) + digits
    }
}

extension DCMIBackend {
    private func measure(_ at: DCMIAddress, _ id: DeviceID, _ entry: Known) throws(DeviceError) -> RawSample {
        var sample = RawSample(id: id)
        let (result, health) = calls.health(at)
        switch result {
        case DCMI_OK?:
            switch health {
            case UInt32(DCMI_HEALTH_OK): sample.health = .good
            // A major alarm still serves; only critical means isolate (DCMI, dcmi_get_device_health).
            case UInt32(DCMI_HEALTH_MINOR), UInt32(DCMI_HEALTH_MAJOR): sample.health = .warning
            case UInt32(DCMI_HEALTH_CRITICAL): sample.health = .critical
            case UInt32(DCMI_HEALTH_ABSENT): return .lost(id)
            default: break
            }
        case DCMI_ERR_CODE_DEVICE_NOT_EXIST?, DCMI_ERR_CODE_INVALID_DEVICE_ID?: return .lost(id)
        // Either this device is being reset, or the driver is gone: then the list is, too.
        case let result? where Self.isDriverGone(result): _ = try list()
        default: break
        }
        sample.faultCodes = calls.errorCodes(at).map { UInt64($0) }
        let memory = memory(at)
        sample.memoryUsed = memory?.used
        sample.signals[.memoryTemperature] = memory?.celsius.flatMap(Self.celsius)
        sample.signals[.temperature] = calls.temperature(at).flatMap(Self.celsius)
        sample.signals[.power] = deciwatts(at).map { Double($0) / 10 }
        sample.signals[.clock, "compute"] = calls.frequency(at, DCMI_FREQUENCY_AICORE).map(Double.init)
        sample.signals[.clock, "vector"] = calls.frequency(at, DCMI_FREQUENCY_VECTOR).map(Double.init)
        sample.signals[.clock, "memory"] = (memory?.clock ?? memoryClock(at)).map(Double.init)
        sample.signals[.clockMaximum, "compute"] = entry.maximumClock.map(Double.init)
        measureUtilization(at, memory, into: &sample.signals)
        measureECC(at, into: &sample.signals)
        measurePCIe(at, into: &sample.signals)
        measureLinks(at, into: &sample.signals)
        sample.processes = calls.processes(at).compactMap { entry in
            guard entry.proc_id > 0 else { return nil }
            return DeviceSample.ProcessMemory(pid: entry.proc_id, memory: ByteCount(UInt64(entry.proc_mem_usage)))
        }
        return sample
    }

    private static func celsius(_ value: Int32) -> Double? {
        value == HCS_DCMI_INVALID_TEMPERATURE || value == HCS_DCMI_FAILED_TEMPERATURE ? nil : Double(value)
    }

    /// The device's own, else the card's where it has no other device.
    private func deciwatts(_ at: DCMIAddress) -> Int32? {
        if let power = calls.power(at) { return power }
        guard case .card(let card, _) = at else { return nil }
        let devices = known.keys.filter { if case .card(card, _) = $0 { true } else { false } }.count
        return devices == 1 ? calls.cardPower(card) : nil
    }

    private struct Memory {
        var total: UInt64
        var used: UInt64
        var clock: UInt32?
        var celsius: Int32?
        var busy: UInt32?
    }

    /// HBM parts first; parts with DDR (310, 310P) answer the other calls. All in MB.
    private func memory(_ at: DCMIAddress) -> Memory? {
        func bytes(_ megabytes: UInt64) -> UInt64 { megabytes > 1 << 40 ? .max : megabytes << 20 }
        if let hbm = calls.hbm(at), hbm.memory_size > 0 {
            return Memory(
                total: bytes(hbm.memory_size), used: bytes(hbm.memory_usage), clock: hbm.freq == 0 ? nil : hbm.freq,
                celsius: hbm.temp, busy: hbm.bandwith_util_rate)
        }
        if let ddr = calls.ddr(at), ddr.memory_size > 0 {
            let used = ddr.memory_size >= ddr.memory_available ? ddr.memory_size - ddr.memory_available : UInt64.max
            return Memory(total: bytes(ddr.memory_size), used: bytes(used), clock: ddr.freq == 0 ? nil : ddr.freq)
        }
        guard let ddr = calls.ddrBefore(at), ddr.memory_size > 0 else { return nil }
        let hundredth = bytes(ddr.memory_size) / 100
        let used = hundredth.multipliedReportingOverflow(by: UInt64(ddr.utiliza))
        return Memory(
            total: bytes(ddr.memory_size), used: used.overflow ? .max : used.partialValue,
            clock: ddr.freq == 0 ? nil : ddr.freq)
    }

    private func memoryClock(_ at: DCMIAddress) -> UInt32? {
        calls.frequency(at, DCMI_FREQUENCY_HBM) ?? calls.frequency(at, DCMI_FREQUENCY_DDR)
    }

    /// The whole NPU's load where the driver has it (new), else the AI cores'.
    private func measureUtilization(_ at: DCMIAddress, _ memory: Memory?, into signals: inout SignalReadings) {
        // All ones where a part has no such engine.
        func percent(_ value: UInt32?) -> Double? { value.flatMap { $0 == .max ? nil : Double($0) } }
        func asked(_ kind: Int32) -> Double? { percent(calls.utilization(at, kind)) }
        let all = calls.utilizations(at)
        let cores = percent(all?.aicore) ?? asked(DCMI_UTILIZATION_AICORE)
        signals[.utilization] = percent(all?.npu) ?? asked(DCMI_UTILIZATION_NPU) ?? cores
        signals[.engineUtilization, "aicore"] = cores
        signals[.engineUtilization, "vector"] = percent(all?.aiv) ?? asked(DCMI_UTILIZATION_VECTOR)
        signals[.engineUtilization, "aicpu"] = asked(DCMI_UTILIZATION_AICPU)
        signals[.engineUtilization, "control"] = asked(DCMI_UTILIZATION_CTRLCPU)
        signals[.memoryUtilization] =
            percent(memory?.busy) ?? asked(DCMI_UTILIZATION_HBM_BANDWIDTH) ?? asked(DCMI_UTILIZATION_DDR_BANDWIDTH)
    }

    private func measureECC(_ at: DCMIAddress, into signals: inout SignalReadings) {
        guard let dram = calls.ecc(at, DCMI_ECC_HBM) ?? calls.ecc(at, DCMI_ECC_DDR) else { return }
        signals[.eccMode] = Double(dram.enable_flag)
        let sram = calls.ecc(at, DCMI_ECC_SRAM)
        func count(_ signal: Signal, _ field: KeyPath<dcmi_ecc_info, UInt32>) {
            signals[signal, "dram"] = Double(dram[keyPath: field])
            signals[signal, "sram"] = sram.map { Double($0[keyPath: field]) }
            signals[signal] = Double(dram[keyPath: field]) + (sram.map { Double($0[keyPath: field]) } ?? 0)
        }
        count(.eccCorrected, \.total_single_bit_error_cnt)
        count(.eccUncorrected, \.total_double_bit_error_cnt)
        count(.eccCorrectedVolatile, \.single_bit_error_cnt)
        count(.eccUncorrectedVolatile, \.double_bit_error_cnt)
        signals[.retiredPages, "corrected"] = Double(dram.single_bit_isolated_pages_cnt)
        signals[.retiredPages, "uncorrected"] = Double(dram.double_bit_isolated_pages_cnt)
        let next = [dram.single_bit_next_isolated_pages_cnt, dram.double_bit_next_isolated_pages_cnt]
        if !next.contains(.max) { signals[.retiredPagesPending] = next == [0, 0] ? 0 : 1 }
    }

    private func measurePCIe(_ at: DCMIAddress, into signals: inout SignalReadings) {
        guard
            let errors = calls.info(
                at, DCMI_MAIN_PCIE, DCMI_PCIE_ERRORS, dcmi_pcie_link_error_info(),
                least: 5 * MemoryLayout<UInt32>.size)
        else { return }
        signals[.pcieReplays] = Double(errors.retry_cnt)
        signals[.pcieErrors, "transmit"] = Double(errors.tx_err_cnt)
        signals[.pcieErrors, "receive"] = Double(errors.rx_err_cnt)
        signals[.pcieErrors, "lcrc"] = Double(errors.lcrc_err_cnt)
        signals[.pcieErrors, "ecrc"] = Double(errors.ecrc_err_cnt)
    }

    /// Loaded before, and every call fails now.
    private static func isDriverGone(_ result: Int32) -> Bool {
        result == DCMI_ERR_CODE_NOT_READY || result == DCMI_ERR_CODE_IOCTL_FAIL || result == DCMI_ERR_CODE_INNER_ERR
    }

    private static func text(of result: Int32) -> String {
        switch result {
        case DCMI_ERR_CODE_OPER_NOT_PERMITTED: "not permitted"
        case DCMI_ERR_CODE_INNER_ERR: "inner error (is the driver loaded?)"
        case DCMI_ERR_CODE_TIME_OUT: "timeout"
        case DCMI_ERR_CODE_DEVICE_NOT_EXIST: "the device does not exist"
        case DCMI_ERR_CODE_IOCTL_FAIL: "the driver does not answer"
        case DCMI_ERR_CODE_NOT_READY: "not ready yet"
        case DCMI_ERR_CODE_NOT_SUPPORT: "not supported"
        default: "DCMI error \(result)"
        }
    }

    private static func failure(_ code: DeviceError.Code, _ call: String, _ result: Int32) -> DeviceError {
        DeviceError(code, "\(call): \(text(of: result))", vendorCode: Int64(result))
    }
}

// MARK: HCCS

extension DCMIBackend {
    private struct Port {
        var number: Int
        /// Lanes in use: 4 in good health, fewer or none after errors.
        var lanes: Int
    }

    /// Gbit/s of one lane in one direction (npu-smi of hicann/driver).
    private static let laneSpeed = 56.0

    private func ports(_ at: DCMIAddress) -> [Port] {
        let empty = dcmi_hccs_lane_info()
        guard
            let info = calls.info(
                at, DCMI_MAIN_HCCS, DCMI_HCCS_LANES, empty,
                least: MemoryLayout<UInt32>.size * (1 + Int(HCS_DCMI_HCCS_PORTS)))
        else { return [] }
        let words = withUnsafeBytes(of: info.pcs_lane_bitmap) { Array($0.bindMemory(to: UInt32.self)) }
        let numbers = (0..<Int(HCS_DCMI_HCCS_PORTS)).filter { info.hccs_port_pcs_bitmap >> UInt32($0) & 1 == 1 }
        return zip(numbers, words).map { number, word in
            let isSwitched = word & 1 == 1
            return Port(number: number, lanes: isSwitched ? [0, 1, 4, 2][Int(word >> 9 & 3)] : 0)
        }
    }

    private func links(_ at: DCMIAddress, among others: [DCMIAddress]) -> [DeviceLink] {
        let ports = ports(at)
        guard !ports.isEmpty else { return [] }
        let peer = peer(of: at, among: others)
        return ports.map { port in
            DeviceLink(
                kind: .hccs, lane: port.number, up: port.lanes > 0, peer: peer,
                bandwidthGBps: port.lanes > 0 ? Double(port.lanes) * Self.laneSpeed / 8 : nil)
        }
    }

    /// DCMI does not tell which port leads where, but all lead to the same kind of place.
    private func peer(of at: DCMIAddress, among others: [DCMIAddress]) -> DeviceLink.Peer {
        for other in others where other != at {
            switch calls.topology(at, other) {
            case DCMI_TOPOLOGY_HCCS?: return .device
            case DCMI_TOPOLOGY_HCCS_SWITCH?: return .fabric
            default: continue
            }
        }
        return .unknown
    }

    private func measureLinks(_ at: DCMIAddress, into signals: inout SignalReadings) {
        let ports = ports(at)
        guard !ports.isEmpty else { return }
        let errors = linkErrors(at)
        for port in ports {
            signals[.linkUp, "\(port.number)"] = port.lanes > 0 ? 1 : 0
            guard let errors else { continue }
            signals[.linkErrors, "\(port.number)/crc"] = Double(errors.crc[port.number])
            signals[.linkErrors, "\(port.number)/replay"] = Double(errors.retry[port.number])
        }
    }

    /// By port number. Older drivers count in 32 bits.
    private func linkErrors(_ at: DCMIAddress) -> (crc: [UInt64], retry: [UInt64])? {
        let counters = 4 * Int(HCS_DCMI_HCCS_PORTS)
        if let wide = calls.info(
            at, DCMI_MAIN_HCCS, DCMI_HCCS_STATISTICS_U64, dcmi_hccs_statistic_info_u64(),
            least: counters * MemoryLayout<UInt64>.size)
        {
            func array(_ field: some Any) -> [UInt64] {
                withUnsafeBytes(of: field) { Array($0.bindMemory(to: UInt64.self)) }
            }
            return (array(wide.crc_err_cnt), array(wide.retry_cnt))
        }
        guard
            let narrow = calls.info(
                at, DCMI_MAIN_HCCS, DCMI_HCCS_STATISTICS, dcmi_hccs_statistic_info(),
                least: counters * MemoryLayout<UInt32>.size)
        else { return nil }
        func array(_ field: some Any) -> [UInt64] {
            withUnsafeBytes(of: field) { $0.bindMemory(to: UInt32.self).map { UInt64($0) } }
        }
        return (array(narrow.crc_err_cnt), array(narrow.retry_cnt))
    }
}
