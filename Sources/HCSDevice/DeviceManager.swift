package import HCSCatalog
package import HCSModel

/// The devices of this host, of all vendors: who is there, and how each is doing. Every vendor has its own worker, asked
/// at the same time as the others; a pass takes as long as one deadline at most, whoever hangs.
package actor DeviceManager {
    private struct Known {
        var device: Device
        var source: Int
        var maximumClockMHz: UInt32?
        /// Not in its library's last inventory. Kept, because its history and its workloads are.
        var isGone: Bool
    }

    /// Devices remembered for each source, gone ones included.
    private static let rememberedDevices = 2 * WorkerProtocol.maximumDevices

    private let workers: [VendorWorker]
    private let catalog: Catalog
    private let patience: Duration
    private let sweepsPerInventory: Int
    private let numaNode: @Sendable (PCIAddress, VendorSource) -> Int?
    private let measured: @Sendable (DeviceInventory, VendorSource) -> MeasuredFingerprint?

    private var known: [DeviceID: Known] = [:]
    private var polls: [Int: Task<VendorReading, Never>] = [:]
    private var dropped: [UInt64]
    private var skipped: [[String]]
    private var sweeps = 0

    /// - Parameters:
    ///   - sources: each with its own worker.
    ///   - executable: path of `hcs-vendor-worker`.
    ///   - hostEnvironment: what a worker may have of the agent's environment: `LD_LIBRARY_PATH` is passed on.
    ///   - sweepsPerInventory: how often the device lists are read again.
    ///   - numaNode: the host's own word on a PCI slot (sysfs, or the simulated host), where the library does not tell.
    ///   - measured: a measurement that holds for the device as it is now.
    package init(
        sources: [VendorSource], executable: String, catalog: Catalog = .builtIn, timing: WorkerTiming = WorkerTiming(),
        hostEnvironment: [String: String] = [:], sweepsPerInventory: Int = 30,
        numaNode: @escaping @Sendable (PCIAddress, VendorSource) -> Int? = { _, _ in nil },
        measured: @escaping @Sendable (DeviceInventory, VendorSource) -> MeasuredFingerprint? = { _, _ in nil }
    ) {
        workers = sources.map {
            VendorWorker(source: $0, executable: executable, timing: timing, hostEnvironment: hostEnvironment)
        }
        self.catalog = catalog
        self.numaNode = numaNode
        self.measured = measured
        self.sweepsPerInventory = max(1, sweepsPerInventory)
        // A worker in good health answers inventory and sample well within one deadline; the margin is for our own work.
        patience = timing.call + .milliseconds(250)
        dropped = Array(repeating: 0, count: sources.count)
        skipped = Array(repeating: [], count: sources.count)
    }

    /// The devices known now, those that have gone included, by vendor and index. Reads the libraries' lists again; a
    /// vendor that does not answer in time keeps the devices it had and may add some by the next call.
    package func inventory() async -> [Device] {
        _ = await pollAll(inventory: true)
        return devices
    }

    /// The devices once every library has answered or was given up. A start may take many seconds (`WorkerTiming.start`):
    /// for whoever has the time, as `hcs doctor` has.
    package func settledInventory() async -> [Device] {
        _ = await pollAll(inventory: true)
        for task in Array(polls.values) { _ = await task.value }
        return devices
    }

    /// The devices known now, without asking anybody.
    package var devices: [Device] {
        known.values.map(\.device).sorted {
            ($0.simulated ? 1 : 0, $0.vendor.code, $0.index, $0.id) < (
                $1.simulated ? 1 : 0, $1.vendor.code, $1.index, $1.id
            )
        }
    }

    /// Where a device comes from and its highest clock: what a measurement needs besides the device.
    package func origin(of id: DeviceID) -> (source: VendorSource, maximumClockMHz: UInt32?)? {
        known[id].map { (workers[$0.source].source, $0.maximumClockMHz) }
    }

    /// One pass. Every so many passes it reads the device lists as well.
    package func sample() async -> DeviceSweep {
        sweeps += 1
        let readings = await pollAll(inventory: sweeps % sweepsPerInventory == 0)
        var sweep = DeviceSweep()
        for (source, reading) in readings.enumerated() {
            if let samples = reading?.samples { judge(samples, of: source, into: &sweep) }
            sweep.workers.append(status(of: source))
        }
        return sweep
    }

    /// How every source is doing, without asking anybody.
    package var statuses: [VendorStatus] { workers.indices.map { status(of: $0) } }

    /// Which library each source opened and what it lacks, for `hcs doctor`; nil where none is open.
    package func symbols() async -> [(source: VendorSource, report: SymbolReport?)] {
        var reports: [(VendorSource, SymbolReport?)] = []
        for worker in workers { reports.append((worker.source, await worker.symbols)) }
        return reports
    }

    /// Ends all workers; call once, last.
    package func stop() async {
        await withTaskGroup { group in
            for worker in workers { group.addTask { await worker.stop() } }
        }
    }
}

