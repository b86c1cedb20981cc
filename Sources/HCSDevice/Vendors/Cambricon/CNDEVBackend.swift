import CVendorABI
import HCSModel
import HCSSystem

/// Cambricon MLU through CNDEV, `libcndev.so` (vendor ABI reference 4.1): new calls first, those that they replaced where a
/// library is older.
package final class CNDEVBackend: VendorBackend {
    /// What a device is told apart by, best first. A serial is the card's: it serves where a card has one chip.
    private enum Source: CaseIterable { case uuid, serial }

    private struct Known {
        var id: DeviceID
        var source: Source
        var cores: Int
    }

    private var library: DynamicLibrary?
    private var calls = CNDEVCalls()
    private var started = false
    private var known: [Int32: Known] = [:]
    private var events: cndevEventHandle?
    private var observed: Set<cndevDevice_t> = []
    package private(set) var symbols = SymbolReport(library: HCS_CNDEV_LIBRARY, present: 0, missing: [])

    package static let directories = ["/usr/local/neuware/lib64", "/usr/lib64", "/usr/lib/x86_64-linux-gnu"]
    /// Cores told one by one: the signals of a device are limited.
    private static let coreLimit = 64
    /// No MLU has more ports.
    private static let linkLimit = 16
    /// Events taken in one pass; what is left comes with the next.
    private static let eventLimit = 64
    /// Xids are told above the incident codes of the health call, which are small numbers too.
    private static let firstXid = UInt64(1) << 32

    package init() {}

    package func open(_ search: LibrarySearch) throws(DeviceError) {
        close()
        let library = try search.open(
            names: [HCS_CNDEV_LIBRARY], paths: Self.directories.map { "\($0)/\(HCS_CNDEV_LIBRARY)" }, .lazyGlobal)
        var table = hcs_cndev_table()
        _ = hcs_cndev_load(library.handle, &table)
        symbols = SymbolReport(
            library: library.path(of: "cndevInit") ?? library.name, count: hcs_cndev_symbol_count(),
            name: { hcs_cndev_symbol_name($0) }, present: { hcs_cndev_symbol_present(&table, $0) != 0 })
        try symbols.require(["cndevInit", "cndevGetDeviceCount"])
        if table.get_memory_usage == nil { try symbols.require(["cndevGetMemoryUsageV2"]) }
        if table.get_card_sn == nil { try symbols.require(["cndevGetUUID"]) }
        calls.table = table
        self.library = consume library
        let result = table.`init`?(0) ?? CNDEV_ERROR_UNINITIALIZED
        guard result == CNDEV_SUCCESS else { throw failure(.initFailed, "cndevInit", result) }
        started = true
    }

    package func inventory() throws(DeviceError) -> VendorInventory {
        var inventory = VendorInventory()
        var handles: [cndevDevice_t] = []
        let driver = calls.driverVersion()
        for index in 0..<(try count()) {
            guard let handle = try handle(index) else {
                inventory.skip("device \(index): no handle\(known[index].map { ", was \($0.id)" } ?? "")")
                continue
            }
            guard let (device, entry) = describe(handle, index: index, driver: driver) else {
                inventory.skip("device \(index): it does not tell its UUID or memory")
                continue
            }
            if inventory.add(device) {
                remember(entry, at: index)
                handles.append(handle)
                observe(handle)
            }
        }
        let places = Dictionary(uniqueKeysWithValues: inventory.devices.map { ($0.id, $0.pci) })
        for (position, handle) in handles.enumerated() {
            inventory.devices[position].details.links = links(handle, places)
        }
        return inventory
    }

    /// One place per identity: a device that moved to another index is not lost at the old one.
    private func remember(_ entry: Known, at index: Int32) {
        known = known.filter { $0.value.id != entry.id }
        known[index] = entry
    }

    /// Asks each device who it is before it is measured: indices are given anew when a card goes.
    package func sample() throws(DeviceError) -> [RawSample] {
        let xids = takeEvents()
        var samples: [RawSample] = []
        for (index, entry) in known.sorted(by: { $0.key < $1.key }) {
            guard let handle = try handle(index) else { continue }
            let id = identity(handle, by: entry.source) ?? entry.id
            guard !samples.contains(where: { $0.id == id }) else { continue }
            var sample = try measure(handle, id, cores: entry.cores)
            sample.faultCodes += xids[handle] ?? []
            samples.append(sample)
        }
        for entry in known.values where !samples.contains(where: { $0.id == entry.id }) {
            samples.append(.lost(entry.id))
        }
        return samples
    }

    package func close() {
        if let events { _ = calls.table.event_handle_destroy?(events) }
        events = nil
        observed = []
        if started { _ = calls.table.release?() }
        started = false
        known = [:]
        calls = CNDEVCalls()
        library = nil
    }
}

