import CVendorABI
import HCSModel

/// The functions that the library has, newest first, as questions about one device. An answer is nil where the function
/// is missing or does not answer with success.
final class CNDEVCalls {
    var table = hcs_cndev_table()
    /// That of the structs that carry one. The library refuses what is not its own: the first that it takes is kept.
    private var version = Int32(CNDEV_VERSION_6)

    func result(_ call: (Int32) -> cndevRet_t?) -> cndevRet_t? {
        let result = call(version)
        guard result == CNDEV_ERROR_UNSUPPORTED_API_VERSION, version != CNDEV_VERSION_5 else { return result }
        let older = call(Int32(CNDEV_VERSION_5))
        if older == CNDEV_SUCCESS { version = Int32(CNDEV_VERSION_5) }
        return older
    }

    /// Asks with a struct that begins with a version. What a shorter struct of the library leaves is as in `empty`.
    func reply<Answer>(_ empty: Answer, _ call: (UnsafeMutablePointer<Answer>) -> cndevRet_t?) -> (
        result: cndevRet_t?, answer: Answer
    ) {
        var answer = empty
        let result = result { version in
            answer = empty
            withUnsafeMutableBytes(of: &answer) { $0.storeBytes(of: version, as: Int32.self) }
            return call(&answer)
        }
        return (result, answer)
    }

    private func versioned<Answer>(_ empty: Answer, _ call: (UnsafeMutablePointer<Answer>) -> cndevRet_t?) -> Answer? {
        let (result, answer) = reply(empty, call)
        return result == CNDEV_SUCCESS ? answer : nil
    }

    private func plain<Answer>(_ empty: Answer, _ call: (UnsafeMutablePointer<Answer>) -> cndevRet_t?) -> Answer? {
        var answer = empty
        return call(&answer) == CNDEV_SUCCESS ? answer : nil
    }
}

// MARK: What a device is

extension CNDEVCalls {
    func uuid(_ device: cndevDevice_t) -> String? {
        versioned(cndevUUID_t()) { table.get_uuid?($0, device) }.flatMap { PrintableText.clean(field: $0.uuid) }
    }

    func serial(_ device: cndevDevice_t) -> String? {
        guard let serial = versioned(cndevCardSN_t(), { table.get_card_sn?($0, device) }), serial.sn != 0,
            serial.sn != .max
        else { return nil }
        return String(serial.sn, radix: 16)
    }

    /// The board ("MLU370-X8"), else the chip ("MLU370").
    func name(_ device: cndevDevice_t) -> String? {
        if let name = table.get_card_name_string_by_dev_id?(device).flatMap({ PrintableText.clean(pointer: $0) }) {
            return name
        }
        return versioned(cndevCardName_t()) { table.get_card_name?($0, device) }
            .flatMap { table.get_card_name_string?($0.id) }.flatMap { PrintableText.clean(pointer: $0) }
    }

    func versions(_ device: cndevDevice_t) -> cndevVersionInfo_t? {
        versioned(cndevVersionInfo_t()) { table.get_version_info?($0, device) }
    }

    func coreCount(_ device: cndevDevice_t) -> Int32? {
        versioned(cndevCardCoreCount_t()) { table.get_core_count?($0, device) }?.count
    }

    func pcie(_ device: cndevDevice_t) -> (domain: UInt32, bus: UInt32, device: UInt32, function: UInt32)? {
        if let info = plain(cndevPCIeInfoV2_t(), { table.get_pcie_info_v2?($0, device) }) {
            return (info.domain, info.bus, info.device, info.function)
        }
        guard let info = versioned(cndevPCIeInfo_t(), { table.get_pcie_info?($0, device) }) else { return nil }
        return (info.domain, info.bus, info.device, info.function)
    }

    func numaNode(_ device: cndevDevice_t) -> Int32? {
        versioned(cndevNUMANodeId_t()) { table.get_numa_node_id_by_dev_id?($0, device) }?.nodeId
    }

    func driverVersion() -> String? {
        var major: UInt32 = 0
        var minor: UInt32 = 0
        var patch: UInt32 = 0
        guard table.get_driver_version?(&major, &minor, &patch) == CNDEV_SUCCESS else { return nil }
        return "\(major).\(minor).\(patch)"
    }
}

// MARK: What a device measures

