internal import CHCSSegment
internal import Glibc
internal import HCSModel

/// A private copy of a segment's bytes: nobody changes it while it is read.
struct SegmentImage: ~Copyable {
    let segment: UnsafeMutablePointer<hcs_segment>

    /// Reads the whole file; short of it is `.truncated`.
    init(reading file: borrowing Descriptor, path: String) throws(SystemError) {
        segment = .allocate(capacity: 1)
        let raw = UnsafeMutableRawPointer(segment)
        var done = 0
        while done < SegmentFile.size {
            let count = retrying { pread(file.number, raw + done, SegmentFile.size - done, off_t(done)) }
            guard count > 0 else {
                let number = errno  // The memory is given back by deinit: every property is set.
                guard count == 0 else { throw .failed("read \(path)", errno: number) }
                throw SystemError(.truncated, "\(path) ends after \(done) bytes instead of \(SegmentFile.size)")
            }
            done += count
        }
    }

    deinit { segment.deallocate() }

    func snapshot() -> SegmentSnapshot {
        var problems: [String] = []
        var devices: [SegmentSnapshot.Device] = []
        var ids: [(index: UInt32, id: DeviceID)] = []
        for index in 0..<HCS_SEGMENT_DEVICES {
            guard let entry = hcs_segment_device_at(segment, index), entry.pointee.state != HCS_DEVICE_EMPTY.rawValue
            else { continue }
            guard let device = Self.device(entry.pointee) else {
                problems.append("device entry \(index) is damaged")
                continue
            }
            guard !ids.contains(where: { $0.id == device.id }) else {
                problems.append("device entry \(index) repeats \(device.id)")
                continue
            }
            ids.append((index, device.id))
            devices.append(
                SegmentSnapshot.Device(
                    device: device, used: ByteCount(entry.pointee.used), peak: ByteCount(entry.pointee.peak),
                    deniedRequests: entry.pointee.denied, lastDenied: ByteCount(entry.pointee.denied_bytes)))
        }
        var slots: [SegmentSnapshot.Slot] = []
        for index in 0..<HCS_SEGMENT_SLOTS {
            guard let slot = hcs_segment_slot_at(segment, index), slot.pointee.state != HCS_SLOT_FREE.rawValue else {
                continue
            }
            guard slot.pointee.state == HCS_SLOT_LIVE.rawValue else {
                problems.append("slot \(index) has the state \(slot.pointee.state)")
                continue
            }
            slots.append(Self.slot(slot, index: index, devices: ids))
        }
        let limit = segment.pointee.total_limit
        return SegmentSnapshot(
            workload: Self.text(segment.pointee.workload) ?? "", devices: devices, slots: slots,
            totalLimit: limit == .max ? nil : ByteCount(limit), totalUsed: ByteCount(segment.pointee.total_used),
            problems: problems)
    }

    private static func slot(
        _ slot: UnsafeMutablePointer<hcs_segment_slot>, index: UInt32, devices: [(index: UInt32, id: DeviceID)]
    ) -> SegmentSnapshot.Slot {
        var used: [DeviceID: ByteCount] = [:]
        var overhead: [DeviceID: ByteCount] = [:]
        for device in devices {
            let bytes = hcs_slot_used(slot, device.index)
            if bytes > 0 { used[device.id] = ByteCount(bytes) }
            let context = hcs_slot_overhead(slot, device.index)
            if context > 0 { overhead[device.id] = ByteCount(context) }
        }
        return SegmentSnapshot.Slot(
            index: Int(index), pid: slot.pointee.pid, startTime: slot.pointee.start_time,
            pidNamespace: slot.pointee.pid_namespace, generation: slot.pointee.generation,
            isBusy: slot.pointee.begin != slot.pointee.end, used: used, overhead: overhead)
    }

    /// The entry as a device; nil unless it is ready, of a vendor we know and with a plain id.
    static func device(_ entry: hcs_segment_device) -> SegmentDevice? {
        guard entry.state == HCS_DEVICE_READY.rawValue, let vendor = Vendor(code: entry.vendor),
            let uuid = text(entry.uuid)
        else { return nil }
        return SegmentDevice(
            vendor: vendor, id: DeviceID(uuid), hostIndex: entry.host_index, physical: ByteCount(entry.physical),
            limit: ByteCount(entry.limit))
    }

    /// A NUL-terminated text of 1 to 63 printable ASCII characters in a 64-byte field; nil for anything else.
    private static func text<Tuple>(_ field: Tuple) -> String? {
        withUnsafeBytes(of: field) { raw in
            let bytes = Array(raw.prefix { $0 != 0 })
            return bytes.count < raw.count && isPlain(bytes) ? String(decoding: bytes, as: UTF8.self) : nil
        }
    }

    static func isPlain(_ bytes: [UInt8]) -> Bool {
        (1..<Int(HCS_UUID_BYTES)).contains(bytes.count) && bytes.allSatisfy { (0x21...0x7e).contains($0) }
    }
}