// MARK: Inventory

extension CNDEVBackend {
    private func count() throws(DeviceError) -> Int32 {
        let (result, info) = calls.reply(cndevCardInfo_t()) { calls.table.get_device_count?($0) }
        guard result == CNDEV_SUCCESS else {
            let result = result ?? CNDEV_ERROR_NOT_SUPPORTED
            let stale = !known.isEmpty && Self.isDriverGone(result)
            throw failure(stale ? .libraryStale : .callFailed, "cndevGetDeviceCount", result)
        }
        return Int32(min(info.number, UInt32(WorkerProtocol.maximumDevices)))
    }

    /// Before 2024 the ordinal was the handle and this call did not exist.
    private func handle(_ index: Int32) throws(DeviceError) -> cndevDevice_t? {
        guard let call = calls.table.get_device_handle_by_index else { return index }
        var handle: cndevDevice_t = -1
        let result = call(index, &handle)
        if Self.isDriverGone(result) { throw failure(.libraryStale, "cndevGetDeviceHandleByIndex", result) }
        return result == CNDEV_SUCCESS ? handle : nil
    }

    private func identity(_ handle: cndevDevice_t, by source: Source) -> DeviceID? {
        switch source {
        case .uuid: calls.uuid(handle).map { DeviceID($0) }
        case .serial: calls.serial(handle).map { DeviceID($0) }
        }
    }

    private func identify(_ handle: cndevDevice_t, at index: Int32) -> (DeviceID, Source)? {
        for source in (known[index].map { [$0.source] } ?? []) + Source.allCases {
            if let id = identity(handle, by: source) { return (id, source) }
        }
        return nil
    }

    private func describe(_ handle: cndevDevice_t, index: Int32, driver: String?) -> (DeviceInventory, Known)? {
        guard let memory = memory(handle), let (id, source) = identify(handle, at: index) else { return nil }
        let versions = calls.versions(handle)
        var device = DeviceInventory(
            id: id, name: calls.name(handle) ?? "MLU", index: UInt32(index), memory: ByteCount(memory.total),
            driverVersion: driver
                ?? versions.map { "\($0.driverMajorVersion).\($0.driverMinorVersion).\($0.driverBuildVersion)" })
        if let pcie = calls.pcie(handle), let bus = UInt8(exactly: pcie.bus), pcie.device < 32, pcie.function < 8 {
            device.pci = PCIAddress(
                domain: pcie.domain, bus: bus, device: UInt8(pcie.device), function: UInt8(pcie.function))
        }
        if let node = calls.numaNode(handle), (0..<1024).contains(node) { device.numaNode = Int(node) }
        let cores = calls.coreCount(handle).flatMap { UInt32(exactly: $0) }
        device.cores = cores
        device.maximumClockMHz = calls.frequencies(handle).flatMap { UInt32(exactly: $0.boardFreqRange.1) }
        device.details.serial = calls.serial(handle)
        device.details.firmware = versions.map { "\($0.mcuMajorVersion).\($0.mcuMinorVersion).\($0.mcuBuildVersion)" }
        return (device, Known(id: id, source: source, cores: Int(min(cores ?? 0, UInt32(Self.coreLimit)))))
    }

    private func links(_ handle: cndevDevice_t, _ places: [DeviceID: PCIAddress?]) -> [DeviceLink] {
        (0..<calls.linkCount(handle, limit: Self.linkLimit)).compactMap { lane in
            guard let isUp = calls.linkIsUp(handle, Int32(lane)) else { return nil }
            var link = DeviceLink(kind: .mlulink, lane: lane, up: isUp)
            link.bandwidthGBps = calls.linkSpeed(handle, Int32(lane))
            if isUp, let peer = calls.linkPeer(handle, Int32(lane)) {
                // One that this host does not have is on another.
                link.peer = .device
                link.peerAddress = places[DeviceID(peer)] ?? nil
            }
            return link
        }
    }
}

