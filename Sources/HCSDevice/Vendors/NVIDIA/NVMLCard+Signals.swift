import CVendorABI
import HCSModel

/// Bytes that went over PCI Express, and when they were counted. `nvmlDeviceGetPcieThroughput` would block for 20 ms in
/// each direction and is not asked.
struct NVMLPCIeCounters {
    var received: UInt64?
    var transmitted: UInt64?
    var timestamp: Int64

    /// Bytes for each second since `earlier`; nil where a counter wrapped or no time went by.
    func rate(_ counter: KeyPath<Self, UInt64?>, since earlier: Self?) -> Double? {
        guard let earlier, let now = self[keyPath: counter], let before = earlier[keyPath: counter], now >= before
        else { return nil }
        let (microseconds, overflow) = timestamp.subtractingReportingOverflow(earlier.timestamp)
        guard !overflow, microseconds > 0 else { return nil }
        return Double(now - before) * 1e6 / Double(microseconds)
    }
}

extension NVMLCard {
    /// Total, used and what the driver keeps for itself, of the card or an instance; the first revision counts that as used.
    func memory(_ handle: nvmlDevice_t) -> (total: UInt64, used: UInt64, reserved: UInt64?)? {
        var second = nvmlMemory_v2_t()
        second.version = UInt32(NVML_MEMORY_V2)
        if ask(.memoryV2, { library.table.device_get_memory_info_v2?(handle, &second) }) {
            return (second.total, second.used, second.reserved)
        }
        var first = nvmlMemory_t()
        guard ask(.memory, { library.table.device_get_memory_info?(handle, &first) }) else { return nil }
        return (first.total, first.used, nil)
    }

    /// Figures that hold as long as the driver is loaded.
    func readFixed() {
        let table = library.table
        func threshold(_ type: Int32) -> Double? {
            number(.threshold(UInt32(type))) { table.device_get_temperature_threshold?(handle, UInt32(type), &$0) }
        }
        fixed = SignalReadings()
        fixed[.temperatureShutdown] = threshold(NVML_TEMPERATURE_THRESHOLD_SHUTDOWN)
        fixed[.temperatureSlowdown] = threshold(NVML_TEMPERATURE_THRESHOLD_SLOWDOWN)
        fixed[.clockMaximum, "compute"] = clockMaximum(NVML_CLOCK_SM)
        fixed[.clockMaximum, "memory"] = clockMaximum(NVML_CLOCK_MEM)
        fixed[.pcieGenerationMaximum] = number(.pcieGenerationMaximum) {
            table.device_get_max_pcie_link_generation?(handle, &$0)
        }
        fixed[.pcieWidthMaximum] = number(.pcieWidthMaximum) { table.device_get_max_pcie_link_width?(handle, &$0) }
    }

    private func clockMaximum(_ type: Int32) -> Double? {
        number(.clockMaximum(UInt32(type))) { library.table.device_get_max_clock_info?(handle, UInt32(type), &$0) }
    }

    /// Figures of each pass.
    func readQuick() -> SignalReadings {
        let table = library.table
        var signals = SignalReadings()
        signals[.temperature] = temperature()
        signals[.power] = number(.power) { table.device_get_power_usage?(handle, &$0) }.map { $0 / 1000 }
        signals[.energy] = wide(.energy) { table.device_get_total_energy_consumption?(handle, &$0) }
            .map { Double($0) / 1000 }
        var busy = nvmlUtilization_t()
        if ask(.utilization, { table.device_get_utilization_rates?(handle, &busy) }) {
            signals[.utilization] = Double(busy.gpu)
            signals[.memoryUtilization] = Double(busy.memory)
        }
        for (type, name) in [(NVML_CLOCK_SM, "compute"), (NVML_CLOCK_MEM, "memory")] {
            signals[.clock, name] = number(.clock(UInt32(type))) {
                table.device_get_clock_info?(handle, UInt32(type), &$0)
            }
        }
        readClockEvents(into: &signals)
        signals[.eccCorrectedVolatile] = ecc(NVML_MEMORY_ERROR_CORRECTED, NVML_ECC_VOLATILE)
        signals[.eccUncorrectedVolatile] = ecc(NVML_MEMORY_ERROR_UNCORRECTED, NVML_ECC_VOLATILE)
        readRemappedRows(into: &signals)
        signals[.pcieGeneration] = number(.pcieGeneration) { table.device_get_curr_pcie_link_generation?(handle, &$0) }
        signals[.pcieWidth] = number(.pcieWidth) { table.device_get_curr_pcie_link_width?(handle, &$0) }
        signals[.pcieReplays] = number(.pcieReplays) { table.device_get_pcie_replay_counter?(handle, &$0) }
        readFields(into: &signals)
        return signals
    }

