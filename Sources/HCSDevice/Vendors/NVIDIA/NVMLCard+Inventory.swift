import CVendorABI
import HCSModel

extension NVMLCard {
    /// The most instances a card has had so far.
    private static let usualSlices: UInt32 = 7
    private static let maximumInstances: UInt32 = 16

    /// The card as a device; nil where it does not tell its memory.
    func describe(driver: String?, cuda: String?) -> DeviceInventory? {
        guard let memory = memory(handle) else { return nil }
        let table = library.table
        let name = text(NVML_DEVICE_NAME_BUFFER) { table.device_get_name?(handle, $0, $1) }
        pci = address()
        readFixed()
        var device = DeviceInventory(
            id: id, name: name ?? "NVIDIA GPU", index: index, memory: ByteCount(memory.total), pci: pci,
            driverVersion: driver)
        device.cores = number(.cores) { table.device_get_num_gpu_cores?(handle, &$0) }.map { UInt32($0) }
        device.maximumClockMHz = fixed[.clockMaximum, "compute"].map { UInt32($0) }
        device.details = DeviceDetails(
            serial: text(NVML_DEVICE_SERIAL_BUFFER) { table.device_get_serial?(handle, $0, $1) },
            partNumber: text(NVML_DEVICE_PART_NUMBER_BUFFER) { table.device_get_board_part_number?(handle, $0, $1) },
            firmware: text(NVML_DEVICE_VBIOS_BUFFER) { table.device_get_vbios_version?(handle, $0, $1) },
            architecture: architecture(), runtimeVersion: cuda, links: findLinks())
        return device
    }

    private func text(_ capacity: Int32, _ call: (UnsafeMutablePointer<CChar>, UInt32) -> nvmlReturn_t?) -> String? {
        PrintableText.from(capacity: Int(capacity)) { call($0, $1) == NVML_SUCCESS }
    }

    /// The function is in the text only; the numeric fields stop at the device.
    private func address() -> PCIAddress? {
        var info = nvmlPciInfo_t()
        guard ask(.pci, { library.table.device_get_pci_info_v3?(handle, &info) }) else { return nil }
        return PrintableText.clean(field: info.busId).flatMap { PCIAddress($0) }
    }

    private func architecture() -> String? {
        var major: Int32 = 0, minor: Int32 = 0
        guard ask(.capability, { library.table.device_get_cuda_compute_capability?(handle, &major, &minor) }),
            (1..<100).contains(major), (0..<10).contains(minor)
        else { return nil }
        return "sm_\(major)\(minor)"
    }
}

extension NVMLCard {
    var isCutUp: Bool {
        number(.migMode) { current in
            var pending: UInt32 = 0
            return library.table.device_get_mig_mode?(handle, &current, &pending)
        } == 1
    }

    /// The card's MIG instances as devices, each with its share, and whether that is all of them. `skip` is told of those
    /// that cannot be one.
    func describeInstances(of card: DeviceInventory, skip: (String) -> Void)
        -> (parts: [(NVMLInstance, DeviceInventory)], areAll: Bool)
    {
        let table = library.table
        let slots = number(.migCount) { table.device_get_max_mig_device_count?(handle, &$0) }.map { UInt32($0) }
        let cardSlices = slots.flatMap { (1...Self.maximumInstances).contains($0) ? $0 : nil } ?? Self.usualSlices
        var found: [(NVMLInstance, DeviceInventory)] = []
        var areAll = true
        for slot in 0..<cardSlices {
            var handle: nvmlDevice_t?
            var result: nvmlReturn_t?
            let answered = ask(.migInstance) {
                result = table.device_get_mig_device_handle_by_index?(self.handle, slot, &handle)
                return result
            }
            guard answered, let handle else {
                // A slot that is free is "not found".
                if result != NVML_ERROR_NOT_FOUND { areAll = false }
                continue
            }
            guard let entry = describe(handle, of: card, cardSlices: cardSlices) else {
                skip("device \(index), MIG instance \(slot): it does not tell its UUID, memory or slices")
                areAll = false
                continue
            }
            found.append(entry)
        }
        if found.isEmpty { skip("device \(index): it is in MIG mode and has no instance that is a device") }
        return (Self.sharingMemory(found), areAll && !isLost)
    }

    /// Compute instances of one GPU instance have one memory together. Each gets its part of it by compute slices, so that
    /// it is not given out twice.
    private static func sharingMemory(_ parts: [(NVMLInstance, DeviceInventory)]) -> [(NVMLInstance, DeviceInventory)] {
        func slices(_ device: DeviceInventory) -> UInt64 { UInt64(device.details.partition?.slices ?? 1) }
        return parts.map { part in
            var (instance, device) = part
            guard let gpu = instance.gpu else { return part }
            let together = parts.filter { $0.0.gpu == gpu }
            guard together.count > 1 else { return part }
            instance.sharesMemory = true
            let all = together.reduce(0) { $0 + slices($1.1) }
            device.memory = ByteCount(device.memory.bytes / all * slices(device))
            return (instance, device)
        }
    }

    private func describe(_ handle: nvmlDevice_t, of card: DeviceInventory, cardSlices: UInt32)
        -> (NVMLInstance, DeviceInventory)?
    {
        let table = library.table
        let uuid = text(NVML_DEVICE_UUID_BUFFER) { table.device_get_uuid?(handle, $0, $1) }
        let name = text(NVML_DEVICE_NAME_BUFFER) { table.device_get_name?(handle, $0, $1) }
        let profile = name.flatMap { Self.profile(in: $0) }
        guard let uuid, let memory = memory(handle), let slices = slices(handle, profile),
            (1...cardSlices).contains(slices)
        else { return nil }
        let gpu = number(.gpuInstance) { table.device_get_gpu_instance_id?(handle, &$0) }
        let compute = number(.computeInstance) { table.device_get_compute_instance_id?(handle, &$0) }
        let instance = NVMLInstance(
            id: DeviceID(uuid), handle: handle, gpu: gpu.map { UInt32($0) }, compute: compute.map { UInt32($0) })
        var device = card
        device.id = instance.id
        device.memory = ByteCount(memory.total)
        // NVLink and peer access end with MIG.
        device.details.links = []
        device.details.partition = DevicePartition(
            card: self.id, profile: profile, slices: Int(slices), cardSlices: Int(cardSlices))
        return (instance, device)
    }

    /// Compute slices; by the name of the profile where the call is not there: `1c.3g.20gb` has one, `3g.20gb` three.
    private func slices(_ handle: nvmlDevice_t, _ profile: String?) -> UInt32? {
        var attributes = nvmlDeviceAttributes_t()
        if ask(.attributes, { library.table.device_get_attributes_v2?(handle, &attributes) }) {
            return attributes.computeInstanceSliceCount
        }
        return profile.flatMap { UInt32($0.prefix { $0.isNumber }) }
    }

    /// `NVIDIA A100-SXM4-40GB MIG 1g.5gb` ends with it.
    static func profile(in name: String) -> String? {
        guard let last = name.split(separator: " ").last, name.contains(" MIG "), last.utf8.count <= 32 else {
            return nil
        }
        return String(last)
    }
}