// MARK: Events

extension CNDEVBackend {
    private func observe(_ handle: cndevDevice_t) {
        guard calls.table.event_wait != nil, !observed.contains(handle) else { return }
        if events == nil {
            var made: cndevEventHandle?
            guard calls.table.event_handle_create?(&made) == CNDEV_SUCCESS else { return }
            events = made
        }
        guard let events else { return }
        if calls.table.register_events?(events, UInt64(CNDEV_EVENT_XID), handle) == CNDEV_SUCCESS {
            observed.insert(handle)
        }
    }

    /// Xids since the last pass. Waits a millisecond at most: what 0 means to a library is not written anywhere.
    private func takeEvents() -> [cndevDevice_t: [UInt64]] {
        var found: [cndevDevice_t: [UInt64]] = [:]
        guard let events, !observed.isEmpty else { return found }
        for _ in 0..<Self.eventLimit {
            var event = cndevEventData_t()
            event.version = UInt32(CNDEV_VERSION_6)
            guard calls.table.event_wait?(events, &event, 1) == CNDEV_SUCCESS else { break }
            if event.eventType == UInt64(CNDEV_EVENT_XID) {
                found[event.device, default: []].append(Self.firstXid + event.eventData & (Self.firstXid - 1))
            }
        }
        return found
    }
}

// MARK: Samples

extension CNDEVBackend {
    private func measure(_ handle: cndevDevice_t, _ id: DeviceID, cores: Int) throws(DeviceError) -> RawSample {
        var sample = RawSample(id: id)
        if try measureHealth(handle, into: &sample) { return .lost(id) }
        let memory = memory(handle)
        sample.memoryUsed = memory?.used
        sample.signals[.memoryReserved] = memory?.reserved.map { Double($0) }
        measureTemperature(handle, into: &sample.signals)
        let power = calls.power(handle)
        sample.signals[.power] = power.map { Double($0.usage) }
        sample.signals[.powerLimit] =
            power.flatMap { $0.cap > 0 ? Double($0.cap) : nil }
            ?? calls.powerLimit(handle).flatMap { $0 > 0 ? Double($0) : nil }
        measureClocks(handle, into: &sample.signals)
        measureUtilization(handle, cores, into: &sample.signals)
        measureECC(handle, into: &sample.signals)
        measureRepair(handle, into: &sample.signals)
        measurePCIe(handle, into: &sample.signals)
        measureLinks(handle, into: &sample.signals)
        sample.processes = calls.processes(handle).compactMap { entry in
            guard let pid = Int32(exactly: entry.pid), pid > 0, entry.physicalMemoryUsed < 1 << 50 else { return nil }
            return DeviceSample.ProcessMemory(pid: pid, memory: ByteCount(entry.physicalMemoryUsed << 10))
        }
        return sample
    }

    /// Returns whether the device is lost.
    private func measureHealth(_ handle: cndevDevice_t, into sample: inout RawSample) throws(DeviceError) -> Bool {
        if let state = calls.healthV2(handle) {
            if let result = state.result {
                if try isLost(result, "cndevGetCardHealthStateV2") { return true }
                if result == CNDEV_SUCCESS {
                    sample.health =
                        switch state.overall {
                        case UInt32(CNDEV_HEALTH_PASS): .good
                        case UInt32(CNDEV_HEALTH_WARN): .warning
                        case UInt32(CNDEV_HEALTH_FAIL): .critical
                        default: nil
                        }
                    if state.health == 0 || Self.isBroken(state.driver) { sample.health = .critical }
                    sample.faultCodes = state.codes.filter { $0 != 0 }.map { UInt64($0) }
                    return false
                }
            }
        }
        let (result, state) = calls.health(handle)
        guard let result else { return false }
        if try isLost(result, "cndevGetCardHealthState") { return true }
        if result == CNDEV_SUCCESS {
            sample.health = state.health == 1 && !Self.isBroken(state.driverState) ? .good : .critical
        }
        return false
    }

    private static func isBroken(_ driverState: Int32) -> Bool {
        driverState == CNDEV_DRIVER_BOOT_ERROR || driverState == CNDEV_DRIVER_RESET_ERROR
    }

