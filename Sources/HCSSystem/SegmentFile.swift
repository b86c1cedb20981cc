internal import CHCSGuard
internal import CHCSSegment
internal import CHCSSystem
internal import Glibc
package import HCSModel

/// A workload's segment (CSources/segment/hcs_segment.h), on the agent's side.
///
/// The file belongs to the workload's user, who can write anything into it and can truncate it. So: what it says of its
/// own layout is compared and never used; snapshots are read with pread(2), which a truncated file makes short instead of
/// raising SIGBUS; and the mapping, which `setLimit`, `setTotalLimit` and `reap` touch, is guarded (CSources/guard): a
/// page that is gone while it is touched becomes `.truncated`, never the end of the agent.
///
/// One thread uses a segment at a time. POSIX locks belong to the process, and closing any descriptor of a file gives
/// back all of the process's locks on it: so an agent must hold at most one `SegmentFile` for a path.
package struct SegmentFile: ~Copyable, @unchecked Sendable {
    // Unchecked for the pointer: shared words are only touched through the header's atomics.
    package let path: String
    let file: Descriptor
    let map: UnsafeMutablePointer<hcs_segment>
    private let identity: FileIdentity
    private let guardNumber: Int32

    private struct FileIdentity: Equatable { var device: UInt64, inode: UInt64 }

    package static let size = MemoryLayout<hcs_segment>.size
    package static let deviceCapacity = Int(HCS_SEGMENT_DEVICES)
    package static let slotCapacity = Int(HCS_SEGMENT_SLOTS)

    deinit {
        hcs_guard_remove(guardNumber)
        munmap(map, Self.size)
    }

    /// Makes the segment of a workload: `directory`/`workload`, owned by the workload's user, mode 0600 (`group`: 0660).
    /// The directory is made with mode 0711 if it is not there. Pages are reserved, so that a full /dev/shm is an error
    /// here and not a SIGBUS in the workload. The magic is written last. An existing file is an error.
    package static func create(
        directory: String, workload: WorkloadID, owner: (uid: UInt32, gid: UInt32), group: Bool = false,
        devices: [SegmentDevice], totalLimit: ByteCount? = nil
    ) throws(SystemError) -> SegmentFile {
        try check(devices)
        try makeDirectory(directory)
        let path = "\(directory)/\(workload)"
        let file = try Descriptor.open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, mode: 0o600)
        do throws(SystemError) {
            let result = posix_fallocate(file.number, 0, off_t(size))
            guard result == 0 else {
                throw SystemError.failed(
                    "reserve \(size) bytes for \(path)", errno: result, hint: "is the file system full?")
            }
            let segment = try SegmentFile(path: path, file: file)
            segment.fill(workload: workload, devices: devices, totalLimit: totalLimit)
            guard fchown(segment.file.number, owner.uid, owner.gid) == 0 else {
                throw SystemError.failed("give \(path) to user \(owner.uid)", errno: errno, hint: "only root can")
            }
            guard fchmod(segment.file.number, group ? 0o660 : 0o600) == 0 else {
                throw SystemError.failed("set the mode of \(path)", errno: errno)
            }
            hcs_store_u64(&segment.map.pointee.magic, HCS_SEGMENT_MAGIC)
            return segment
        } catch {
            Glibc.unlink(path)
            throw error
        }
    }

    /// Opens an existing segment of a workload whose user is `owner` (nil: not checked), after an agent's restart.
    /// A link, a FIFO, a file of somebody else, of another size, version or layout is refused.
    package static func open(path: String, owner: UInt32? = nil) throws(SystemError) -> SegmentFile {
        let file = try Descriptor.open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY)
        let status = try file.status(of: path)
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw SystemError(.invalid, "\(path) is no segment: not a regular file")
        }
        if let owner, status.st_uid != owner {
            throw SystemError(
                .invalid, "\(path) is no segment to trust: it belongs to user \(status.st_uid), not \(owner)")
        }
        guard status.st_mode & 0o007 == 0 else {
            throw SystemError(.invalid, "\(path) is no segment to trust: its mode lets everybody in")
        }
        guard status.st_nlink <= 1 else {
            throw SystemError(.invalid, "\(path) is no segment to trust: it has \(status.st_nlink) links")
        }
        guard status.st_size == size else {
            throw SystemError(.invalid, "\(path) is no segment: \(status.st_size) bytes instead of \(size)")
        }
        let image = try SegmentImage(reading: file, path: path)
        switch UInt32(bitPattern: hcs_segment_check(image.segment, UInt64(size))) {
        case HCS_SEGMENT_OK.rawValue: break
        case HCS_SEGMENT_BAD_MAGIC.rawValue:
            throw SystemError(.invalid, "\(path) is no segment, or its creator did not finish it")
        case HCS_SEGMENT_BAD_VERSION.rawValue:
            throw SystemError(.unsupported, "\(path) has another major version than \(HCS_SEGMENT_VERSION_MAJOR)")
        default: throw SystemError(.invalid, "\(path) has another layout than this version's")
        }
        return try SegmentFile(path: path, file: file)
    }

    /// Names of the segments in the agent's directory; other files are left out. Empty where it does not exist.
    package static func workloads(in directory: String) -> [WorkloadID] {
        ((try? SmallFile.names(in: directory)) ?? []).compactMap { WorkloadID($0) }
    }

    private init(path: String, file: consuming Descriptor) throws(SystemError) {
        let status = try file.status(of: path)
        guard status.st_size == Self.size else { throw SystemError(.truncated, "\(path) has \(status.st_size) bytes") }
        guard let address = mmap(nil, Self.size, PROT_READ | PROT_WRITE, MAP_SHARED, file.number, 0),
            address != MAP_FAILED
        else { throw .failed("map \(path)", errno: errno) }
        let guardNumber = hcs_guard_add(address, Self.size)
        guard guardNumber >= 0 else {
            munmap(address, Self.size)
            throw .failed("guard the mapping of \(path)", errno: -guardNumber)
        }
        self.guardNumber = guardNumber
        self.path = path
        self.map = address.bindMemory(to: hcs_segment.self, capacity: 1)
        self.identity = FileIdentity(device: UInt64(status.st_dev), inode: UInt64(status.st_ino))
        self.file = file
    }

    /// Removes the file if the path still leads to it. Processes that have it mapped keep their memory.
    package func unlink() throws(SystemError) {
        var status = stat()
        guard lstat(path, &status) == 0 else {
            if errno == ENOENT { return }
            throw .failed("stat \(path)", errno: errno)
        }
        guard FileIdentity(device: UInt64(status.st_dev), inode: UInt64(status.st_ino)) == identity else {
            throw SystemError(.invalid, "could not remove \(path): another file is there now")
        }
        guard Glibc.unlink(path) == 0 || errno == ENOENT else { throw .failed("remove \(path)", errno: errno) }
    }

    /// Sets the quota of a device. Processes read it at every allocation; one below what is used only denies new ones.
    package func setLimit(_ limit: ByteCount, of device: DeviceID, vendor: Vendor) throws(SystemError) {
        try checkSize()
        for index in 0..<HCS_SEGMENT_DEVICES {
            guard let entry = hcs_segment_device_at(map, index), let found = SegmentImage.device(entry.pointee),
                found.id == device, found.vendor == vendor
            else { continue }
            hcs_store_u64(&entry.pointee.limit, limit.bytes)
            return try checkGuard()
        }
        try checkGuard()
        throw SystemError(.notFound, "could not set a limit in \(path): it has no \(vendor.rawValue) device \(device)")
    }

    /// Sets the cap over all devices of a segment that has one. A segment without it never counted the sum: an error.
    package func setTotalLimit(_ limit: ByteCount) throws(SystemError) {
        try checkSize()
        guard hcs_load_u64(&map.pointee.total_limit) != .max, limit.bytes != .max else {
            try checkGuard()
            throw SystemError(.unsupported, "could not set a total limit in \(path): it was made without one")
        }
        hcs_store_u64(&map.pointee.total_limit, limit.bytes)
        try checkGuard()
    }

    /// What the segment says now. `.truncated` when its owner cut the file. Never raises SIGBUS. Words are copied by the
    /// kernel, not loaded atomically: one that changes during the copy may be old or new.
    package func snapshot() throws(SystemError) -> SegmentSnapshot {
        try checkSize()
        return try SegmentImage(reading: file, path: path).snapshot()
    }

    /// Throws when a page of the mapping was gone while it was touched, now or earlier: the mapping is no segment any more.
    func checkGuard() throws(SystemError) {
        guard hcs_guard_was_hit(guardNumber) == 0 else {
            throw SystemError(
                .truncated, "\(path) was cut short while it was in use: its owner changed it; stop the workload")
        }
    }

    func checkSize() throws(SystemError) {
        try checkGuard()
        let status = try file.status(of: path)
        guard status.st_size == Self.size else {
            throw SystemError(
                .truncated,
                "\(path) has \(status.st_size) bytes instead of \(Self.size): its owner changed it; stop the workload")
        }
    }

    // MARK: Creation

    private static func check(_ devices: [SegmentDevice]) throws(SystemError) {
        guard devices.count <= deviceCapacity else {
            throw SystemError(.tooLarge, "a segment has room for \(deviceCapacity) devices, not \(devices.count)")
        }
        for device in devices where !SegmentImage.isPlain(Array(device.id.uuid.utf8)) {
            throw SystemError(
                .invalid, "device id '\(device.id.uuid.prefix(80))' is not 1 to 63 printable ASCII characters")
        }
        guard Set(devices.map { [$0.vendor.rawValue, $0.id.uuid] }).count == devices.count else {
            throw SystemError(.invalid, "a device stands twice in the list for a segment")
        }
    }

    /// 0711: a workload opens its own file by name and cannot list the others.
    private static func makeDirectory(_ path: String) throws(SystemError) {
        if mkdir(path, 0o711) == 0 {
            guard chmod(path, 0o711) == 0 else { throw .failed("set the mode of \(path)", errno: errno) }
            return
        }
        guard errno == EEXIST else { throw .failed("make the directory \(path)", errno: errno) }
        var status = stat()
        guard lstat(path, &status) == 0 else { throw .failed("stat \(path)", errno: errno) }
        guard status.st_mode & S_IFMT == S_IFDIR, status.st_uid == geteuid(), status.st_mode & 0o022 == 0 else {
            throw SystemError(
                .invalid,
                "\(path) is no directory of ours (user \(status.st_uid), mode \(String(status.st_mode & 0o7777, radix: 8))): "
                    + "remove it or choose another")
        }
    }

    private func fill(workload: WorkloadID, devices: [SegmentDevice], totalLimit: ByteCount?) {
        map.pointee.version_major = HCS_SEGMENT_VERSION_MAJOR
        map.pointee.version_minor = HCS_SEGMENT_VERSION_MINOR
        map.pointee.total_size = UInt64(Self.size)
        map.pointee.device_capacity = HCS_SEGMENT_DEVICES
        map.pointee.slot_capacity = HCS_SEGMENT_SLOTS
        map.pointee.device_size = UInt32(MemoryLayout<hcs_segment_device>.size)
        map.pointee.slot_size = UInt32(MemoryLayout<hcs_segment_slot>.size)
        map.pointee.origin = HCS_ORIGIN_AGENT.rawValue
        map.pointee.total_limit = totalLimit?.bytes ?? .max
        Self.store(workload.text, into: &map.pointee.workload)
        for (index, device) in devices.enumerated() {
            guard let entry = hcs_segment_device_at(map, UInt32(index)) else { continue }
            entry.pointee.vendor = device.vendor.code
            entry.pointee.host_index = device.hostIndex
            entry.pointee.physical = device.physical.bytes
            entry.pointee.limit = device.limit.bytes
            Self.store(device.id.uuid, into: &entry.pointee.uuid)
            hcs_store_u32(&entry.pointee.state, HCS_DEVICE_READY.rawValue)
        }
    }

    /// The array imports as a tuple; it was all zeros, so the text stays NUL-terminated.
    private static func store<Tuple>(_ text: String, into field: inout Tuple) {
        withUnsafeMutableBytes(of: &field) { raw in
            raw.copyBytes(from: Array(text.utf8.prefix(raw.count - 1)))
        }
    }
}
