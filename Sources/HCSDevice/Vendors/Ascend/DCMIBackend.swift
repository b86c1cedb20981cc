import CVendorABI
import HCSModel
import HCSSystem

/// Huawei Ascend through DCMI, `libdcmi.so` (vendor ABI reference 2.1), the classic calls by card and device. A device's
/// identity is its die id: DCMI has no UUID. It has no shutdown either; the session ends with the process.
package final class DCMIBackend: VendorBackend {
    private struct Address: Hashable {
        var card: Int32
        var device: Int32
    }

    private var library: DynamicLibrary?
    private var table = hcs_dcmi_table()
    private var known: [Address: DeviceID] = [:]
    package private(set) var symbols = SymbolReport(library: HCS_DCMI_LIBRARY, present: 0, missing: [])

    private static let paths = [
        "/usr/local/dcmi", "/usr/local/Ascend/driver/lib64/driver", "/usr/local/Ascend/driver/lib64",
        "/usr/local/Ascend/driver/lib64/common",
    ].map { "\($0)/\(HCS_DCMI_LIBRARY)" }

    package init() {}

    package func open(_ search: LibrarySearch) throws(DeviceError) {
        close()
        let library = try search.open(names: [HCS_DCMI_LIBRARY], paths: Self.paths, .lazyGlobal)
        var table = hcs_dcmi_table()
        _ = hcs_dcmi_load(library.handle, &table)
        symbols = SymbolReport(
            library: library.path(of: "dcmi_init") ?? library.name, count: hcs_dcmi_symbol_count(),
            name: { hcs_dcmi_symbol_name($0) }, present: { hcs_dcmi_symbol_present(&table, $0) != 0 })
        try symbols.require([
            "dcmi_init", "dcmi_get_card_list", "dcmi_get_device_num_in_card", "dcmi_get_device_die_v2",
        ])
        self.table = table
        self.library = consume library
        let result = table.`init`?() ?? DCMI_ERR_CODE_INNER_ERR
        guard result == DCMI_OK else { throw Self.failure(.initFailed, "dcmi_init", result) }
    }

    package func inventory() throws(DeviceError) -> VendorInventory {
        var inventory = VendorInventory()
        let driver = PrintableText.from(capacity: 96) { table.get_driver_version?($0, $1) == DCMI_OK }
        for card in try cards() {
            var count: Int32 = 0
            let result = table.get_device_num_in_card?(card, &count) ?? DCMI_ERR_CODE_NOT_SUPPORT
            guard result == DCMI_OK else {
                inventory.skip("card \(card): \(Self.text(of: result))")
                continue
            }
            for number in 0..<min(max(count, 0), Int32(WorkerProtocol.maximumDevices)) {
                let address = Address(card: card, device: number)
                guard isNPU(address) else { continue }
                guard let device = describe(address, position: UInt32(inventory.devices.count), driver: driver) else {
                    inventory.skip("card \(card) device \(number): it does not tell its die id or memory")
                    continue
                }
                if inventory.add(device) { remember(device.id, at: address) }
            }
        }
        return inventory
    }

    /// One place per identity: a device that moved to another index is not lost at the old one.
    private func remember(_ id: DeviceID, at address: Address) {
        known = known.filter { $0.value != id }
        known[address] = id
    }

    package func sample() throws(DeviceError) -> [RawSample] {
        known.sorted { ($0.key.card, $0.key.device) < ($1.key.card, $1.key.device) }.map { measure($0.key, $0.value) }
    }

    package func close() {
        known = [:]
        table = hcs_dcmi_table()
        library = nil
    }
}

extension DCMIBackend {
    private func cards() throws(DeviceError) -> [Int32] {
        var count: Int32 = 0
        // Twice what the call is told, for a driver that knows better how many there are.
        var list = [Int32](repeating: -1, count: 2 * Int(HCS_DCMI_MAX_CARDS))
        let result = table.get_card_list?(&count, &list, Int32(HCS_DCMI_MAX_CARDS)) ?? DCMI_ERR_CODE_NOT_SUPPORT
        guard result == DCMI_OK else { throw Self.failure(.callFailed, "dcmi_get_card_list", result) }
        return Array(list.prefix(Int(min(max(count, 0), Int32(HCS_DCMI_MAX_CARDS)))))
    }

    /// A card's management controller and its CPU are devices too; a driver that cannot tell has NPUs only.
    private func isNPU(_ address: Address) -> Bool {
        var type: UInt32 = 0
        guard table.get_device_type?(address.card, address.device, &type) == DCMI_OK else { return true }
        return type == UInt32(DCMI_UNIT_TYPE_NPU)
    }

    private func describe(_ address: Address, position: UInt32, driver: String?) -> DeviceInventory? {
        let (card, device) = (address.card, address.device)
        guard let id = dieID(address), let memory = memory(address) else { return nil }
        var logic: Int32 = -1
        let index =
            table.get_device_logic_id?(&logic, card, device) == DCMI_OK
            ? UInt32(exactly: logic) ?? position : position
        var found = DeviceInventory(
            id: id, name: name(address) ?? "Ascend NPU", index: index, memory: ByteCount(memory.total),
            driverVersion: driver)
        var pcie = dcmi_pcie_info_all()
        if table.get_device_pcie_info_v2?(card, device, &pcie) == DCMI_OK, let domain = UInt32(exactly: pcie.domain),
            let bus = UInt8(exactly: pcie.bdf_busid), pcie.bdf_deviceid < 32, pcie.bdf_funcid < 8
        {
            found.pci = PCIAddress(
                domain: domain, bus: bus, device: UInt8(pcie.bdf_deviceid), function: UInt8(pcie.bdf_funcid))
        }
        return found
    }