    private func isLost(_ result: cndevRet_t, _ call: String) throws(DeviceError) -> Bool {
        if Self.isDriverGone(result) { throw failure(.libraryStale, call, result) }
        return result == CNDEV_ERROR_INVALID_DEVICE_ID || result == CNDEV_ERROR_IN_PROBLEM
            || result == CNDEV_ERROR_NOT_FOUND || result == CNDEV_ERROR_NO_DEVICES
    }

    /// In bytes; the library's MB are signed, and what is below zero is no figure.
    private func memory(_ handle: cndevDevice_t) -> (total: UInt64, used: UInt64?, reserved: UInt64?)? {
        func bytes(_ megabytes: Int64) -> UInt64? {
            UInt64(exactly: megabytes).map { $0 > 1 << 40 ? .max : $0 << 20 }
        }
        guard let memory = calls.memory(handle), let total = bytes(memory.total) else { return nil }
        return (total, bytes(memory.used), memory.reserved.flatMap(bytes))
    }

    /// The chip's sensor is the device's; cards without it, or without one for the memory, leave zero.
    private func measureTemperature(_ handle: cndevDevice_t, into signals: inout SignalReadings) {
        guard let found = calls.temperatures(handle) else { return }
        func told(_ celsius: Int32) -> Double? { celsius == 0 ? nil : Double(celsius) }
        signals[.temperature] = told(found.chip) ?? told(found.cluster.0) ?? told(found.board)
        signals[.memoryTemperature] = told(found.memory)
        signals[.boardTemperature] = told(found.board)
    }

    private func measureClocks(_ handle: cndevDevice_t, into signals: inout SignalReadings) {
        func told(_ megahertz: Int32) -> Double? { megahertz == 0 ? nil : Double(megahertz) }
        if let found = calls.frequencies(handle) {
            signals[.clock, "compute"] = told(found.boardFreq)
            signals[.clock, "memory"] = told(found.ddrFreq)
            signals[.clockMaximum, "compute"] = told(found.boardFreqRange.1)
        }
        guard let reasons = calls.throttle(handle) else { return }
        signals[.throttle, "thermal"] = Double(reasons.thermalSlowdown)
        signals[.throttle, "power-cap"] = Double(reasons.powerSetting)
        signals[.throttle, "tdp"] = Double(reasons.tdp)
        signals[.throttle, "power-brake"] = Double(reasons.powerBrake)
        signals[.throttle, "clock-setting"] = Double(reasons.clockSetting)
        signals[.throttle, "clock-locked"] = Double(reasons.frequencyLocked)
    }

    private func measureUtilization(_ handle: cndevDevice_t, _ cores: Int, into signals: inout SignalReadings) {
        guard let found = calls.utilization(handle) else { return }
        signals[.utilization] = Double(found.averageCoreUtilization)
        withUnsafeBytes(of: found.coreUtilization) { bytes in
            for (core, percent) in bytes.bindMemory(to: Int32.self).prefix(cores).enumerated() {
                signals[.engineUtilization, "core-\(core)"] = Double(percent)
            }
        }
    }

    /// A parity error of the SRAM cannot be corrected.
    private func measureECC(_ handle: cndevDevice_t, into signals: inout SignalReadings) {
        signals[.eccMode] = calls.eccMode(handle).map(Double.init)
        func count(_ signal: Signal, dram: Double, sram: Double) {
            signals[signal] = dram + sram
            signals[signal, "dram"] = dram
            signals[signal, "sram"] = sram
        }
        if let found = calls.eccCounters(handle) {
            count(
                .eccCorrectedVolatile, dram: Double(found.volatileDramEccSbeCounter),
                sram: Double(found.volatileSramEccSbeCounter))
            count(
                .eccUncorrectedVolatile, dram: Double(found.volatileDramEccDbeCounter),
                sram: Double(found.volatileSramEccDbeCounter) + Double(found.volatileSramEccParityCounter))
            count(
                .eccCorrected, dram: Double(found.aggregateDramEccSbeCounter),
                sram: Double(found.aggregateSramEccSbeCounter))
            count(
                .eccUncorrected, dram: Double(found.aggregateDramEccDbeCounter),
                sram: Double(found.aggregateSramEccDbeCounter) + Double(found.aggregateSramEccParityCounter))
        } else if let found = calls.eccBefore(handle) {
            signals[.eccCorrectedVolatile] = Double(found.correctedError)
            signals[.eccUncorrectedVolatile] = Double(found.uncorrectedError)
        }
    }

