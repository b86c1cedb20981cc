import CHCSProbe
import Glibc
import HCSModel
import HCSSystem
import HCSTestSupport
import Testing

@testable import HCSProbe

@Suite struct MachineChecksTests {
    let tree: HostTree
    init() throws { tree = try HostTree() }

    static let header = "            CPU0       CPU1       \n"
    func interrupts(_ exceptions: String, _ thresholds: String) throws {
        try tree.write(
            Self.header + "  0:         45          0   IO-APIC   2-edge      timer\n"
                + "THR: \(thresholds)   Threshold APIC interrupts\nMCE: \(exceptions)   Machine check exceptions\n"
                + "MCP:         12         13   Machine check polls\n", "/proc/interrupts")
    }

    @Test func `interrupts that grew are machine checks`() throws {
        try interrupts("   0     1", "  7  8")
        var source = MachineChecks(options: tree.options())
        #expect(source.look() == FileLook(coverage: .reads("machine check interrupts")))
        try interrupts("   1     3", "  7  18")
        let found = source.look().hostEvents
        #expect(found.map(\.severity) == [.error, .warning] && found.map(\.count) == [3, 10])
        #expect(found.allSatisfy { $0.kind == .machineCheck && $0.pci == nil })
        #expect(source.look().events.isEmpty)
    }

    @Test func `the program tells severity by the status register`() throws {
        var source = MachineChecks(options: tree.options())
        var raw = hcs_machine_check_event()
        raw.cpu = 3
        raw.bank = 7
        raw.address = 0xabcd000
        // Corrected; uncorrected with address; context corrupt; deferred (AMD).
        for (status, severity): (UInt64, HostEvent.Severity) in [
            (0x9c00_0040_0001_0090, .warning), (0xac00_0040_0001_0090, .error), (0xae00_0040_0001_0090, .fatal),
            (0x8c00_1040_0001_0090, .error),
        ] {
            raw.status = status
            let found = try #require(event(&source, raw))
            #expect(found.severity == severity && found.codes == ["0x" + String(status, radix: 16)])
            #expect(found.message.contains("CPU 3, bank 7") && found.message.contains("0xabcd000"))
        }
        raw.status = 0x8800_0040_0001_0090
        #expect(event(&source, raw)?.message.contains("abcd") == false)
        #expect(event(&source, raw, bytes: 8) == nil)
    }

    @Test(arguments: ["", "MCE:", "MCE: x y", "MCE: 99999999999999999999999", ":\n\n  \n", "MCE\u{0}: 1 1"])
    func `any interrupt table is survived`(text: String) throws {
        try interrupts("   0     1", "  7  8")
        var source = MachineChecks(options: tree.options())
        _ = source.look()
        try tree.write(text, "/proc/interrupts")
        #expect(source.look().events.isEmpty)
    }

    @Test func `a host without the interrupts, or without the table, says so`() throws {
        try tree.write(Self.header, "/proc/interrupts")
        var source = MachineChecks(options: tree.options())
        #expect(!source.look().isReading)
        tree.remove("/proc/interrupts")
        #expect(!source.look().isReading)
    }
}

@Suite struct MemoryErrorsTests {
    let tree: HostTree
    init() throws { tree = try HostTree() }

    static let mc = "/sys/devices/system/edac/mc"
    func controller(_ index: Int, corrected: String, uncorrected: String, module: String, label: String) throws {
        try tree.write("\(corrected)\n", "\(Self.mc)/mc\(index)/ce_count")
        try tree.write("\(uncorrected)\n", "\(Self.mc)/mc\(index)/ue_count")
        try tree.write("\(label)\n", "\(Self.mc)/mc\(index)/dimm0/dimm_label")
        try tree.write("\(module)\n", "\(Self.mc)/mc\(index)/dimm0/dimm_ce_count")
        try tree.write("0\n", "\(Self.mc)/mc\(index)/dimm0/dimm_ue_count")
    }

    @Test func `counters that grew are memory errors, with the module's label`() throws {
        try controller(0, corrected: "3", uncorrected: "0", module: "3", label: "CPU_SrcID#0_DIMM#0")
        try controller(1, corrected: "0", uncorrected: "0", module: "0", label: "other")
        var source = MemoryErrors(options: tree.options())
        #expect(source.look() == FileLook(coverage: .reads("EDAC counters of 2 memory controllers")))
        try controller(0, corrected: "5", uncorrected: "1", module: "5", label: "CPU_SrcID#0_DIMM#0")
        let found = source.look().hostEvents
        #expect(found.map(\.severity) == [.warning, .error] && found.map(\.count) == [2, 1])
        #expect(found.first?.message == "corrected memory error at mc0 (CPU_SrcID#0_DIMM#0)")
        #expect(found.last?.message == "uncorrected memory error at mc0")
        #expect(source.look().events.isEmpty)
    }

