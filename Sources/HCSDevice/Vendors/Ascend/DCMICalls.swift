import CVendorABI
import HCSModel

/// Where a device is found: card and number in it, or one number (Ascend 950).
enum DCMIAddress: Hashable {
    case card(Int32, Int32)
    case flat(Int32)

    var order: (Int32, Int32) {
        switch self {
        case .card(let card, let device): (card, device)
        case .flat(let device): (device, 0)
        }
    }
}

extension DCMIAddress: CustomStringConvertible {
    var description: String {
        switch self {
        case .card(let card, let device): "card \(card) device \(device)"
        case .flat(let device): "device \(device)"
        }
    }
}

/// The functions that the library has, of both generations, as questions about one device. An answer is nil where the
/// function is missing or does not answer with success.
struct DCMICalls {
    var table = hcs_dcmi_table()

    private func ask<Answer>(
        _ at: DCMIAddress, _ empty: Answer, card: (Int32, Int32, UnsafeMutablePointer<Answer>) -> Int32?,
        flat: (Int32, UnsafeMutablePointer<Answer>) -> Int32?
    ) -> (result: Int32?, answer: Answer) {
        var answer = empty
        let result =
            switch at {
            case .card(let number, let device): card(number, device, &answer)
            case .flat(let device): flat(device, &answer)
            }
        return (result, answer)
    }

    private func answer<Answer>(_ reply: (result: Int32?, answer: Answer)) -> Answer? {
        reply.result == DCMI_OK ? reply.answer : nil
    }

    func type(_ at: DCMIAddress) -> UInt32? {
        answer(
            ask(
                at, UInt32(0), card: { table.get_device_type?($0, $1, $2) },
                flat: { table.v2_get_device_type?($0, $1) }))
    }

    /// With the call before it where a driver has that only: without the NPU's name.
    func chip(_ at: DCMIAddress) -> dcmi_chip_info_v2? {
        if let chip = answer(
            ask(
                at, dcmi_chip_info_v2(), card: { table.get_device_chip_info_v2?($0, $1, $2) },
                flat: { table.v2_get_device_chip_info?($0, $1) }))
        {
            return chip
        }
        guard
            let old = answer(
                ask(at, dcmi_chip_info(), card: { table.get_device_chip_info?($0, $1, $2) }, flat: { _, _ in nil }))
        else { return nil }
        var chip = dcmi_chip_info_v2()
        (chip.chip_type, chip.chip_name, chip.aicore_cnt) = (old.chip_type, old.chip_name, old.aicore_cnt)
        return chip
    }

    func pcie(_ at: DCMIAddress) -> dcmi_pcie_info_all? {
        answer(
            ask(
                at, dcmi_pcie_info_all(), card: { table.get_device_pcie_info_v2?($0, $1, $2) },
                flat: { table.v2_get_device_pcie_info?($0, $1) }))
    }

    func die(_ at: DCMIAddress, _ kind: Int32) -> dcmi_die_id? {
        answer(
            ask(
                at, dcmi_die_id(), card: { table.get_device_die_v2?($0, $1, UInt32(kind), $2) },
                flat: { table.v2_get_device_die_id?($0, UInt32(kind), $1) }))
    }

    func label(_ at: DCMIAddress) -> dcmi_elabel_info? {
        answer(
            ask(
                at, dcmi_elabel_info(), card: { table.get_device_elabel_info?($0, $1, $2) },
                flat: { table.v2_get_device_elabel_info?($0, $1) }))
    }

    func board(_ at: DCMIAddress) -> dcmi_board_info? {
        answer(
            ask(
                at, dcmi_board_info(), card: { table.get_device_board_info?($0, $1, $2) },
                flat: { table.v2_get_device_board_info?($0, $1) }))
    }

    /// The version of the device's own software; the 950 has no call for it.
    func version(_ at: DCMIAddress) -> String? {
        guard case .card(let card, let device) = at else { return nil }
        var length: Int32 = 0
        return PrintableText.from(capacity: 96) {
            table.get_version?(card, device, $0, $1, &length) == DCMI_OK
        }
    }

    func hbm(_ at: DCMIAddress) -> dcmi_hbm_info? {
        answer(
            ask(
                at, dcmi_hbm_info(), card: { table.get_device_hbm_info?($0, $1, $2) },
                flat: { table.v2_get_device_hbm_info?($0, $1) }))
    }

    /// The 950 has HBM only.
    func ddr(_ at: DCMIAddress) -> dcmi_get_memory_info_struct? {
        answer(
            ask(
                at, dcmi_get_memory_info_struct(), card: { table.get_device_memory_info_v3?($0, $1, $2) },
                flat: { _, _ in nil }))
    }

    func ddrBefore(_ at: DCMIAddress) -> dcmi_memory_info_struct? {
        answer(
            ask(
                at, dcmi_memory_info_struct(), card: { table.get_memory_info?($0, $1, $2) },
                flat: { _, _ in nil }))
    }

