import HCSModel
import HCSTestSupport
import Testing

@testable import HCSProbe

@Suite struct HostLineTests {
    @Test(
        arguments: [
            ("BUG: unable to handle page fault for address: ffffffffdeadbeef", .oops),
            ("BUG: kernel NULL pointer dereference, address: 0000000000000008", .oops),
            ("Unable to handle kernel paging request at virtual address dead000000000108", .oops),
            ("Internal error: Oops: 0000000096000004 [#1] SMP", .oops),
            ("kernel BUG at mm/slub.c:4523!", .oops),
            ("general protection fault, probably for non-canonical address 0xdead: 0000 [#1] PREEMPT SMP", .oops),
            ("watchdog: BUG: soft lockup - CPU#3 stuck for 23s! [nv_queue:1821]", .oops),
            ("INFO: task python:4711 blocked for more than 120 seconds.", .hungTask),
            ("INFO: task a b: c]:7 blocked for more than 241 seconds.", .hungTask),
            ("INFO: task dd:99 blocked in I/O wait for more than 122 seconds.", .hungTask),
            ("I/O error, dev sda, sector 2048 op 0x0:(READ) flags 0x0 phys_seg 1 prio class 2", .diskError),
            ("blk_update_request: I/O error, dev nvme0n1, sector 8 op 0x1:(WRITE)", .diskError),
            ("critical medium error, dev sdb, sector 77 op 0x0:(READ) flags 0x80700", .diskError),
            ("Buffer I/O error on dev dm-0, logical block 1, lost async page write", .diskError),
            ("EXT4-fs error (device sda1): ext4_find_entry:1455: inode #2: comm ls: reading directory", .diskError),
            ("EXT4-fs (nvme0n1p2): Remounting filesystem read-only", .diskError),
            (
                "XFS (nvme0n1p3): Log I/O Error (0x2) detected at xlog_ioend_work+0x6e/0x70 [xfs] (fs/xfs/xfs_log.c:1379).  Shutting down filesystem.",
                .diskError
            ),
            (
                "XFS (dm-3): Corruption of on-disk metadata (0x10) detected at x+0x1/0x2 [xfs] (fs/xfs/xfs_buf.c:1).  Shutting down filesystem.",
                .diskError
            ),
            ("XFS (md0): Filesystem has been shut down due to log error (0x2).", .diskError),
            ("XFS (sda1): Corruption of in-memory data detected.  Shutting down filesystem", .diskError),
            ("XFS (sda1): I/O Error Detected. Shutting down filesystem", .diskError),
            ("nvme nvme0: I/O 97 QID 1 timeout, completion polled", .diskError),
            ("nvme nvme12: I/O 4 QID 0 timeout, disable controller", .diskError),
            ("nvme nvme0: I/O tag 97 (1061) opcode 0x2 (Read) QID 1 timeout, reset controller", .diskError),
            (
                "nvme nvme0: I/O tag 97 (1061) opcode 0x1 (Write) QID 7 timeout, aborting req_op:WRITE(1) size:4096",
                .diskError
            ),
            ("nvme nvme1: controller is down; will reset: CSTS=0xffffffff, PCI_STATUS=0xffff", .diskError),
        ] as [(String, HostLine.Kind)])
    func `lines of the kernel about its host are known`(text: String, kind: HostLine.Kind) {
        #expect(HostLine(text)?.kind == kind)
        #expect(HostLine(text)?.message == text)
        for end in 0..<min(text.utf8.count, 15) { #expect(HostLine(String(text.prefix(end))) == nil) }
    }

    /// A process's name is at most 15 bytes, and what the kernel writes behind it is the kernel's.
    @Test(
        arguments: [
            "I/O error, dev [77]: segfault at 0 ip 0 sp 0 error 4", "kernel BUG at x[77]: segfault at 0",
            "kernel BUG at a:1![77]: segfault at 0 ip 0 sp 0 error 4 in x[1+1]",
            "INFO: task a:1 [77]: segfault at 0 ip 00007f likely on CPU 1 seconds.",
            "INFO: task a:1 b invoked oom-killer: gfp_mask=0x0", "INFO: task :1 blocked for more than x seconds.",
            "INFO: task a blocked for more than 120 seconds.", "traps: x general protection fault ip:1 sp:2 error:0",
            "general protection fault",
            "I/O error, dev loop0, sector 2048 op 0x0:(READ)", "I/O error, dev sr0, sector 0", "I/O error, dev sda",
            "I/O error, dev sda, sector x", "Buffer I/O error on dev loop1, logical block 1",
            "EXT4-fs error (device loop7): bad", "EXT4-fs warning (device sda1): x",
            "EXT4-fs (loop7): Remounting filesystem read-only", "EXT4-fs (sda1): Remounting filesystem read-only x",
            "EXT4-fs (sda1): mounted filesystem", "EXT4-fs (sda1): shut down requested (1)",
            "XFS (sda1): User initiated shutdown received. Shutting down filesystem",
            "XFS (sda1): User initiated shutdown received.",
            "XFS (sda1): Log I/O Error (0x6) detected at x (y:1).  Shutting down filesystem.",
            "XFS (sda1): Metadata I/O Error (0x4) detected at x (y:1).  Shutting down filesystem.",
            "XFS (sda1): Metadata I/O Error (0x) detected at x", "XFS (sda1): Metadata I/O Error (0x1) x",
            "XFS (sda1): metadata I/O error in x", "XFS (loop0): I/O Error Detected. Shutting down filesystem",
            "XFS (sda1): Ending clean mount", "XFS (sda1: I/O Error Detected. Shutting down filesystem",
            "nvme nvme0: 8/0/0 default/read/poll queues", "nvme nvme0: I/O 97 QID 1 aborted",
            "nvme nvme: I/O 97 QID 1 timeout, aborting", "nvme nvmex: controller is down; will reset: CSTS=0x1",
            "nvme nvme0[7]: segfault at 0 ip 0 QID 1 timeout, aborting", " BUG: unable to handle x",
            "x BUG: kernel NULL pointer dereference, address: 0", "", "NVRM: Xid (PCI:0000:3b:00): 79, x",
        ])
    func `what anybody can bring into the log, and what is no host's fault, is none`(text: String) {
        #expect(HostLine(text) == nil)
    }

    @Test func `a line's text is bounded and printable`() {
        let line = HostLine("BUG: unable to handle \u{1b}[31m" + String(repeating: "é", count: 5000))
        #expect(line?.message.utf8.count == 160 && line?.message.utf8.allSatisfy { (0x20...0x7e).contains($0) } == true)
    }
}

@Suite struct FabricManagerTests {
    private let tree: HostTree

