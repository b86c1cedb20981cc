internal import CHCSSegment
internal import CHCSSystem
internal import Glibc
internal import HCSModel

extension SegmentFile {
    /// Takes back the slots of dead processes, then a residue that processes killed within an operation left in a device's
    /// counter. Safe beside any other reaper: a slot is only taken while this process holds its lock, and a new owner
    /// needs that lock to claim it.
    package func reap(procfs: Procfs = Procfs()) throws(SystemError) -> [ReapedSlot] {
        try checkSize()
        var reaped: [ReapedSlot] = []
        let namespaces = NamespaceProcesses(procfs: procfs)
        for index in 0..<HCS_SEGMENT_SLOTS {
            guard let slot = hcs_segment_slot_at(map, index),
                hcs_load_u32(&slot.pointee.state) == HCS_SLOT_LIVE.rawValue
            else { continue }
            let offset = hcs_slot_offset(index)
            let locked = hcs_lock_byte(file.number, offset)
            if locked == -EAGAIN { continue }  // its owner lives
            guard locked == 0 else { throw .failed("lock slot \(index) of \(path)", errno: -locked) }
            defer { hcs_unlock_byte(file.number, offset) }
            // Again under the lock: another reaper may have been here, and a new owner after it.
            guard hcs_load_u32(&slot.pointee.state) == HCS_SLOT_LIVE.rawValue, !namespaces.ownerLives(slot.pointee)
            else { continue }
            reaped.append(takeBack(slot, index: index))
        }
        for index in 0..<HCS_SEGMENT_DEVICES {
            guard let entry = hcs_segment_device_at(map, index) else { continue }
            settle(&entry.pointee.used, devices: index..<index + 1)
        }
        if hcs_load_u64(&map.pointee.total_limit) != .max {
            settle(&map.pointee.total_used, devices: 0..<HCS_SEGMENT_DEVICES)
        }
        try checkGuard()
        return reaped
    }

    /// Slots whose processes hold their lock, or live by pid and start time without it. Nothing is changed.
    package func liveSlotCount(procfs: Procfs = Procfs()) throws(SystemError) -> Int {
        let image = try SegmentImage(reading: file, path: path)
        let namespaces = NamespaceProcesses(procfs: procfs)
        var count = 0
        for index in 0..<HCS_SEGMENT_SLOTS {
            guard let slot = hcs_segment_slot_at(image.segment, index), slot.pointee.state == HCS_SLOT_LIVE.rawValue
            else { continue }
            let locked = hcs_byte_is_locked(file.number, hcs_slot_offset(index))
            guard locked >= 0 else { throw .failed("look at the lock of slot \(index) of \(path)", errno: -locked) }
            if locked == 1 || namespaces.ownerLives(slot.pointee) { count += 1 }
        }
        return count
    }

    /// The order of the header: for each device the slot, then the device, then the total; last the state.
    private func takeBack(_ slot: UnsafeMutablePointer<hcs_segment_slot>, index: UInt32) -> ReapedSlot {
        var bytes: [DeviceID: ByteCount] = [:]
        let pid = slot.pointee.pid
        let hasTotal = hcs_load_u64(&map.pointee.total_limit) != .max
        // Under way until the slot is free: whoever settles the counters now would take the same bytes off a second time.
        hcs_store_u64(&slot.pointee.begin, hcs_load_u64(&slot.pointee.begin) &+ 1)
        for deviceIndex in 0..<HCS_SEGMENT_DEVICES {
            let taken = hcs_slot_take_used(slot, deviceIndex)
            guard taken > 0, let entry = hcs_segment_device_at(map, deviceIndex) else { continue }
            hcs_give_back(&entry.pointee.used, taken)
            if hasTotal { hcs_give_back(&map.pointee.total_used, taken) }
            if let device = SegmentImage.device(entry.pointee) {
                bytes[device.id] = (bytes[device.id] ?? .zero).adding(ByteCount(taken))
            }
        }
        // The next owner does not clear it.
        withUnsafeMutableBytes(of: &slot.pointee.overhead_bytes) { raw in
            let words = raw.bindMemory(to: UInt64.self)
            for index in words.indices { hcs_store_u64(&words[index], 0) }
        }
        // What the dead had begun is over, too.
        hcs_store_u64(&slot.pointee.end, hcs_load_u64(&slot.pointee.begin))
        hcs_store_u32(&slot.pointee.state, HCS_SLOT_FREE.rawValue)
        return ReapedSlot(index: Int(index), pid: pid, bytes: bytes)
    }