    func temperature(_ at: DCMIAddress) -> Int32? {
        answer(
            ask(
                at, Int32(0), card: { table.get_device_temperature?($0, $1, $2) },
                flat: { table.v2_get_device_temperature?($0, $1) }))
    }

    func power(_ at: DCMIAddress) -> Int32? {
        answer(
            ask(
                at, Int32(0), card: { table.get_device_power_info?($0, $1, $2) },
                flat: { table.v2_get_device_power_info?($0, $1) }))
    }

    /// The whole card's, by its management controller.
    func cardPower(_ card: Int32) -> Int32? {
        var deciwatts: Int32 = 0
        return table.mcu_get_power_info?(card, &deciwatts) == DCMI_OK ? deciwatts : nil
    }

    /// With the result: it tells a lost device and a driver that is gone.
    func health(_ at: DCMIAddress) -> (result: Int32?, answer: UInt32) {
        ask(
            at, UInt32(0), card: { table.get_device_health?($0, $1, $2) },
            flat: { table.v2_get_device_health?($0, $1) })
    }

    func errorCodes(_ at: DCMIAddress) -> [UInt32] {
        let capacity = UInt32(HCS_DCMI_MAX_ERROR_CODES)
        var codes = [UInt32](repeating: 0, count: Int(capacity))
        let count = answer(
            ask(
                at, Int32(0), card: { table.get_device_errorcode_v2?($0, $1, $2, &codes, capacity) },
                flat: { table.v2_get_device_error_code_list?($0, $1, &codes, capacity) }))
        return Array(codes.prefix(Int(min(max(count ?? 0, 0), Int32(capacity)))))
    }

    /// What a shorter struct of the library leaves as it was is `UInt32.max`.
    func ecc(_ at: DCMIAddress, _ kind: Int32) -> dcmi_ecc_info? {
        var empty = dcmi_ecc_info()
        (empty.single_bit_next_isolated_pages_cnt, empty.double_bit_next_isolated_pages_cnt) = (.max, .max)
        return answer(
            ask(
                at, empty, card: { table.get_device_ecc_info?($0, $1, UInt32(kind), $2) },
                flat: { table.v2_get_device_ecc_info?($0, UInt32(kind), $1) }))
    }

    func frequency(_ at: DCMIAddress, _ kind: Int32) -> UInt32? {
        answer(
            ask(
                at, UInt32(0), card: { table.get_device_frequency?($0, $1, UInt32(kind), $2) },
                flat: { table.v2_get_device_frequency?($0, UInt32(kind), $1) }))
    }

    func utilization(_ at: DCMIAddress, _ kind: Int32) -> UInt32? {
        answer(
            ask(
                at, UInt32(0), card: { table.get_device_utilization_rate?($0, $1, kind, $2) },
                flat: { table.v2_get_device_utilization_rate?($0, kind, $1) }))
    }

    func utilizations(_ at: DCMIAddress) -> dcmi_multi_utilization_info? {
        answer(
            ask(
                at, dcmi_multi_utilization_info(), card: { table.get_device_multi_utilization_rate?($0, $1, $2) },
                flat: { table.v2_get_device_multi_utilization_rate?($0, $1) }))
    }

    func processes(_ at: DCMIAddress) -> [dcmi_proc_mem_info] {
        let capacity: Int32 = 1024
        var list = [dcmi_proc_mem_info](repeating: dcmi_proc_mem_info(), count: Int(capacity))
        let count = answer(
            ask(
                at, capacity, card: { table.get_device_resource_info?($0, $1, &list, $2) },
                flat: { table.v2_get_device_proc_mem_info?($0, &list, $1) }))
        return Array(list.prefix(Int(min(max(count ?? 0, 0), capacity))))
    }

    /// An answer of the general call, of which the library must have written `least` bytes.
    func info<Answer>(_ at: DCMIAddress, _ command: Int32, _ sub: Int32, _ empty: Answer, least: Int) -> Answer? {
        var size = UInt32(MemoryLayout<Answer>.size)
        let found = answer(
            ask(
                at, empty, card: { table.get_device_info?($0, $1, UInt32(command), UInt32(sub), $2, &size) },
                flat: { table.v2_get_device_info?($0, UInt32(command), UInt32(sub), $1, &size) }))
        return (least...MemoryLayout<Answer>.size).contains(Int(size)) ? found : nil
    }

    /// How two devices are joined; classic drivers only.
    func topology(_ one: DCMIAddress, _ other: DCMIAddress) -> Int32? {
        guard case .card(let card1, let device1) = one, case .card(let card2, let device2) = other else { return nil }
        var type: Int32 = -1
        return table.get_topo_info_by_device_id?(card1, device1, card2, device2, &type) == DCMI_OK ? type : nil
    }
}
