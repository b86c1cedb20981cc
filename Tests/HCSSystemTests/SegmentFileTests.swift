import CHCSSegment
import CHCSSystem
import Glibc
import HCSModel
import HCSTestSupport
import Synchronization
import Testing

@testable import HCSSystem

@Suite struct SegmentFileTests {
    let directory: TemporaryDirectory
    let workload: WorkloadID
    let first = SegmentDevice(
        vendor: .nvidia, id: DeviceID("GPU-1"), hostIndex: 3, physical: .gibibytes(80), limit: .gibibytes(8))
    let second = SegmentDevice(
        vendor: .hygon, id: DeviceID("0123456789abcdef"), hostIndex: 0, physical: .zero, limit: .gibibytes(4))

    init() throws {
        directory = try TemporaryDirectory()
        var generator = SystemRandomNumberGenerator()
        workload = .random(using: &generator)
    }

    var segments: String { directory.file("hcs") }
    var path: String { "\(segments)/\(workload)" }

    func make(group: Bool = false, totalLimit: ByteCount? = nil) throws -> SegmentFile {
        try SegmentFile.create(
            directory: segments, workload: workload, owner: (geteuid(), getegid()), group: group,
            devices: [first, second], totalLimit: totalLimit)
    }

    func mode(_ path: String) -> UInt32 {
        var status = stat()
        return stat(path, &status) == 0 ? status.st_mode & 0o7777 : 0
    }

    /// What a workload's process would do to its slot, from a second mapping.
    func change(_ body: (UnsafeMutablePointer<hcs_segment>) throws -> Void) throws {
        let segment = try SegmentFile.open(path: path)
        try body(segment.map)
    }

    func fillSlot(
        _ index: UInt32, of segment: UnsafeMutablePointer<hcs_segment>, pid: Int32, startTime: UInt64,
        namespace: UInt64? = nil,
        used: UInt64
    ) throws {
        let slot = try #require(hcs_segment_slot_at(segment, index))
        slot.pointee.pid = UInt32(pid)
        slot.pointee.start_time = startTime
        slot.pointee.pid_namespace = namespace ?? Procfs().pidNamespace()
        slot.pointee.generation += 1
        slot.pointee.used.0 = used
        slot.pointee.overhead_bytes.0 = 5
        hcs_store_u32(&slot.pointee.state, HCS_SLOT_LIVE.rawValue)
        let device = try #require(hcs_segment_device_at(segment, 0))
        _ = hcs_add_u64(&device.pointee.used, used)
        hcs_raise(&device.pointee.peak, used)
    }

    @Test func `a new segment is what its creator asked for, with exact modes whatever the umask`() throws {
        let before = umask(0o077)
        defer { umask(before) }
        let segment = try make(totalLimit: .gibibytes(10))
        let snapshot = try segment.snapshot()
        #expect(snapshot.workload == workload.text)
        #expect(snapshot.devices.map(\.device) == [first, second])
        #expect(snapshot.totalLimit == .gibibytes(10))
        #expect(snapshot.slots.isEmpty && snapshot.problems.isEmpty)
        #expect(mode(segments) == 0o711)
        #expect(mode(path) == 0o600)
        #expect(SegmentFile.workloads(in: segments) == [workload])
    }

    @Test func `a workload group may use the segment when that is asked for`() throws {
        _ = try make(group: true)
        #expect(mode(path) == 0o660)
    }

    @Test func `an existing file is never overwritten`() throws {
        let segment = try make()
        #expect(throws: SystemError.self) { _ = try make() }
        #expect(try segment.snapshot().devices.count == 2)
        #expect(mode(path) == 0o600)
    }

    @Test func `a directory that others may write is refused`() throws {
        mkdir(segments, 0o755)
        chmod(segments, 0o777)
        let error = #expect(throws: SystemError.self) { _ = try make() }
        #expect(error?.code == .invalid)
    }