    private func temperature() -> Double? {
        let first = number(.temperature) {
            library.table.device_get_temperature?(handle, UInt32(NVML_TEMPERATURE_GPU), &$0)
        }
        guard first == nil, refuses(.temperature) else { return first }
        var later = nvmlTemperature_t()
        later.version = UInt32(NVML_TEMPERATURE_V1)
        later.sensor = UInt32(NVML_TEMPERATURE_GPU)
        return ask(.temperatureV, { library.table.device_get_temperature_v?(handle, &later) })
            ? Double(later.temperature) : nil
    }

    /// Idleness and a display's clocks are no causes that anybody could do something about.
    private static let causes: [(bit: UInt64, name: String)] = [
        (UInt64(NVML_CLOCK_EVENT_APPLICATIONS), "application-clocks"),
        (UInt64(NVML_CLOCK_EVENT_SW_POWER_CAP), "power-cap"),
        (UInt64(NVML_CLOCK_EVENT_HW_SLOWDOWN), "hardware-slowdown"),
        (UInt64(NVML_CLOCK_EVENT_SYNC_BOOST), "sync-boost"),
        (UInt64(NVML_CLOCK_EVENT_SW_THERMAL), "thermal"), (UInt64(NVML_CLOCK_EVENT_HW_THERMAL), "hardware-thermal"),
        (UInt64(NVML_CLOCK_EVENT_HW_POWER_BRAKE), "power-brake"),
    ]

    /// The call has had its new name since driver 535.
    private func readClockEvents(into signals: inout SignalReadings) {
        let bits =
            wide(.eventReasons) { library.table.device_get_current_clocks_event_reasons?(handle, &$0) }
            ?? wide(.throttleReasons) { library.table.device_get_current_clocks_throttle_reasons?(handle, &$0) }
        guard let bits else { return }
        for cause in Self.causes { signals[.throttle, cause.name] = bits & cause.bit != 0 ? 1 : 0 }
    }

    private func readFields(into signals: inout SignalReadings) {
        let read = read([
            NVMLField(id: NVML_FIELD_MEMORY_TEMPERATURE), NVMLField(id: NVML_FIELD_RECOVERY_ACTION),
            NVMLField(id: NVML_FIELD_PCIE_RECEIVED), NVMLField(id: NVML_FIELD_PCIE_TRANSMITTED),
        ])
        // Cards whose memory has no sensor answer 0.
        if let memory = read[0]?.value, memory != 0 { signals[.memoryTemperature] = memory }
        signals[.recoveryAction] = read[1]?.value
        guard let timestamp = (read[2] ?? read[3])?.timestamp else { return }
        let counters = NVMLPCIeCounters(
            received: read[2]?.count, transmitted: read[3]?.count, timestamp: timestamp)
        signals[.pcieReceive] = counters.rate(\.received, since: pcieCounters)
        signals[.pcieTransmit] = counters.rate(\.transmitted, since: pcieCounters)
        pcieCounters = counters
    }

    private func readRemappedRows(into signals: inout SignalReadings) {
        var corrected: UInt32 = 0, uncorrected: UInt32 = 0, pending: UInt32 = 0, failed: UInt32 = 0
        guard
            ask(
                .remappedRows,
                {
                    library.table.device_get_remapped_rows?(handle, &corrected, &uncorrected, &pending, &failed)
                })
        else { return }
        signals[.rowsRemapped, "corrected"] = Double(corrected)
        signals[.rowsRemapped, "uncorrected"] = Double(uncorrected)
        signals[.rowRemapPending] = pending != 0 ? 1 : 0
        signals[.rowRemapFailed] = failed != 0 ? 1 : 0
    }

