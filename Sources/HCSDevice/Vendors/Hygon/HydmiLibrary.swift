import CVendorABI
import HCSSystem

/// Hygon's libhydmi: the virtual DCUs that cards are cut into. Where it is not there, no card is cut as far as anybody
/// knows.
final class HydmiLibrary {
    struct VirtualDevice: Equatable {
        /// As VHCU_VISIBLE_DEVICES and the files of /etc/vdev count them; stays with it for its life.
        var number: Int32
        var card: UInt32
        var units: Int
        var memory: UInt64
    }

    private static let directories = ["/opt/hyhal/lib", "/usr/local/hyhal/lib"]
    /// Numbers tried: they have gaps where one was destroyed.
    private static let numberLimit: Int32 = 256

    private let library: DynamicLibrary
    private let table: hcs_hydmi_table

    init?(_ search: LibrarySearch) {
        guard
            let library = try? search.open(
                names: [HCS_HYDMI_LIBRARY], paths: Self.directories.map { "\($0)/\(HCS_HYDMI_LIBRARY)" })
        else { return nil }
        var table = hcs_hydmi_table()
        _ = hcs_hydmi_load(library.handle, &table)
        guard table.get_vdevice_count != nil, table.get_vdevice_info != nil else { return nil }
        self.library = library
        self.table = table
    }

    /// Those there are, and whether that is all of them; nil: it does not tell.
    func devices() -> (found: [VirtualDevice], areAll: Bool)? {
        var count: Int32 = 0
        guard table.get_vdevice_count?(&count) == DMI_STATUS_SUCCESS else { return nil }
        var found: [VirtualDevice] = []
        for number in 0..<Self.numberLimit where found.count < min(Int(count), WorkerProtocol.maximumDevices) {
            guard let info = info(number), let card = UInt32(exactly: info.device_id),
                (1...1024).contains(info.compute_unit_count)
            else { continue }
            found.append(
                VirtualDevice(
                    number: number, card: card, units: Int(info.compute_unit_count),
                    memory: UInt64(bitPattern: Int64(info.global_mem_size))))
        }
        return (found, found.count >= Int(count))
    }

    /// Compute units of a whole card.
    func units(ofCard index: UInt32) -> Int? {
        var device = hcs_hydmi_device()
        guard let index = Int32(exactly: index),
            table.get_device_info?(index, &device) == DMI_STATUS_SUCCESS,
            (1...1024).contains(device.info.compute_unit_count)
        else { return nil }
        return Int(device.info.compute_unit_count)
    }

    /// Nil where there is no such device any more.
    func usage(of number: Int32) -> (memory: UInt64, busy: Double?)? {
        guard let info = info(number) else { return nil }
        var percent: Int32 = 0
        let isKnown = table.get_vdev_busy_percent?(number, &percent) == DMI_STATUS_SUCCESS
        return (UInt64(bitPattern: Int64(info.usage_mem_size)), isKnown ? Double(percent) : nil)
    }

    private func info(_ number: Int32) -> dmiDeviceInfo? {
        var device = hcs_hydmi_device()
        return table.get_vdevice_info?(number, &device) == DMI_STATUS_SUCCESS ? device.info : nil
    }
}