    init() throws {
        tree = try HostTree()
        try tree.link("/proc/self/ns/pid", to: "pid:[4026531836]")
        try process(1, "systemd")
    }

    private func process(_ pid: Int32, _ name: String, state: String = "S", uid: UInt32 = 0) throws {
        try tree.process(pid, name, state: state)
        try tree.write("Name:\t\(name)\nUid:\t\(uid)\t\(uid)\t\(uid)\t\(uid)\n", "/proc/\(pid)/status")
    }

    private func switches() throws {
        try tree.function("0000:c1:00.0", vendor: "0x10de", class: "0x068000")
        try tree.function("0000:c2:00.0", vendor: "0x10de", class: "0x068000")
        try tree.function("0000:3b:00.0", vendor: "0x10de", class: "0x030200")
    }

    @Test func `a manager that is missing twice is told, again after a while, and when it is back`() throws {
        try switches()
        var source = FabricManager(options: tree.options())
        #expect(source.look().hostEvents.isEmpty, "it may be starting")
        let told = source.look().hostEvents
        #expect(told.map(\.severity) == [.error] && told[0].message.contains("2 NVSwitches"))
        #expect((0..<20).flatMap { _ in source.look().hostEvents }.count == 1, "told again")
        try process(50, "nv-fabricmanage")
        let back = source.look()
        #expect(back.hostEvents.map(\.severity) == [.info] && back.isReading)
        #expect(source.look().hostEvents.isEmpty)
    }

    @Test(arguments: [("nv-fabricmanage", "Z", 0), ("nv-fabricmanage", "S", 1000), ("nv-fabric", "S", 0)])
    func `a process that only has its name, or has ended, is no manager`(name: String, state: String, uid: UInt32)
        throws
    {
        try switches()
        try process(50, name, state: state, uid: uid)
        var source = FabricManager(options: tree.options())
        #expect(source.look().hostEvents.isEmpty)
        #expect(source.look().hostEvents.map(\.severity) == [.error])
    }

    @Test func `without NVSwitches, and where the host's processes are hidden, nothing is missing`() throws {
        var none = FabricManager(options: tree.options())
        for _ in 0..<5 { #expect(none.look().hostEvents.isEmpty && !none.look().isReading) }
        try switches()
        try tree.link("/proc/self/ns/pid", to: "pid:[4026532000]")
        var inside = FabricManager(options: tree.options())
        for _ in 0..<5 { #expect(inside.look().hostEvents.isEmpty && !inside.look().isReading) }
        try tree.link("/proc/self/ns/pid", to: "pid:[4026531836]")
        tree.remove("/proc/1/stat")
        var hidden = FabricManager(options: tree.options())
        for _ in 0..<5 { #expect(hidden.look().hostEvents.isEmpty && !hidden.look().isReading) }
    }
}
