import CHCSProbe
import Glibc
import HCSModel
import HCSSystem
import HCSTestSupport
import Testing

@testable import HCSProbe

extension HostTree {
    /// A process with descriptors that lead to nodes.
    func process(
        _ pid: Int32, _ name: String, startTime: UInt64 = 500, state: String = "S", files: [Int32: String] = [:]
    )
        throws
    {
        try write(Self.stat(pid, name, state, startTime), "/proc/\(pid)/stat")
        for (descriptor, target) in files { try link("/proc/\(pid)/fd/\(descriptor)", to: target) }
    }

    static func stat(_ pid: Int32, _ name: String, _ state: String, _ startTime: UInt64) -> String {
        "\(pid) (\(name)) \(state) 1" + String(repeating: " 0", count: 17) + " \(startTime) 0 0\n"
    }
}

@Suite struct DeviceNodesTests {
    @Test(arguments: [
        "nvidia0", "nvidia15", "davinci0", "vdavinci112", "cambricon_dev0", "cambricon_dev0vf1", "kfd", "mkfd",
    ])
    func `a node of an accelerator is one`(name: String) { #expect(DeviceNodes.isDevice(name)) }

    @Test(arguments: [
        "nvidiactl", "nvidia-uvm", "nvidia", "nvidia0x", "davinci_manager", "cambricon_ctl", "cambricon_dev", "null",
        "", "nvidia99999999999999999999", "cambricon_dev0" + String(repeating: "x", count: 40),
    ])
    func `others are none`(name: String) { #expect(!DeviceNodes.isDevice(name)) }

    @Test func `nodes have their PCI address where the driver or sysfs tells it`() throws {
        let tree = try HostTree()
        for name in ["nvidia0", "nvidia1", "nvidiactl", "davinci3", "dri/renderD128", "dri/renderD129"] {
            try tree.write("", "/dev/\(name)")
        }
        try tree.write(
            "Model: \t NVIDIA\nDevice Minor: \t 1\n", "/proc/driver/nvidia/gpus/0000:3b:00.0/information")
        try tree.write("Device Minor: x\n", "/proc/driver/nvidia/gpus/0000:3c:00.0/information")
        try tree.write("Device Minor: 0\n", "/proc/driver/nvidia/gpus/hostile/information")
        try tree.function("0000:33:00.0", vendor: "0x1d94", class: "0x038000")
        try tree.function("0000:02:00.0", vendor: "0x1a03", class: "0x030000")
        try tree.link("/sys/class/drm/renderD128/device", to: "../../../0000:33:00.0")
        try tree.link("/sys/class/drm/renderD129/device", to: "../../../0000:02:00.0")
        let nodes = DeviceNodes.list(root: tree.root, extra: ["/dev/nonexistent"])
        #expect(nodes.map(\.path) == ["/dev/davinci3", "/dev/dri/renderD128", "/dev/nvidia0", "/dev/nvidia1"])
        #expect(nodes.map(\.pci) == [nil, nil, nil, PCIAddress("0000:3b:00.0")])
    }

    @Test func `device numbers have the kernel's form`() {
        var status = stat()
        #expect(stat("/dev/full", &status) == 0)
        #expect(DeviceNodes.number(UInt64(status.st_rdev)) == 1 << 20 | 7)
        // makedev(3) of 511:300000
        #expect(DeviceNodes.number(0x4931_ffe0) == 511 << 20 | 0x493e0)
    }
}

@Suite struct DeviceHoldersTests {
    let tree: HostTree
    init() throws {
        tree = try HostTree()
        try tree.write("", "/dev/nvidia0")
        try tree.write("", "/dev/nvidia1")
    }

    @Test func `who has a node open is found, and told when it lets go`() throws {
        try tree.process(7, "python", files: [3: "/dev/nvidia0", 4: "/dev/nvidia1", 5: "/dev/null", 6: "socket:[1]"])
        try tree.process(8, "bash", files: [0: "/dev/pts/0"])
        let options = tree.options()
        let source = DeviceHolders(options: options)
        let look = source.look()
        let found = try #require(look.hostEvents.first)
        #expect(look.hostEvents.count == 1 && look.isReading && look.reason == "eBPF switched off")
        #expect(found.kind == .holderFound && found.pid == 7 && found.processName == "python")
        #expect(found.devicePaths == ["/dev/nvidia0", "/dev/nvidia1"] && found.severity == .info)
        #expect(options.holders[7]?.files == [3: "/dev/nvidia0", 4: "/dev/nvidia1"])
        #expect(source.look().events.isEmpty)
        tree.remove("/proc/7/fd/4")
        let less = try #require(source.look().hostEvents.first)
        #expect(less.kind == .holderGone && less.devicePaths == ["/dev/nvidia1"])
        tree.remove("/proc/7/fd/3")
        #expect(source.look().hostEvents.first?.devicePaths == ["/dev/nvidia0"])
        #expect(options.holders.holders.isEmpty)
    }

    @Test func `another process with the same pid is another holder`() throws {
        try tree.process(7, "python", files: [3: "/dev/nvidia0"])
        let source = DeviceHolders(options: tree.options())
        _ = source.look()
        try tree.process(7, "python", startTime: 501)
        #expect(source.look().hostEvents.map(\.kind) == [.holderGone, .holderFound])
    }

    @Test func `a host without nodes has nothing to hold`() throws {
        let source = DeviceHolders(options: try HostTree().options())
        #expect(source.look().coverage == .nothing("no device node of an accelerator in /dev"))
    }

    @Test func `hostile processes are survived`() throws {
        try tree.process(7, "a) S (\u{1b}[31m", files: [3: "/dev/nvidia0", -1: "/dev/nvidia0"])
        try tree.write("nonsense", "/proc/9/stat")
        try tree.link("/proc/9/fd/3", to: "/dev/nvidia0")
        try tree.link("/proc/9/fd/99999999999", to: "/dev/nvidia0")
        for descriptor in 0..<400 { try tree.link("/proc/10/fd/\(descriptor)", to: "/dev/nvidia0") }
        try tree.process(10, "many")
        let options = tree.options()
        let found = DeviceHolders(options: options).look().hostEvents
        #expect(found.map(\.pid) == [7, 10])
        #expect(options.holders[10]?.files.count == DeviceHolder.fileLimit)
        #expect(found.first?.processName == "a) S (?[31m")
    }

    @Test func `a holder's devices are told by the nodes that an event is about`() {
        let holder = DeviceHolder(
            pid: 1, startTime: 1, name: "x", files: [3: "/dev/nvidia0", 4: "/dev/nvidia1", 5: "/dev/kfd"],
            addresses: [
                "/dev/nvidia0": PCIAddress(domain: 0, bus: 0x3b, device: 0, function: 0),
                "/dev/nvidia1": PCIAddress(domain: 0, bus: 0x86, device: 0, function: 0),
            ])
        func names(_ paths: [String]?) -> [String] { holder.accelerators(of: paths).map(\.description) }
        #expect(names(nil) == ["0000:3b:00.0", "0000:86:00.0"])
        #expect(names(["/dev/nvidia1"]) == ["0000:86:00.0"])
        #expect(names(["/dev/kfd"]) == [])
    }

    @Test func `the table takes no more than the programs' maps hold`() {
        let table = HolderTable()
        let holder = DeviceHolder(pid: 1, startTime: 1, name: "x", files: [:], addresses: [:])
        table.replace(Dictionary(uniqueKeysWithValues: (1...Int32(HolderTable.limit + 10)).map { ($0, holder) }))
        #expect(table.holders.count == HolderTable.limit)
        let generation = table.generation
        table.replace(table.holders)
        #expect(table.generation == generation)
    }
}

@Suite struct HolderEndTests {
    let tree: HostTree
    let options: ProbeOptions
    init() throws {
        tree = try HostTree()
        try tree.write("", "/dev/nvidia0")
        try tree.process(7, "python", files: [3: "/dev/nvidia0"])
        options = tree.options()
        _ = DeviceHolders(options: options).look()
    }

    @Test func `a holder that is no more has ended`() throws {
        var source = HolderExits(options: options)
        #expect(source.look().events.isEmpty)
        try tree.write(HostTree.stat(7, "python", "Z", 500), "/proc/7/stat")
        let found = source.look().hostEvents
        #expect(found.map(\.kind) == [.holderExit])
        #expect(found.first?.pid == 7 && found.first?.devicePaths == ["/dev/nvidia0"])
        #expect(found.first?.signal == nil && found.first?.exitCode == nil)
        #expect(source.look().events.isEmpty)
        _ = DeviceHolders(options: options).look()
        #expect(source.look().events.isEmpty)
    }

    @Test func `one that only let go has not ended, also when its pid is another's now`() throws {
        var source = HolderExits(options: options)
        _ = source.look()
        tree.remove("/proc/7/fd/3")
        _ = DeviceHolders(options: options).look()
        #expect(source.look().events.isEmpty)
        try tree.process(7, "python", startTime: 501)
        #expect(source.look().events.isEmpty)
    }

    @Test func `the program tells how it ended`() throws {
        var source = HolderExits(options: options)
        var raw = hcs_exit_event()
        raw.pid = 7
        for (code, signal, exit, severity): (UInt32, Int32?, Int32?, HostEvent.Severity) in [
            (9, 9, nil, .info), (11, 11, nil, .warning), (0x8b, 11, nil, .warning), (0, nil, 0, .info),
            (7 << 8, nil, 7, .info),
        ] {
            raw.code = code
            let found = try #require(event(&source, raw))
            #expect(found.kind == .holderExit && found.signal == signal && found.exitCode == exit)
            #expect(found.severity == severity)
        }
        raw.pid = 8
        #expect(event(&source, raw) == nil)
        raw.pid = .max
        #expect(event(&source, raw) == nil)
        #expect(event(&source, raw, bytes: 4) == nil)
    }

    @Test func `a deadly signal that waits is told once`() throws {
        try tree.write("SigPnd:\t0000000000000000\nShdPnd:\t0000000000000000\n", "/proc/7/status")
        var source = HolderSignals(options: options)
        #expect(source.look().events.isEmpty)
        // SIGKILL, and SIGUSR1, which ends nothing of itself.
        try tree.write("SigPnd:\t0000000000000100\nShdPnd:\t0000000000000300\n", "/proc/7/status")
        let found = source.look().hostEvents
        #expect(found.map(\.signal) == [9] && found.first?.kind == .holderSignal && found.first?.pid == 7)
        #expect(source.look().events.isEmpty)
        for text in ["", "ShdPnd:", "ShdPnd: x", "ShdPnd: ffffffffffffffffffffff", "SigPnd: ffffffffffffffff"] {
            try tree.write(text, "/proc/7/status")
            #expect(source.look().events.count <= 8)
        }
    }

    @Test func `the program tells the signal`() throws {
        var source = HolderSignals(options: options)
        var raw = hcs_signal_event()
        raw.pid = 7
        raw.signal = 7
        let found = try #require(event(&source, raw))
        #expect(found.signal == 7 && found.severity == .warning && found.message.contains("SIGBUS"))
        for signal: UInt32 in [0, 1, 64, .max] {
            raw.signal = signal
            #expect(event(&source, raw) == nil)
        }
    }
}

@Suite struct StuckCallsTests {
    static let holders = [
        Int32(7): DeviceHolder(
            pid: 7, startTime: 1, name: "python", files: [3: "/dev/nvidia0"], addresses: [:])
    ]

    func look(
        _ state: StuckCallWatch.Look.State, thread: Int32 = 70, call: Int32? = SystemCall.ioctl, first: UInt64 = 3,
        switches: UInt64 = 5
    ) -> StuckCallWatch.Look {
        StuckCallWatch.Look(
            pid: 7, thread: thread, state: state, call: call, firstArgument: first, secondArgument: 1,
            switches: switches, name: "python")
    }

    /// Seconds at which something is told, and how bad it is, of looks a second apart.
    func told(_ look: (Int) -> StuckCallWatch.Look?, seconds: Int, interruptible: Bool = true) -> [(
        Int, HostEvent.Severity
    )] {
        var watch = StuckCallWatch(after: 10, interruptible: interruptible)
        var told: [(Int, HostEvent.Severity)] = []
        for second in 0...seconds {
            let now = UInt64(second) * 1_000_000_000
            for finding in watch.judge(look(second).map { [$0] } ?? [], at: now, holders: Self.holders) {
                told.append((second, finding.severity))
            }
        }
        return told
    }

    @Test func `a thread that cannot be interrupted is told of, and again whenever the time has doubled`() {
        let stuck = told({ _ in look(.uninterruptible, call: nil) }, seconds: 100)
        #expect(stuck.map(\.0) == [10, 20, 40, 80])
        #expect(stuck.map(\.1) == [.warning, .warning, .warning, .error])
    }

    @Test func `a call on a device that can be interrupted is told of later, without harm`() {
        let stuck = told({ _ in look(.sleeping) }, seconds: 130)
        #expect(stuck.map(\.0) == [60, 120] && stuck.allSatisfy { $0.1 == .info })
        #expect(told({ _ in look(.sleeping) }, seconds: 130, interruptible: false).isEmpty)
        // Another descriptor, another call: any program waits.
        #expect(told({ _ in look(.sleeping, first: 4) }, seconds: 130).isEmpty)
        #expect(told({ _ in look(.sleeping, call: 7) }, seconds: 130).isEmpty)
        #expect(told({ _ in look(.sleeping, first: .max) }, seconds: 130).isEmpty)
    }

    @Test func `one that moved begins anew`() {
        #expect(told({ look(.uninterruptible, switches: UInt64($0 / 9)) }, seconds: 100).isEmpty)
        #expect(told({ $0 % 9 == 0 ? nil : look(.uninterruptible) }, seconds: 100).isEmpty)
        #expect(told({ $0 % 9 == 0 ? look(.other) : look(.uninterruptible) }, seconds: 100).isEmpty)
    }

    @Test func `a clock that goes back and threads without number are survived`() {
        var watch = StuckCallWatch(after: 10, interruptible: false)
        _ = watch.judge([look(.uninterruptible)], at: .max, holders: Self.holders)
        #expect(watch.judge([look(.uninterruptible)], at: 0, holders: Self.holders).isEmpty)
        let many = (0..<Int32(StuckCallWatch.limit + 5)).map { look(.uninterruptible, thread: $0) }
        _ = watch.judge(many, at: 0, holders: Self.holders)
        #expect(watch.judge(many, at: 20_000_000_000, holders: Self.holders).count == StuckCallWatch.limit)
    }

    @Test func `procfs tells state, call and switches of every thread`() throws {
        let tree = try HostTree()
        func thread(_ number: Int32, _ state: String, _ call: String) throws {
            try tree.write(HostTree.stat(number, "python", state, 5), "/proc/7/task/\(number)/stat")
            try tree.write(call, "/proc/7/task/\(number)/syscall")
            try tree.write(
                "voluntary_ctxt_switches:\t5\nnonvoluntary_ctxt_switches:\t2\n", "/proc/7/task/\(number)/status")
        }
        try thread(7, "S", "16 0x3 0xc020462a 0x0 0x0 0x0 0x0 0x7ffd 0x7f00\n")
        try thread(8, "R", "running\n")
        try thread(9, "D", "-1 0x7ffd 0x7f00\n")
        try thread(10, "D", "hostile \u{0}")
        try tree.write("x", "/proc/7/task/11/stat")
        try tree.write("nvidia_ioctl\u{1b}", "/proc/7/task/9/wchan")
        let looks = TaskFiles(root: tree.root).look(Self.holders).sorted { $0.thread < $1.thread }
        #expect(looks.map(\.thread) == [7, 9, 10])
        #expect(looks.map(\.state) == [.sleeping, .uninterruptible, .uninterruptible])
        #expect(looks.map(\.call) == [16, nil, nil] && looks.first?.firstArgument == 3)
        #expect(looks.allSatisfy { $0.switches == 7 })
        #expect(TaskFiles(root: tree.root).waitChannel(pid: 7, thread: 9) == "nvidia_ioctl?")
        #expect(TaskFiles(root: tree.root).waitChannel(pid: 7, thread: 7) == nil)
    }
}

@Suite struct DeviceCallWatchTests {
    private let second: UInt64 = 1_000_000_000

    @Test func `a call is told of after the time that was asked for, and each time that has doubled`() {
        var watch = DeviceCallWatch()
        let call = DeviceCallWatch.Call(thread: 7, enteredNanoseconds: 100 * second)
        let told = (100...200).filter { !watch.due([call], at: UInt64($0) * second, after: 10).isEmpty }
        #expect(told == [110, 120, 140, 180])
    }

    @Test func `each call has its own time, also of one thread, and one that ended is forgotten`() {
        var watch = DeviceCallWatch()
        let first = DeviceCallWatch.Call(thread: 7, enteredNanoseconds: 0)
        let next = DeviceCallWatch.Call(thread: 7, enteredNanoseconds: 15 * second)
        let other = DeviceCallWatch.Call(thread: 8, enteredNanoseconds: 2 * second)
        #expect(watch.due([first, other], at: 10 * second, after: 10).map(\.index) == [0])
        #expect(watch.due([next, other, other], at: 19 * second, after: 10).map(\.index) == [1])
        #expect(watch.due([next], at: 25 * second, after: 10).map(\.index) == [0])
        #expect(watch.due([other], at: 26 * second, after: 10).map(\.seconds) == [24], "as if it were new")
    }

    @Test func `clocks that went back and times that cannot be are no call's length`() {
        var watch = DeviceCallWatch()
        let call = DeviceCallWatch.Call(thread: 7, enteredNanoseconds: .max)
        #expect(watch.due([call], at: 0, after: 10).isEmpty)
        var next = DeviceCallWatch()
        #expect(next.due([call], at: .max, after: 0).map(\.seconds) == [0])
    }

    @Test func `the program's event is a call that ended, whatever else it holds`() {
        var source = DeviceCalls(options: ProbeOptions(stuckAfterSeconds: 1, timesDeviceCalls: true))
        func event(_ change: (inout hcs_device_call) -> Void) -> ProbeEvent? {
            var call = hcs_device_call()
            (call.pid, call.thread, call.call, call.fd) = (4_194_400, 4_194_401, 16, 3)
            (call.entered_ns, call.left_ns) = (second, 13 * second)
            change(&call)
            return withUnsafeBytes(of: call) { source.event(from: $0) }
        }
        guard case .host(let ended) = event({ _ in }) else {
            Issue.record("no event")
            return
        }
        #expect(ended.kind == .stuckCall && ended.severity == .info && ended.amount == 12 && ended.pid == 4_194_400)
        #expect(ended.message.hasSuffix("came back from system call 16 after 12 s"))
        #expect(event { $0.left_ns = 0 } == nil)
        #expect(event { $0.pid = .max } == nil)
        #expect(event { $0.thread = 0 } == nil)
        #expect(event { $0.call = .max } == nil)
        #expect(event { ($0.entered_ns, $0.left_ns, $0.fd) = (0, .max, .max) } != nil)
        withUnsafeBytes(of: hcs_device_call()) { #expect(source.event(from: .init(rebasing: $0.dropLast())) == nil) }
    }

    @Test func `without the program, what a holder's thread is in is read from procfs`() {
        var source = DeviceCalls(options: ProbeOptions(root: HostRoot("/nonexistent"), timesDeviceCalls: true))
        #expect(source.look() == FileLook(coverage: .reads("/proc/PID/task of processes that hold a device")))
    }
}