extension CNDEVCalls {
    /// In MB; `reserved` is what the driver keeps.
    func memory(_ device: cndevDevice_t) -> (total: Int64, used: Int64, reserved: Int64?)? {
        if let info = plain(cndevMemoryInfoV2_t(), { table.get_memory_usage_v2?($0, device) }) {
            return (info.physicalMemoryTotal, info.physicalMemoryUsed, info.reservedMemory)
        }
        guard let info = versioned(cndevMemoryInfo_t(), { table.get_memory_usage?($0, device) }) else { return nil }
        return (info.physicalMemoryTotal, info.physicalMemoryUsed, nil)
    }

    func temperatures(_ device: cndevDevice_t) -> cndevTemperatureInfo_t? {
        versioned(cndevTemperatureInfo_t()) { table.get_temperature_info?($0, device) }
    }

    /// Watts now and at most; 0 where it does not tell.
    func power(_ device: cndevDevice_t) -> (usage: Int32, cap: Int32)? {
        if let info = plain(cndevDevicePowerInfo_t(), { table.get_device_power_info?($0, device) }) {
            return (info.usage, info.cap)
        }
        guard let info = versioned(cndevPowerInfo_t(), { table.get_power_info?($0, device) }) else { return nil }
        return (info.usage, info.cap)
    }

    func powerLimit(_ device: cndevDevice_t) -> UInt16? {
        versioned(cndevPowerManagementLimitation_t()) { table.get_power_management_limitation?($0, device) }?
            .powerLimit
    }

    func frequencies(_ device: cndevDevice_t) -> cndevFrequencyInfo_t? {
        versioned(cndevFrequencyInfo_t()) { table.get_frequency_info?($0, device) }
    }

    func utilization(_ device: cndevDevice_t) -> cndevUtilizationInfo_t? {
        versioned(cndevUtilizationInfo_t()) { table.get_device_utilization_info?($0, device) }
    }

    func eccMode(_ device: cndevDevice_t) -> Int32? {
        var pending = cndevEccMode_t()
        return versioned(cndevEccMode_t()) { now in
            pending.version = now.pointee.version
            return table.get_ecc_mode?(now, &pending, device)
        }?.mode
    }

    func eccCounters(_ device: cndevDevice_t) -> cndevMemEccCounter_t? {
        versioned(cndevMemEccCounter_t()) { table.get_mem_ecc_counter?($0, device) }
    }

    func eccBefore(_ device: cndevDevice_t) -> cndevECCInfo_t? {
        versioned(cndevECCInfo_t()) { table.get_ecc_info?($0, device) }
    }

    /// What the second health call says. Its struct has 34,612 bytes, which are kept off the stack and out of tuples.
    func healthV2(_ device: cndevDevice_t) -> (
        result: cndevRet_t?, health: Int32, overall: UInt32, driver: Int32, codes: [UInt32]
    )? {
        guard let call = table.get_card_health_state_v2 else { return nil }
        typealias State = cndevCardHealthStateV2_t
        return withUnsafeTemporaryAllocation(
            byteCount: MemoryLayout<State>.size, alignment: MemoryLayout<State>.alignment
        ) { bytes in
            bytes.initializeMemory(as: UInt8.self, repeating: 0)
            guard let base = bytes.baseAddress else { return nil }
            let state = base.bindMemory(to: State.self, capacity: 1)
            let result = call(state, device)
            var codes: [UInt32] = []
            for number in 0..<hcs_cndev_incident_count(state) { codes.append(hcs_cndev_incident_code(state, number)) }
            return (result, state.pointee.health, state.pointee.overallHealth, state.pointee.driverState, codes)
        }
    }

    func health(_ device: cndevDevice_t) -> (result: cndevRet_t?, answer: cndevCardHealthState_t) {
        reply(cndevCardHealthState_t()) { table.get_card_health_state?($0, device) }
    }

    func pcieLink(_ device: cndevDevice_t) -> cndevPCILink_t? {
        versioned(cndevPCILink_t()) { table.get_current_pci_info?($0, device) }
    }

    func pcieLinkMaximum(_ device: cndevDevice_t) -> cndevPCILink_t? {
        versioned(cndevPCILink_t()) { table.get_max_pci_info?($0, device) }
    }

    func pcieReplays(_ device: cndevDevice_t) -> UInt32? {
        versioned(cndevPcieReplayCounter_t()) { table.get_pcie_replay_counter?($0, device) }?.counter
    }

