import CVendorABI
import HCSModel

/// Hygon DCU through its fork of ROCm SMI, and AMD Instinct through the original (vendor ABI reference 3.1). Both are of
/// vendor `hygon`, the one whose runtime is HIP; an AMD card says so in its name and its maker.
package final class RSMIBackend: VendorBackend {
    private var library: RSMILibrary?
    private var virtual: HydmiLibrary?
    /// The devices of the last inventory, and those lost since.
    private var devices: [RSMIDevice] = []
    private var isFresh = false
    package private(set) var symbols = SymbolReport(library: HCS_RSMI_LIBRARY, present: 0, missing: [])

    package static var directories: [String] { RSMILibrary.directories }

    package init() {}

    package func open(_ search: LibrarySearch) throws(DeviceError) {
        close()
        let library = try RSMILibrary(search)
        symbols = library.symbols
        try symbols.require(["rsmi_init", "rsmi_num_monitor_devices", "rsmi_dev_memory_total_get"])
        try library.start()
        self.library = library
        if library.build == .hygon { virtual = HydmiLibrary(search) }
        isFresh = true
    }

    package func inventory() throws(DeviceError) -> VendorInventory {
        let library = try opened()
        if !isFresh { try restart(library) }
        isFresh = false
        let listing = try list(library)
        try check(library)
        devices = listing.devices
        return listing.inventory
    }

    /// A device that answers no more may have moved, because its driver was loaded again: the library is started anew
    /// and asked where it is now, once. A part that its card has no more is asked no more.
    package func sample() throws(DeviceError) -> [RawSample] {
        let library = try opened()
        var samples = measure(library)
        try check(library)
        guard zip(devices, samples).contains(where: { !$0.isLost && $1.health == .lost }) else { return samples }
        try restart(library)
        let now = try list(library)
        devices = devices.compactMap { device in
            if let found = now.devices.first(where: { $0.id == device.id }) { return found }
            return now.inventory.retires(device.id, partOf: device.card) ? nil : device.lost
        }
        samples = measure(library)
        try check(library)
        return samples
    }

    package func close() {
        library?.stop()
        library = nil
        virtual = nil
        devices = []
    }
}

extension RSMIBackend {
    private func opened() throws(DeviceError) -> RSMILibrary {
        guard let library else { throw DeviceError(.callFailed, "ROCm SMI is not open") }
        return library
    }

    /// ROCm SMI looks for devices when it starts and never again.
    private func restart(_ library: RSMILibrary) throws(DeviceError) {
        library.stop()
        do {
            try library.start()
        } catch {
            throw DeviceError(.libraryStale, error.message, vendorCode: error.vendorCode)
        }
    }

    private func list(_ library: RSMILibrary) throws(DeviceError) -> RSMIListing {
        try RSMIListing(library, virtual, wasCut: devices.contains { $0.virtual != nil })
    }

    private func check(_ library: RSMILibrary) throws(DeviceError) {
        guard !library.isStale else {
            throw library.failure(.libraryStale, "ROCm SMI", RSMI_STATUS_INIT_ERROR)
        }
    }

    private func measure(_ library: RSMILibrary) -> [RawSample] {
        let processes = RSMIProcesses(library)
        return devices.indices.map { position in
            devices[position].measure(library, virtual, processes)
        }
    }
}