    /// A process killed within an operation leaves a counter above the sum of the slots. When no slot is within an
    /// operation, before and after the sum, the rest goes. The swap fails when anybody allocated meanwhile; the next pass
    /// tries again.
    private func settle(_ counter: UnsafeMutablePointer<UInt64>, devices: Range<UInt32>) {
        guard hcs_load_u64(counter) > 0, let before = operationsWhenQuiet() else { return }
        // Within the quiet time: an earlier value may belong to another sum, and come back just in time for the swap.
        let counted = hcs_load_u64(counter)
        var sum: UInt64 = 0
        for index in 0..<HCS_SEGMENT_SLOTS {
            guard let slot = hcs_segment_slot_at(map, index) else { continue }
            for device in devices {
                let (next, overflow) = sum.addingReportingOverflow(hcs_slot_used(slot, device))
                if overflow { return }
                sum = next
            }
        }
        guard counted > sum, operationsWhenQuiet() == before else { return }
        hcs_cas_u64(counter, counted, sum)
    }

    /// Sum of the slots' operation counts (with their generations); nil while one is within an operation.
    private func operationsWhenQuiet() -> UInt64? {
        var count: UInt64 = 0
        for index in 0..<HCS_SEGMENT_SLOTS {
            guard let slot = hcs_segment_slot_at(map, index) else { continue }
            count &+= hcs_load_u64(&slot.pointee.generation)
            // Free ones too: the count must never go back, or an old one could be met again.
            // `end` first: an operation that begins between the two loads makes them differ.
            let end = hcs_load_u64(&slot.pointee.end)
            guard hcs_load_u64(&slot.pointee.begin) == end else { return nil }
            count &+= end
        }
        return count
    }
}

/// Answers whether a slot's owner lives although its lock is free: a program may close every descriptor it finds, and
/// with it the lock. Within our own pid namespace pid and start time tell. In another one the processes that we can see
/// are searched for it once per pass; what cannot be seen (an agent in a container) counts as dead, as the lock says.
private final class NamespaceProcesses {
    private let procfs: Procfs
    private let own: UInt64
    private lazy var foreign: Set<Key> = search()

    private struct Key: Hashable { var namespace: UInt64, pid: UInt32, startTime: UInt64 }

    init(procfs: Procfs) {
        self.procfs = procfs
        own = procfs.pidNamespace()
    }

    func ownerLives(_ slot: hcs_segment_slot) -> Bool {
        guard let pid = Int32(exactly: slot.pid), pid > 0 else { return false }
        if slot.pid_namespace == own || slot.pid_namespace == 0 {
            return procfs.isAlive(pid: pid, startTime: slot.start_time)
        }
        return foreign.contains(Key(namespace: slot.pid_namespace, pid: slot.pid, startTime: slot.start_time))
    }

    private func search() -> Set<Key> {
        var found: Set<Key> = []
        for pid in (try? procfs.pids()) ?? [] {
            let namespace = procfs.pidNamespace(of: String(pid))
            guard namespace != 0, namespace != own, let stat = try? procfs.stat(of: pid), stat.isRunning,
                let inner = (try? procfs.namespacePIDs(of: pid))?.last, let unsigned = UInt32(exactly: inner)
            else { continue }
            found.insert(Key(namespace: namespace, pid: unsigned, startTime: stat.startTime))
        }
        return found
    }
}