    @Test(arguments: ["", "white space", String(repeating: "x", count: 64), "umlaut-ä", "a\nb"])
    func `a device id that does not fit the entry is refused and leaves no file`(id: String) {
        var device = first
        device.id = DeviceID(id)
        let error = #expect(throws: SystemError.self) {
            _ = try SegmentFile.create(
                directory: segments, workload: workload, owner: (geteuid(), getegid()), devices: [device])
        }
        #expect(error?.code == .invalid)
        #expect(access(path, F_OK) != 0)
    }

    @Test func `a limit is changed in place and a foreign change is visible`() throws {
        let segment = try make(totalLimit: .gibibytes(10))
        try segment.setLimit(.gibibytes(2), of: first.id, vendor: .nvidia)
        try segment.setTotalLimit(.gibibytes(3))
        #expect(try segment.snapshot().devices[0].device.limit == .gibibytes(2))
        #expect(try segment.snapshot().totalLimit == .gibibytes(3))
        #expect(throws: SystemError.self) { try segment.setLimit(.zero, of: first.id, vendor: .ascend) }
        try change { hcs_store_u64(&$0.pointee.devices.1.limit, 77) }
        #expect(try segment.snapshot().devices[1].device.limit == ByteCount(77))
    }

    @Test func `a segment without a total cap cannot be given one`() throws {
        let segment = try make()
        let error = #expect(throws: SystemError.self) { try segment.setTotalLimit(.gibibytes(3)) }
        #expect(error?.code == .unsupported)
    }

    @Test func `a snapshot has each process with its use by device`() throws {
        let segment = try make()
        try change { try fillSlot(7, of: $0, pid: getpid(), startTime: 11, used: 1000) }
        let snapshot = try segment.snapshot()
        let slot = try #require(snapshot.slots.first)
        #expect(slot.index == 7 && slot.pid == UInt32(getpid()) && slot.startTime == 11)
        #expect(slot.used == [first.id: ByteCount(1000)])
        #expect(snapshot.overhead(on: first.id) == ByteCount(5))
        #expect(
            snapshot.usage.first
                == DeviceUsage(
                    device: first.id, used: ByteCount(1000), peak: ByteCount(1000), quota: .gibibytes(8), denied: 0))
    }

    @Test func `hostile contents are told and never trusted`() throws {
        let segment = try make()
        try change { map in
            map.pointee.devices.0.vendor = 99
            map.pointee.devices.2.state = HCS_DEVICE_READY.rawValue  // no id
            map.pointee.devices.2.vendor = 1
            memset(&map.pointee.devices.3, 0xff, MemoryLayout<hcs_segment_device>.size)
            map.pointee.slots.0.state = 17
            map.pointee.slots.1.state = HCS_SLOT_LIVE.rawValue
            map.pointee.slots.1.used.1 = .max
            map.pointee.slots.1.overhead_bytes.1 = .max
            map.pointee.slots.2.state = HCS_SLOT_LIVE.rawValue
            map.pointee.slots.2.overhead_bytes.1 = .max
            memset(&map.pointee.workload, 0x41, 64)
        }
        let snapshot = try segment.snapshot()
        #expect(snapshot.devices.map(\.device.id) == [second.id])
        #expect(snapshot.problems.count == 4)
        #expect(snapshot.workload.isEmpty)
        #expect(snapshot.overhead(on: second.id) == ByteCount(.max))
        _ = try segment.reap()
        #expect(try segment.snapshot().devices[0].used == .zero)
    }

    @Test func `every byte of a segment may be noise`() throws {
        let segment = try make()
        var generator = SystemRandomNumberGenerator()
        try change { map in
            let bytes = UnsafeMutableRawBufferPointer(start: map, count: SegmentFile.size)
            for offset in stride(from: 48, to: bytes.count - 8, by: 8) {
                bytes.storeBytes(of: generator.next(), toByteOffset: offset, as: UInt64.self)
            }
            // Some that look alive, so that the reaper has work.
            for index: UInt32 in 0..<64 { hcs_segment_slot_at(map, index)?.pointee.state = HCS_SLOT_LIVE.rawValue }
        }
        _ = try segment.snapshot()
        #expect(try segment.reap().count == 64)
        _ = try segment.snapshot()
    }

    @Test func `a truncated segment is an error and does not end the agent`() throws {
        let segment = try make()
        truncate(path, 4096)
        #expect(throws: SystemError.self) { _ = try segment.snapshot() }
        #expect(throws: SystemError.self) { _ = try segment.reap() }
        let error = #expect(throws: SystemError.self) { try segment.setLimit(.zero, of: first.id, vendor: .nvidia) }
        #expect(error?.code == .truncated)
        truncate(path, off_t(SegmentFile.size))
        #expect(try segment.snapshot().devices.isEmpty == false)
    }

    @Test func `an owner who cuts and grows the file all the time does not end the agent`() throws {
        let segment = try make()
        let stop = Atomic(false)
        let path = self.path
        // Its own thread: it never waits, and the pool has few.
        let vandal = try WorkerThread(name: "vandal") {
            while !stop.load(ordering: .acquiring) {
                truncate(path, 0)
                truncate(path, off_t(SegmentFile.size))
            }
        }
        defer {
            stop.store(true, ordering: .releasing)
            vandal.join()
        }
        var refused = 0
        for _ in 0..<200 {
            do {
                _ = try segment.reap()
                try segment.setLimit(.zero, of: first.id, vendor: .nvidia)
            } catch { refused += 1 }
        }
        #expect(refused > 0)
    }

    // MARK: Opening

    @Test func `an agent that starts again finds the segment`() throws {
        do { _ = try make() }
        let segment = try SegmentFile.open(path: path, owner: geteuid())
        #expect(try segment.snapshot().devices.count == 2)
        #expect(throws: SystemError.self) { _ = try SegmentFile.open(path: path, owner: geteuid() + 1) }
    }

    @Test(arguments: [
        "link", "fifo", "directory", "short", "long", "magic", "version", "layout", "world", "hardlink", "absent",
    ])
    func `what is no segment is refused`(kind: String) throws {
        do { _ = try make() }
        var target = directory.file("target")
        switch kind {
        case "link": symlink(path, target)
        case "fifo": mkfifo(target, 0o600)
        case "directory": mkdir(target, 0o700)
        case "absent": break
        default:
            target = path
            switch kind {
            case "short": truncate(path, 100)
            case "long": truncate(path, off_t(SegmentFile.size) + 1)
            case "world": chmod(path, 0o666)
            case "hardlink": link(path, directory.file("other"))
            default:
                try change { map in
                    switch kind {
                    case "magic": map.pointee.magic = 0
                    case "version": map.pointee.version_major = 2
                    default: map.pointee.slot_capacity = .max
                    }
                }
            }
        }
        #expect(throws: SystemError.self) { _ = try SegmentFile.open(path: target) }
    }

    @Test func `removal removes this segment and not another at its place`() throws {
        let segment = try make()
        rename(path, directory.file("aside"))
        try segment.unlink()  // gone already: fine
        try directory.write("other", to: "hcs/\(workload)")
        #expect(throws: SystemError.self) { try segment.unlink() }
        rename(directory.file("aside"), path)
        try segment.unlink()
        #expect(access(path, F_OK) != 0)
    }

    // MARK: Reaping

    /// A process that ended: its pid and start time.
    func deadProcess() throws -> (pid: Int32, startTime: UInt64) {
        let child = try ProcessSpawner(path: "/bin/sleep", arguments: ["60"]).spawn()
        let startTime = try Procfs().stat(of: child.pid).startTime
        try child.signal(SIGKILL)
        #expect(try child.wait(milliseconds: 10_000)?.signal == SIGKILL)
        return (child.pid, startTime)
    }

    @Test func `a dead process's memory is given back, from the device and from the total`() throws {
        let segment = try make(totalLimit: .gibibytes(10))
        let dead = try deadProcess()
        try change { map in
            try fillSlot(0, of: map, pid: dead.pid, startTime: dead.startTime, used: 600)
            try fillSlot(1, of: map, pid: getpid(), startTime: try Procfs().stat(of: getpid()).startTime, used: 70)
            map.pointee.total_used = 670
        }
        #expect(try segment.reap() == [ReapedSlot(index: 0, pid: UInt32(dead.pid), bytes: [first.id: ByteCount(600)])])
        let snapshot = try segment.snapshot()
        #expect(snapshot.devices[0].used == ByteCount(70))
        #expect(snapshot.totalUsed == ByteCount(70))
        #expect(snapshot.slots.map(\.index) == [1])
        try change { #expect($0.pointee.slots.0.overhead_bytes.0 == 0, "the next owner starts from nothing") }
        #expect(try segment.reap().isEmpty)
    }

    @Test func `a process that reuses a dead one's pid does not keep its memory`() throws {
        let segment = try make()
        try change { try fillSlot(0, of: $0, pid: getpid(), startTime: 1, used: 600) }
        #expect(try segment.reap().count == 1)
    }

    @Test func `a slot whose lock is held is left alone, whatever its pid says`() throws {
        let segment = try make()
        let dead = try deadProcess()
        try change { try fillSlot(4, of: $0, pid: dead.pid, startTime: dead.startTime, used: 600) }
        let holder = try LockHolder(path: path, offset: hcs_slot_offset(4))
        #expect(try segment.reap().isEmpty)
        #expect(try segment.liveSlotCount() == 1)
        try holder.end()
        #expect(try segment.liveSlotCount() == 0)
        #expect(try segment.reap().count == 1)
        #expect(try segment.snapshot().devices[0].used == .zero)
    }

    @Test func `the lock of a slot is not kept after a pass`() throws {
        let segment = try make()
        let dead = try deadProcess()
        try change { try fillSlot(4, of: $0, pid: dead.pid, startTime: dead.startTime, used: 600) }
        _ = try segment.reap()
        // Another process can claim it.
        let holder = try LockHolder(path: path, offset: hcs_slot_offset(4))
        try holder.end()
    }

    @Test func `a process of an unseen pid namespace is dead once its lock is free`() throws {
        let segment = try make()
        try change { try fillSlot(0, of: $0, pid: 1, startTime: 1, namespace: 4_000_000_000, used: 600) }
        #expect(try segment.reap().count == 1)
    }

    @Test func `what a process killed within an operation left over is repaired when all is quiet`() throws {
        let segment = try make(totalLimit: .gibibytes(10))
        let startTime = try Procfs().stat(of: getpid()).startTime
        try change { map in
            try fillSlot(1, of: map, pid: getpid(), startTime: startTime, used: 70)
            map.pointee.devices.0.used += 500
            map.pointee.total_used = 570
            map.pointee.slots.1.begin = 3
            map.pointee.slots.1.end = 2
        }
        _ = try segment.reap()
        #expect(try segment.snapshot().devices[0].used == ByteCount(570), "an operation is under way: not now")
        #expect(try segment.snapshot().slots.first?.isBusy == true)
        try change { $0.pointee.slots.1.end = 3 }
        _ = try segment.reap()
        #expect(try segment.snapshot().devices[0].used == ByteCount(70))
        #expect(try segment.snapshot().totalUsed == ByteCount(70))
    }

    @Test func `a residue in the total alone is repaired too`() throws {
        let segment = try make(totalLimit: .gibibytes(10))
        let startTime = try Procfs().stat(of: getpid()).startTime
        try change { map in
            try fillSlot(1, of: map, pid: getpid(), startTime: startTime, used: 70)
            map.pointee.total_used = 570
        }
        _ = try segment.reap()
        #expect(try segment.snapshot().totalUsed == ByteCount(70))
        #expect(try segment.snapshot().devices[0].used == ByteCount(70))
    }
}

/// A child that holds the lock of one byte of a file. A process of its own: POSIX locks do not conflict within one.
private struct LockHolder {
    let child: ChildProcess
    let socket: Int32

    init(path: String, offset: UInt64) throws {
        // perl-base is part of every Debian; struct flock on 64-bit Linux: two shorts, padding, two 64-bit, a pid.
        let script = """
            use Fcntl; open(F, '+<', $ARGV[0]) or die; my $l = pack('s s x4 q q l x4', F_WRLCK, 0, $ARGV[1], 1, 0);
            fcntl(F, F_SETLK, $l) or die; $| = 1; print 'x'; sysread(STDOUT, my $b, 1);
            """
        var pair: [Int32] = [0, 0]
        #expect(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &pair) == 0)
        child = try ProcessSpawner(path: "/usr/bin/perl", arguments: ["-e", script, path, String(offset)])
            .spawn(output: pair[1])
        close(pair[1])
        socket = pair[0]
        var byte: UInt8 = 0
        try #require(read(socket, &byte, 1) == 1, "perl took the lock")
    }

    func end() throws {
        try child.signal(SIGKILL)
        #expect(try child.wait(milliseconds: 10_000) != nil)
        close(socket)
    }
}
