internal import CHCSProbe
internal import HCSModel
internal import HCSSystem

/// Which calls of programs into vendors' libraries are to be timed.
package struct VendorCallOptions: Hashable, Sendable {
    /// Paths of libraries as this host sees them.
    package var libraries: [String]
    package var functions: [String]
    /// Calls that took at least as long are told of.
    package var thresholdSeconds: Double

    /// Calls that take memory, free it and start work: none of them waits for the work itself.
    package static let usualFunctions = [
        "cuMemAlloc_v2", "cuMemFree_v2", "cuLaunchKernel", "cuCtxCreate_v2", "aclrtMalloc", "aclrtFree",
        "aclrtCreateContext", "hipMalloc", "hipFree", "hipModuleLaunchKernel", "cnrtMalloc", "cnrtFree", "cnMalloc",
        "cnFree", "cnInvokeKernel",
    ]

    package init(libraries: [String], functions: [String] = usualFunctions, thresholdSeconds: Double = 1) {
        self.libraries = libraries
        self.functions = functions
        self.thresholdSeconds = thresholdSeconds
    }
}

/// Long calls into vendors' libraries: uprobes on their functions, for all processes. Without eBPF only the interceptor
/// counts calls, those of workloads.
struct VendorCalls: EventSource {
    static let name = "vendor-calls"
    static let tracepoint: String? = "functions of vendors' libraries (uprobe)"
    static let program: StaticString? = EmbeddedPrograms.vendorCall
    static let interval: Int32 = 60_000

    private let root: HostRoot
    private let table: HolderTable
    private let options: VendorCallOptions

    init(options: ProbeOptions) {
        root = options.root
        table = options.holders
        self.options = options.vendorCalls ?? VendorCallOptions(libraries: [])
    }

    func attach(_ object: BPFObject) throws(ProbeError) {
        let threshold = min(max(options.thresholdSeconds, 0), 86_400)
        guard object.set(UInt64(threshold * 1e9), in: "threshold_ns") else {
            throw ProbeError(.rejected, "could not set the threshold of the calls' program")
        }
        var attached = 0
        for library in options.libraries {
            for (index, function) in options.functions.enumerated()
            where try object.attach(library: root.path(library), function: function, cookie: UInt64(index)) {
                attached += 1
            }
        }
        guard attached > 0 else {
            throw ProbeError(
                .noProgram, "none of the functions to be timed is in \(options.libraries.joined(separator: ", "))")
        }
    }

    mutating func event(from bytes: UnsafeRawBufferPointer) -> ProbeEvent? {
        guard let event = Self.read(bytes, as: hcs_call_event.self), Int(event.function) < options.functions.count,
            let number = Int32(exactly: event.pid), number > 0
        else { return nil }
        let pid = Procfs(root: root).isInitialPIDNamespace ? number : nil
        let holder = pid.flatMap { table[$0] }
        let function = PrintableText.of(options.functions[Int(event.function)].utf8, limit: 64)
        let name = Self.text(event.name)
        let seconds = Double(event.duration_ns) / 1e9
        return .host(
            HostEvent(
                .vendorCall, seen: .program(atNanoseconds: event.ktime_ns), severity: .info,
                accelerators: holder?.accelerators() ?? [], devicePaths: holder?.paths ?? [], pid: pid,
                processName: name, amount: seconds, codes: [function],
                message:
                    "\(function) of \(name)\(pid.map { " (pid \($0))" } ?? "") took \(event.duration_ns / 1_000_000) ms"
            ))
    }

    func look() -> FileLook {
        FileLook(coverage: .nothing("only eBPF sees the calls of every process"))
    }
}