    @Test func `the program tells the same`() throws {
        var source = MemoryErrors(options: tree.options())
        var raw = hcs_memory_error_event()
        raw.type = 1
        raw.count = 1
        raw.controller = 4
        fill(&raw.label, "DIMM\u{1b}[31m A")
        let found = try #require(event(&source, raw))
        #expect(found.kind == .memoryError && found.severity == .error && found.count == 1)
        #expect(found.message == "uncorrected memory error at mc4 (DIMM?[31m A)")
        raw.count = .max
        #expect(event(&source, raw)?.count == UInt64(UInt32.max))
        raw.type = 9
        #expect(event(&source, raw) == nil)
        #expect(event(&source, raw, bytes: 100) == nil)
    }

    @Test func `a label without an end and files that hold anything are survived`() throws {
        var source = MemoryErrors(options: tree.options())
        var raw = hcs_memory_error_event()
        fill(&raw.label, String(repeating: "x", count: 64))
        fill(&raw.text, String(repeating: "y", count: 64))
        #expect((event(&source, raw)?.message.utf8.count ?? 999) <= HostEvent.messageLimit)
        for text in ["", "-1", "x", "18446744073709551616", "1 2", String(repeating: "9", count: 5000)] {
            try controller(0, corrected: text, uncorrected: text, module: text, label: text)
            _ = source.look()
        }
        try tree.write("", "\(Self.mc)/mc0x/ce_count")
        try tree.write("", "\(Self.mc)/mc/ce_count")
        #expect(source.look().coverage == .reads("EDAC counters of 1 memory controller"))
    }

    @Test func `a host without EDAC says so`() {
        var source = MemoryErrors(options: tree.options())
        #expect(!source.look().isReading)
    }
}

@Suite struct FirmwareRecordsTests {
    @Test(arguments: [
        ("{1}[Hardware Error]: event severity: recoverable", HostEvent.Severity.error),
        ("{27}[Hardware Error]: event severity: corrected", .warning),
        ("{1}[Hardware Error]: event severity: fatal", .fatal), ("{1}[Hardware Error]: event severity: info", .info),
    ])
    func `the kernel's line for a record is read`(line: String, severity: HostEvent.Severity) {
        #expect(FirmwareRecords.severity(of: line) == severity)
    }

    @Test(arguments: [
        "", "{", "{}", "}{1[Hardware Error]: event severity: fatal", "{x}[Hardware Error]: event severity: fatal",
        "{1}[Hardware Error]:  section_type: memory error", "{1}[Hardware Error]: event severity: ",
        "{1}[Hardware Error]: event severity: fatally", " {1}[Hardware Error]: event severity: fatal",
        "{99999999999}[Hardware Error]: event severity: fatal",
        "{1}[Hardware E: segfault at 0 [Hardware Error]: event severity: fatal",
    ])
    func `other lines are no records`(line: String) {
        #expect(FirmwareRecords.severity(of: line) == nil)
    }

    @Test func `the program tells section, severity and part`() throws {
        var source = FirmwareRecords(options: ProbeOptions(kernelLogPath: nil))
        var raw = hcs_firmware_record_event()
        raw.severity = 2
        raw.length = 80
        fill(&raw.fru, "DIMM A1")
        withUnsafeMutableBytes(of: &raw.section) { raw in
            // UEFI's platform memory section, a5bc1114-6f64-4ede-b863-3e83ed7c83b1.
            raw.copyBytes(from: [
                0x14, 0x11, 0xbc, 0xa5, 0x64, 0x6f, 0xde, 0x4e, 0xb8, 0x63, 0x3e, 0x83, 0xed, 0x7c, 0x83, 0xb1,
            ])
        }
        let found = try #require(event(&source, raw))
        #expect(found.kind == .firmwareRecord && found.severity == .error)
        #expect(found.codes == ["a5bc1114-6f64-4ede-b863-3e83ed7c83b1"] && found.message.contains("DIMM A1"))
        for (code, severity): (UInt8, HostEvent.Severity) in [(0, .info), (1, .warning), (3, .fatal), (200, .fatal)] {
            raw.severity = code
            #expect(event(&source, raw)?.severity == severity)
        }
        #expect(event(&source, raw, bytes: 20) == nil)
    }