extension DeviceManager {
    /// Asks every source and waits `patience` for each, all at once. Nil: it did not answer in time (it is starting, or
    /// hangs); its poll goes on, its inventory is taken when it comes, its samples are not: they would be old.
    private func pollAll(inventory: Bool) async -> [VendorReading?] {
        var running: [Task<VendorReading, Never>] = []
        for source in workers.indices { running.append(poll(source, inventory: inventory)) }
        return await withTaskGroup(of: (Int, VendorReading?).self) { [patience] group in
            for (source, task) in running.enumerated() {
                group.addTask { (source, await value(of: task, within: patience)) }
            }
            var readings = [VendorReading?](repeating: nil, count: running.count)
            for await (source, reading) in group { readings[source] = reading }
            return readings
        }
    }

    /// One poll of a source at a time: a second caller waits for the first one's.
    private func poll(_ source: Int, inventory: Bool) -> Task<VendorReading, Never> {
        if let running = polls[source] { return running }
        let worker = workers[source]
        let task = Task {
            let reading = await worker.poll(inventory: inventory)
            self.finished(source, reading)
            return reading
        }
        polls[source] = task
        return task
    }

    private func finished(_ source: Int, _ reading: VendorReading) {
        polls[source] = nil
        if let inventory = reading.inventory { take(inventory, of: source) }
    }

    private func take(_ inventory: VendorInventory, of source: Int) {
        var skips = inventory.skipped
        let listed = Set(inventory.devices.map(\.id))
        for (id, entry) in known where entry.source == source && !listed.contains(id) {
            // A part that nobody has any more is not lost: that fault would stay until somebody clears it.
            if inventory.retires(id, partOf: entry.device.details.partition?.card) {
                known[id] = nil
            } else {
                known[id]?.isGone = true
            }
        }
        for found in inventory.devices {
            if let entry = known[found.id], entry.source != source {
                skips.append("device \(found.index): its identity \(found.id) is a device's of another source")
                continue
            }
            known[found.id] = Known(
                device: device(found, of: workers[source].source), source: source,
                maximumClockMHz: found.maximumClockMHz, isGone: false)
        }
        skipped[source] = skips
        let gone = known.values.filter { $0.source == source && $0.isGone }.map(\.device.id).sorted()
        let excess = inventory.devices.count + gone.count - Self.rememberedDevices
        for id in gone.prefix(max(0, excess)) { known[id] = nil }
    }

    private func device(_ found: DeviceInventory, of source: VendorSource) -> Device {
        var numa = found.numaNode
        if numa == nil, let pci = found.pci { numa = numaNode(pci, source) }
        var fingerprint = catalog.fingerprint(of: found, vendor: source.vendor)
        fingerprint.measured = measured(found, source)
        return Device(
            id: found.id, vendor: source.vendor, model: found.name, index: found.index, memory: found.memory,
            pci: found.pci, numaNode: numa, fingerprint: fingerprint,
            driverVersion: found.driverVersion, details: found.details, simulated: source.isSimulated)
    }

    private func judge(_ samples: [RawSample], of source: Int, into sweep: inout DeviceSweep) {
        for raw in samples {
            guard let entry = known[raw.id], entry.source == source else { continue }
            let (sample, implausible) = Plausibility.judge(raw, memory: entry.device.memory)
            sweep.samples[raw.id] = sample
            dropped[source] += UInt64(implausible)
        }
        for (id, entry) in known where entry.source == source && entry.isGone {
            sweep.samples[id] = DeviceSample(vendorHealth: .lost)
        }
    }

    private func status(of source: Int) -> VendorStatus {
        var status = workers[source].status
        status.droppedValues = dropped[source]
        status.skippedDevices = skipped[source]
        return status
    }
}