    private func measureRepair(_ handle: cndevDevice_t, into signals: inout SignalReadings) {
        signals[.retiredPages, "corrected"] = calls.retiredPages(handle, cause: 0).map(Double.init)
        signals[.retiredPages, "uncorrected"] = calls.retiredPages(handle, cause: 1).map(Double.init)
        let before = calls.rows(handle)
        if let rows = calls.rowsV2(handle) {
            signals[.rowsRemapped, "corrected"] = Double(rows.correctCounts)
            signals[.rowsRemapped, "uncorrected"] = Double(rows.uncorrectCounts)
            signals[.rowBanks, "none"] = Double(rows.histogram.0)
            signals[.rowBanks, "partial"] = Double(rows.histogram.1)
            signals[.rowBanks, "max"] = Double(rows.histogram.2)
        } else if let rows = before {
            signals[.rowsRemapped, "corrected"] = Double(rows.correctRows)
            signals[.rowsRemapped, "uncorrected"] = Double(rows.uncorrectRows)
        }
        if let repair = calls.repair(handle) {
            signals[.retiredPagesPending] = repair.isRetirePending == 0 ? 0 : 1
            signals[.rowRemapPending] = repair.isPending == 0 ? 0 : 1
            signals[.rowRemapFailed] = repair.isFailure == 0 ? 0 : 1
        } else if let rows = before {
            signals[.rowRemapPending] = rows.pendingRows == 0 ? 0 : 1
            signals[.rowRemapFailed] = rows.failedRows == 0 ? 0 : 1
        }
    }

    private func measurePCIe(_ handle: cndevDevice_t, into signals: inout SignalReadings) {
        if let now = calls.pcieLink(handle) {
            signals[.pcieGeneration] = Double(now.speed)
            signals[.pcieWidth] = Double(now.width)
        }
        if let most = calls.pcieLinkMaximum(handle) {
            signals[.pcieGenerationMaximum] = Double(most.speed)
            signals[.pcieWidthMaximum] = Double(most.width)
        }
        signals[.pcieReplays] = calls.pcieReplays(handle).map(Double.init)
        if let moved = calls.pcieThroughput(handle) {
            signals[.pcieReceive] = Double(moved.read) * 50
            signals[.pcieTransmit] = Double(moved.write) * 50
        }
    }

    private func measureLinks(_ handle: cndevDevice_t, into signals: inout SignalReadings) {
        for lane in 0..<Int32(calls.linkCount(handle, limit: Self.linkLimit)) {
            guard let isUp = calls.linkIsUp(handle, lane) else { continue }
            signals[.linkUp, "\(lane)"] = isUp ? 1 : 0
            let before = calls.linkCounters(handle, lane)
            signals[.linkErrors, "\(lane)/replay"] = before.map { Double($0.errReplay) }
            signals[.linkErrors, "\(lane)/ecc"] = before.map { Double($0.errEccDouble) }
            if let errors = calls.linkErrors(handle, lane) {
                signals[.linkErrors, "\(lane)/crc"] = Double(errors.rxBadFcsPkt) + Double(errors.txBadFcsPkt)
                signals[.linkErrors, "\(lane)/fec-corrected"] = Double(errors.correctFecCnt)
                signals[.linkErrors, "\(lane)/fec-uncorrected"] = Double(errors.uncorrectFecCnt)
            } else {
                signals[.linkErrors, "\(lane)/crc"] = before.map { Double($0.errCRC24) + Double($0.errCRC32) }
            }
        }
    }
}

extension CNDEVBackend {
    /// What a library answers, once started, only when its driver was unloaded or replaced.
    private static func isDriverGone(_ result: cndevRet_t) -> Bool {
        result == CNDEV_ERROR_UNINITIALIZED || result == CNDEV_ERROR_NO_DRIVER
            || result == CNDEV_ERROR_LOW_DRIVER_VERSION
    }

    private func failure(_ code: DeviceError.Code, _ call: String, _ result: cndevRet_t) -> DeviceError {
        let text = calls.table.get_error_string?(result).flatMap { PrintableText.clean(pointer: $0) }
        return DeviceError(
            code, "\(call): \(text ?? "CNDEV error \(result.rawValue)")", vendorCode: Int64(result.rawValue))
    }
}