    /// Bytes in the last 20 ms, which the driver counts all the time.
    func pcieThroughput(_ device: cndevDevice_t) -> (read: Int64, write: Int64)? {
        if let info = plain(cndevPCIethroughputV2_t(), { table.get_pcie_throughput_v2?($0, device) }) {
            return (info.pcieRead, info.pcieWrite)
        }
        return versioned(cndevPCIethroughput_t()) { table.get_pcie_throughput?($0, device) }
            .map { ($0.pcieRead, $0.pcieWrite) }
    }

    /// Pages retired for that cause; their addresses are not of interest.
    func retiredPages(_ device: cndevDevice_t, cause: Int32) -> UInt32? {
        typealias Pages = cndevRetiredPageInfo_t
        return withUnsafeTemporaryAllocation(
            byteCount: MemoryLayout<Pages>.size, alignment: MemoryLayout<Pages>.alignment
        ) { bytes in
            guard let pages = bytes.baseAddress?.bindMemory(to: Pages.self, capacity: 1) else { return nil }
            let result = result { version in
                bytes.initializeMemory(as: UInt8.self, repeating: 0)
                pages.pointee.version = version
                pages.pointee.cause = cause
                return table.get_retired_pages?(pages, device)
            }
            return result == CNDEV_SUCCESS ? pages.pointee.pageCount : nil
        }
    }

    func rowsV2(_ device: cndevDevice_t) -> cndevRemappedRowV2_t? {
        versioned(cndevRemappedRowV2_t()) { table.get_remapped_rows_v2?($0, device) }
    }

    func rows(_ device: cndevDevice_t) -> cndevRemappedRow_t? {
        versioned(cndevRemappedRow_t()) { table.get_remapped_rows?($0, device) }
    }

    func repair(_ device: cndevDevice_t) -> cndevRepairStatus_t? {
        versioned(cndevRepairStatus_t()) { table.get_repair_status?($0, device) }
    }

    func throttle(_ device: cndevDevice_t) -> cndevPerformanceThrottleReason_t? {
        versioned(cndevPerformanceThrottleReason_t()) { table.get_performance_throttle_reason?($0, device) }
    }

    func processes(_ device: cndevDevice_t) -> [cndevProcessInfo_t] {
        let capacity: UInt32 = 1024
        var list = [cndevProcessInfo_t](repeating: cndevProcessInfo_t(), count: Int(capacity))
        var count = capacity
        let result = result { version in
            list[0].version = version
            count = capacity
            return table.get_process_info?(&count, &list, device)
        }
        // Of more than fit the first are there all the same.
        guard result == CNDEV_SUCCESS || result == CNDEV_ERROR_INSUFFICIENT_SPACE else { return [] }
        return Array(list.prefix(Int(min(count, capacity))))
    }
}

// MARK: MLU-Link

extension CNDEVCalls {
    /// As many as there are; a library that cannot count them ends with the first it does not know.
    func linkCount(_ device: cndevDevice_t, limit: Int) -> Int {
        if let count = table.get_mlulink_port_number?(device) { return min(max(Int(count), 0), limit) }
        return (0..<limit).first { linkIsUp(device, Int32($0)) == nil } ?? limit
    }

    func linkIsUp(_ device: cndevDevice_t, _ link: Int32) -> Bool? {
        if let status = plain(cndevMLULinkStatusV2_t(), { table.get_mlulink_status_v2?($0, device, link) }) {
            return status.macState != 0
        }
        return versioned(cndevMLULinkStatus_t()) { table.get_mlulink_status?($0, device, link) }
            .map { $0.isActive != 0 }
    }

    func linkErrors(_ device: cndevDevice_t, _ link: Int32) -> cndevMLULinkErrorCounter_t? {
        plain(cndevMLULinkErrorCounter_t()) { table.get_mlulink_error_counter?($0, device, link) }
    }

    func linkCounters(_ device: cndevDevice_t, _ link: Int32) -> cndevMLULinkCounter_t? {
        versioned(cndevMLULinkCounter_t()) { table.get_mlulink_counter?($0, device, link) }
    }

    /// The UUID of the device at the other end.
    func linkPeer(_ device: cndevDevice_t, _ link: Int32) -> String? {
        versioned(cndevMLULinkRemoteInfo_t()) { table.get_mlulink_remote_info?($0, device, link) }
            .flatMap { PrintableText.clean(field: $0.uuid) }
    }

    func linkSpeed(_ device: cndevDevice_t, _ link: Int32) -> Double? {
        versioned(cndevMLULinkSpeed_t()) { table.get_mlulink_speed_info?($0, device, link) }
            .flatMap { $0.speedValue > 0 && $0.speedValue.isFinite ? Double($0.speedValue) : nil }
    }
}