    @Test func `without a kernel log there is nothing to read`() {
        #expect(!FirmwareRecords(options: ProbeOptions(kernelLogPath: nil)).look().isReading)
        #expect(!FirmwareRecords(options: ProbeOptions(kernelLogPath: "/nonexistent/kmsg")).look().isReading)
    }
}

@Suite struct OutOfMemoryKillsTests {
    let tree: HostTree
    init() throws { tree = try HostTree() }

    func vmstat(_ kills: String) throws {
        try tree.write("nr_free_pages 5\noom_kill_other 9\noom_kill \(kills)\n", "/proc/vmstat")
    }

    func mounts() throws {
        try tree.write(
            "30 25 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n31 25 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n",
            "/proc/self/mountinfo")
    }

    @Test func `a count that grew is a kill, and the cgroup whose limit it was is named`() throws {
        try vmstat("4")
        try mounts()
        try tree.write("low 0\noom 1\noom_kill 1\n", "/sys/fs/cgroup/a.slice/old/memory.events.local")
        var source = OutOfMemoryKills(options: tree.options())
        #expect(source.look().events.isEmpty)
        #expect(source.look().events.isEmpty)
        try vmstat("6")
        try tree.write("low 0\noom 1\noom_kill 2\n", "/sys/fs/cgroup/a.slice/old/memory.events.local")
        try tree.write("oom_kill_disable 0\nunder_oom 0\noom_kill 1\n", "/sys/fs/cgroup/memory/new/memory.oom_control")
        let found = try #require(source.look().hostEvents.first)
        #expect(found.kind == .outOfMemoryKill && found.count == 2 && found.severity == .error && found.pid == nil)
        #expect(found.message.contains("/a.slice/old") && found.message.contains("/new"))
        #expect(source.look().events.isEmpty)
    }

    @Test func `the program tells pid and name`() throws {
        try tree.link("/proc/self/ns/pid", to: "pid:[4026531836]")
        var source = OutOfMemoryKills(options: tree.options())
        var raw = hcs_oom_event()
        raw.pid = 77
        fill(&raw.name, "python\n3")
        let found = try #require(event(&source, raw))
        #expect(found.pid == 77 && found.processName == "python?3" && found.count == 1)
        raw.pid = 0
        #expect(event(&source, raw) == nil)
        raw.pid = .max
        #expect(event(&source, raw) == nil)
        #expect(event(&source, raw, bytes: 12) == nil)
    }

    @Test func `on a kernel that gives the pid only the name comes from procfs`() throws {
        try tree.link("/proc/self/ns/pid", to: "pid:[4026531836]")
        try tree.write(
            "77 (trainer) S 1 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 99 0 0\n", "/proc/77/stat")
        var source = OutOfMemoryKills(options: tree.options())
        var raw = hcs_oom_event()
        raw.pid = 77
        #expect(event(&source, raw)?.processName == "trainer")
    }

    @Test func `a pid of another namespace is not told`() throws {
        try tree.link("/proc/self/ns/pid", to: "pid:[4026532000]")
        var source = OutOfMemoryKills(options: tree.options())
        var raw = hcs_oom_event()
        raw.pid = 77
        fill(&raw.name, "python")
        let found = try #require(event(&source, raw))
        #expect(found.pid == nil && found.processName == "python")
    }

    @Test(arguments: ["", "x", "-3", "99999999999999999999999", "3 4"])
    func `any count is survived`(text: String) throws {
        try vmstat("4")
        var source = OutOfMemoryKills(options: tree.options())
        _ = source.look()
        try vmstat(text)
        #expect(source.look().events.isEmpty)
    }

    @Test func `a cgroup tree deeper and wider than any host's is walked within its limits`() throws {
        for index in 0..<300 { try tree.write("", "/sys/fs/cgroup/wide\(index)/x") }
        try tree.write("", "/sys/fs/cgroup/" + (0..<40).map { "d\($0)" }.joined(separator: "/") + "/x")
        try tree.link("/sys/fs/cgroup/loop", to: ".")
        let top = tree.root.path("/sys/fs/cgroup")
        #expect(DirectoryWalk.directories(below: top, limit: 50).count <= 50)
        let all = DirectoryWalk.directories(below: top, limit: 4096)
        #expect(all.count == 1 + 300 + 16)
        #expect(!all.contains { $0.hasSuffix("loop") })
    }
}