    private func ecc(_ type: Int32, _ counter: Int32) -> Double? {
        wide(.eccTotal(UInt32(type), UInt32(counter))) {
            library.table.device_get_total_ecc_errors?(handle, UInt32(type), UInt32(counter), &$0)
        }.map { Double($0) }
    }

    private func ecc(_ type: Int32, _ counter: Int32, at place: Int32) -> Double? {
        wide(.eccPlace(UInt32(type), UInt32(counter), UInt32(place))) {
            library.table.device_get_memory_error_counter?(handle, UInt32(type), UInt32(counter), UInt32(place), &$0)
        }.map { Double($0) }
    }

    /// Figures that change seldom or cost more: read in turn, so that no pass pays for all cards.
    func readSlow() {
        let table = library.table
        var signals = SignalReadings()
        signals[.powerLimit] = number(.powerLimit) { table.device_get_enforced_power_limit?(handle, &$0) }
            .map { $0 / 1000 }
        var pending: UInt32 = 0
        signals[.eccMode] = number(.eccMode) { table.device_get_ecc_mode?(handle, &$0, &pending) }
            .map { $0 != 0 ? 1 : 0 }
        signals[.eccCorrected] = ecc(NVML_MEMORY_ERROR_CORRECTED, NVML_ECC_AGGREGATE)
        signals[.eccUncorrected] = ecc(NVML_MEMORY_ERROR_UNCORRECTED, NVML_ECC_AGGREGATE)
        for (place, name) in [(NVML_MEMORY_LOCATION_DRAM, "dram"), (NVML_MEMORY_LOCATION_SRAM, "sram")] {
            signals[.eccCorrected, name] = ecc(NVML_MEMORY_ERROR_CORRECTED, NVML_ECC_AGGREGATE, at: place)
            signals[.eccUncorrected, name] = ecc(NVML_MEMORY_ERROR_UNCORRECTED, NVML_ECC_AGGREGATE, at: place)
            signals[.eccCorrectedVolatile, name] = ecc(NVML_MEMORY_ERROR_CORRECTED, NVML_ECC_VOLATILE, at: place)
            signals[.eccUncorrectedVolatile, name] = ecc(NVML_MEMORY_ERROR_UNCORRECTED, NVML_ECC_VOLATILE, at: place)
        }
        signals[.retiredPages, "corrected"] = retiredPages(NVML_PAGE_RETIREMENT_CORRECTED)
        signals[.retiredPages, "uncorrected"] = retiredPages(NVML_PAGE_RETIREMENT_UNCORRECTED)
        signals[.retiredPagesPending] = number(.retiredPending) {
            table.device_get_retired_pages_pending_status?(handle, &$0)
        }.map { $0 != 0 ? 1 : 0 }
        var banks = nvmlRowRemapperHistogramValues_t()
        if ask(.rowHistogram, { table.device_get_row_remapper_histogram?(handle, &banks) }) {
            for (name, value) in [
                ("max", banks.max), ("high", banks.high), ("partial", banks.partial), ("low", banks.low),
                ("none", banks.none),
            ] { signals[.rowBanks, name] = Double(value) }
        }
        readLinks(into: &signals)
        if !isLost { slow = signals }
    }

    /// Asked for the count only: without room for addresses, pages that there are make it "insufficient size".
    private func retiredPages(_ cause: Int32) -> Double? {
        number(.retiredPages(UInt32(cause))) { count in
            let result = library.table.device_get_retired_pages?(handle, UInt32(cause), &count, nil)
            return result == NVML_ERROR_INSUFFICIENT_SIZE ? NVML_SUCCESS : result
        }
    }

    /// NVML has no health call. A row that could not be remapped is its word for memory beyond repair (replace the card),
    /// a pending one for "reset me" (NVIDIA GPU memory error management, row remapping), as is a recovery action.
    func health(_ signals: SignalReadings) -> DeviceSample.VendorHealth? {
        if needsReset || signals[.rowRemapFailed] == 1 { return .critical }
        if signals[.rowRemapPending] == 1 || signals[.recoveryAction] ?? 0 > 0 { return .warning }
        return signals[.rowRemapFailed] == nil && signals[.recoveryAction] == nil ? nil : .good
    }
}
