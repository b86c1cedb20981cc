internal import HCSModel
internal import HCSSystem

/// Whether NVIDIA's fabric manager runs where there are NVSwitches: without it no program begins on the devices behind them.
struct FabricManager: EventSource {
    static let name = "fabric-manager"
    static let tracepoint: String? = nil
    static let program: StaticString? = nil
    static let interval: Int32 = 30_000

    /// What the kernel keeps of `nv-fabricmanager`: 15 bytes.
    private static let process = "nv-fabricmanage"
    /// It may be starting, or being restarted.
    private static let looksBefore = 2
    /// Told again after so many looks: a lost event is made up for.
    private static let looksBetween = 20

    private let root: HostRoot
    private var missing = 0

    init(options: ProbeOptions) { root = options.root }

    mutating func event(from bytes: UnsafeRawBufferPointer) -> ProbeEvent? { nil }

    mutating func look() -> FileLook {
        let switches = PCIBus(root: root).functions(ofVendors: [Vendor.nvidia.pciVendorID]).filter(isSwitch).count
        guard switches > 0 else {
            let wasMissing = missing >= Self.looksBefore
            missing = 0
            return FileLook(
                events: wasMissing ? [event(.info, "no NVSwitch any more")] : [], coverage: .nothing("no NVSwitch"))
        }
        if let why = blindness() { return FileLook(coverage: .nothing(why)) }
        return FileLook(
            events: judge(switches, runs: isRunning()).map { [$0] } ?? [],
            coverage: .reads("/proc/PID/stat for the fabric manager of \(switches) NVSwitches"))
    }

    private mutating func judge(_ switches: Int, runs: Bool) -> ProbeEvent? {
        if runs {
            defer { missing = 0 }
            return missing >= Self.looksBefore ? event(.info, "the fabric manager runs again") : nil
        }
        missing += 1
        guard missing >= Self.looksBefore, (missing - Self.looksBefore).isMultiple(of: Self.looksBetween) else {
            return nil
        }
        return event(
            .error, "\(switches) NVSwitches and no nv-fabricmanager runs: see the service nvidia-fabricmanager")
    }

    private func event(_ severity: HostEvent.Severity, _ message: String) -> ProbeEvent {
        .host(HostEvent(.fabricManager, seen: .polling(), severity: severity, message: message))
    }

    /// A bridge of class 0680: NVIDIA makes no other.
    private func isSwitch(_ function: HostFacts.PCIFunction) -> Bool {
        let file = root.path("/sys/bus/pci/devices/\(function.address)/class")
        return (try? SmallFile.text(file, limit: 4096))?.hasPrefix("0x0680") == true
    }

    /// Where the host's processes are not to be seen, none that is missing says anything.
    private func blindness() -> String? {
        guard Procfs(root: root).isInitialPIDNamespace else {
            return "the host's processes are not in this pid namespace"
        }
        return (try? Procfs(root: root).stat(of: 1)) == nil ? "/proc does not show the host's processes (hidepid)" : nil
    }

    /// Root's: anybody may call a process so.
    private func isRunning() -> Bool {
        let procfs = Procfs(root: root)
        return ((try? procfs.pids()) ?? []).contains { pid in
            guard let stat = try? procfs.stat(of: pid), stat.name == Self.process, stat.isRunning else { return false }
            return (try? procfs.uid(of: pid)) == 0
        }
    }
}