    /// "910B3": the NPU's name where the driver knows it, else the chip's.
    private func name(_ address: Address) -> String? {
        var second = dcmi_chip_info_v2()
        if table.get_device_chip_info_v2?(address.card, address.device, &second) == DCMI_OK {
            return PrintableText.clean(field: second.npu_name) ?? PrintableText.clean(field: second.chip_name)
        }
        var first = dcmi_chip_info()
        guard table.get_device_chip_info?(address.card, address.device, &first) == DCMI_OK else { return nil }
        return PrintableText.clean(field: first.chip_name)
    }

    private func dieID(_ address: Address) -> DeviceID? {
        var die = dcmi_die_id()
        guard table.get_device_die_v2?(address.card, address.device, UInt32(DCMI_DIE_NDIE), &die) == DCMI_OK else {
            return nil
        }
        let words = [die.soc_die.0, die.soc_die.1, die.soc_die.2, die.soc_die.3, die.soc_die.4]
        // A chip without a burnt-in id answers zeros (or ones), as does every other such chip.
        guard Set(words) != [0], Set(words) != [.max] else { return nil }
        return DeviceID(words.map { Self.hexadecimal($0) }.joined(separator: "-"))
    }

    private static func hexadecimal(_ word: UInt32) -> String {
        let digits = String(word, radix: 16)
        return String(repeating: "0", count: 8 - digits.count) + digits
    }

    /// HBM parts first; parts with DDR (310, 310P) answer the other call. Both in MB.
    private func memory(_ address: Address) -> (total: UInt64, used: UInt64)? {
        func bytes(_ megabytes: UInt64) -> UInt64 { megabytes > 1 << 40 ? .max : megabytes << 20 }
        var hbm = dcmi_hbm_info()
        if table.get_device_hbm_info?(address.card, address.device, &hbm) == DCMI_OK, hbm.memory_size > 0 {
            return (bytes(hbm.memory_size), bytes(hbm.memory_usage))
        }
        var ddr = dcmi_get_memory_info_struct()
        guard table.get_device_memory_info_v3?(address.card, address.device, &ddr) == DCMI_OK, ddr.memory_size > 0
        else { return nil }
        let used = ddr.memory_size >= ddr.memory_available ? ddr.memory_size - ddr.memory_available : UInt64.max
        return (bytes(ddr.memory_size), bytes(used))
    }
}

extension DCMIBackend {
    private func measure(_ address: Address, _ id: DeviceID) -> RawSample {
        let (card, device) = (address.card, address.device)
        var sample = RawSample(id: id)
        var health: UInt32 = 0
        switch table.get_device_health?(card, device, &health) {
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
        default: break
        }
        sample.memoryUsed = memory(address)?.used
        var celsius: Int32 = 0
        if table.get_device_temperature?(card, device, &celsius) == DCMI_OK {
            sample.signals[.temperature] = Double(celsius)
        }
        var deciwatts: Int32 = 0
        if table.get_device_power_info?(card, device, &deciwatts) == DCMI_OK {
            sample.signals[.power] = Double(deciwatts) / 10
        }
        sample.signals[.utilization] = utilization(address)
        sample.processes = processes(address)
        return sample
    }

    /// The whole NPU's load where the driver has it (new), else the AI cores'.
    private func utilization(_ address: Address) -> Double? {
        var percent: UInt32 = 0
        for type in [DCMI_UTILIZATION_NPU, DCMI_UTILIZATION_AICORE]
        where table.get_device_utilization_rate?(address.card, address.device, Int32(type), &percent) == DCMI_OK {
            return Double(percent)
        }
        return nil
    }

    private func processes(_ address: Address) -> [DeviceSample.ProcessMemory] {
        let capacity = 1024
        var list = [dcmi_proc_mem_info](repeating: dcmi_proc_mem_info(), count: capacity)
        var count = Int32(capacity)
        guard table.get_device_resource_info?(address.card, address.device, &list, &count) == DCMI_OK else { return [] }
        return list.prefix(min(max(Int(count), 0), capacity)).compactMap { entry in
            guard entry.proc_id > 0 else { return nil }
            return DeviceSample.ProcessMemory(pid: entry.proc_id, memory: ByteCount(UInt64(entry.proc_mem_usage)))
        }
    }

    private static func text(of result: Int32) -> String {
        switch result {
        case DCMI_ERR_CODE_OPER_NOT_PERMITTED: "not permitted"
        case DCMI_ERR_CODE_INNER_ERR: "inner error (is the driver loaded?)"
        case DCMI_ERR_CODE_TIME_OUT: "timeout"
        case DCMI_ERR_CODE_DEVICE_NOT_EXIST: "the device does not exist"
        case DCMI_ERR_CODE_NOT_READY: "not ready yet"
        case DCMI_ERR_CODE_NOT_SUPPORT: "not supported"
        default: "DCMI error \(result)"
        }
    }

    private static func failure(_ code: DeviceError.Code, _ call: String, _ result: Int32) -> DeviceError {
        DeviceError(code, "\(call): \(text(of: result))", vendorCode: Int64(result))
    }
}
