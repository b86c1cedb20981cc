internal import CHCSProbe
internal import Glibc
internal import HCSSystem

/// A BPF object of ours, loaded. Used by one thread.
final class BPFObject {
    /// Called with each event's bytes, within `consume`.
    typealias Handler = (UnsafeRawBufferPointer) -> Void

    private let root: HostRoot
    private let handler: Handler
    private var probe: OpaquePointer?
    private var toldDrops: UInt64 = 0

    /// Loads the program that `hexadecimal` holds (`EmbeddedPrograms`). `tracepoint`, such as `ras:aer_event` or
    /// `iter/task`, is what it is for: the error names it where the kernel has none.
    init(hexadecimal: StaticString, tracepoint: String, root: HostRoot, handler: @escaping Handler) throws(ProbeError) {
        self.root = root
        self.handler = handler
        let btf = root.path(Self.kernelBTF)
        guard Self.hasKernelBTF(root: root) else {
            throw ProbeError(.noBTF, "eBPF is not available: no \(btf) (kernel built without CONFIG_DEBUG_INFO_BTF)")
        }
        guard let object = Self.decode(hexadecimal) else {
            preconditionFailure("EmbeddedPrograms holds hexadecimal digits: bpf/embed.sh writes it")
        }
        var log = [CChar](repeating: 0, count: 8192)
        var loaded: OpaquePointer?
        let result = object.withUnsafeBytes { bytes in
            hcs_probe_load(
                bytes.baseAddress, bytes.count,
                { context, data, size in
                    guard let context, let data else { return }
                    let object = Unmanaged<BPFObject>.fromOpaque(context).takeUnretainedValue()
                    object.handler(UnsafeRawBufferPointer(start: data, count: size))
                }, Unmanaged.passUnretained(self).toOpaque(), &log, log.count, &loaded)
        }
        guard result == 0, let loaded else { throw error(result, log, tracepoint) }
        probe = loaded
    }

    /// Attaches the program to the tracepoint; after a failure the object is of no use.
    func attach(to tracepoint: String) throws(ProbeError) {
        var log = [CChar](repeating: 0, count: 8192)
        let result = hcs_probe_attach(probe, &log, log.count)
        guard result == 0 else { throw error(result, log, tracepoint) }
    }

    /// Attaches the object's uprobes to a function of a library; false where the library has none of that name.
    func attach(library: String, function: String, cookie: UInt64) throws(ProbeError) -> Bool {
        var log = [CChar](repeating: 0, count: 8192)
        let result = hcs_probe_attach_call(probe, library, function, cookie, &log, log.count)
        if result == -ENOENT { return false }
        guard result == 0 else { throw error(result, log, "uprobe") }
        return true
    }

    /// Sets the only value of an array; false where there is none.
    func set(_ value: UInt64, in map: String) -> Bool { hcs_probe_set(probe, map, value) >= 0 }

    /// Puts a key into a map that is a set, or takes it out; false where the map is full.
    func mark(_ key: UInt32, in map: String, _ marked: Bool) -> Bool {
        hcs_probe_mark(probe, map, key, marked ? 1 : 0) >= 0
    }

    /// The same for a set of 64-bit keys.
    func mark(_ key: UInt64, in map: String, _ marked: Bool) -> Bool {
        hcs_probe_mark_wide(probe, map, key, marked ? 1 : 0) >= 0
    }

    /// The values of a hash map with 32-bit keys, at most `limit`, in no order. One may be there twice.
    func values<Value: BitwiseCopyable>(of map: String, as type: Value.Type, limit: Int) -> [Value] {
        [UInt8](unsafeUninitializedCapacity: limit * MemoryLayout<Value>.stride) { buffer, count in
            let found = hcs_probe_values(probe, map, buffer.baseAddress, MemoryLayout<Value>.stride, limit)
            count = Int(max(0, found)) * MemoryLayout<Value>.stride
        }.withUnsafeBytes { raw in
            stride(from: 0, to: raw.count, by: MemoryLayout<Value>.stride).map {
                raw.loadUnaligned(fromByteOffset: $0, as: type)
            }
        }
    }

    /// Runs an attached iterator, whose records are `Record`s, once: the handler gets each.
    func iterate<Record: BitwiseCopyable>(_ record: Record.Type) throws(ProbeError) {
        let result = hcs_probe_iterate(probe, MemoryLayout<Record>.size)
        if result < 0 { throw Self.error(errno: -result, log: "", capabilities: Capabilities.effective(root: root)) }
    }

    /// Runs the program once with a tracepoint's arguments (BPF_PROG_TEST_RUN). 0 or a negative errno.
    func testRun(_ arguments: [UInt64]) -> Int32 { hcs_probe_test_run(probe, arguments, arguments.count) }

    private func error(_ result: Int32, _ log: [CChar], _ tracepoint: String) -> ProbeError {
        // A missing tracepoint shows as one of several errors, by the kind of program.
        if result != -EPERM, tracepoint.contains(":"),
            hcs_probe_has_tracepoint(String(tracepoint.drop { $0 != ":" }.dropFirst())) == 0
        {
            return ProbeError(.noTracepoint, "this kernel has no tracepoint \(tracepoint)")
        }
        let text = String(decoding: log.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return Self.error(errno: -result, log: text, capabilities: Capabilities.effective(root: root))
    }

    deinit { hcs_probe_close(probe) }

    /// For poll(2): readable when events wait.
    var number: Int32 { probe.map { hcs_probe_fd($0) } ?? -1 }

    /// Hands waiting events to the handler; never blocks.
    func consume() {
        if let probe { _ = hcs_probe_consume(probe) }
    }

    /// Events that did not fit into the ring buffer.
    var drops: UInt64 {
        var count: UInt64 = 0
        if let probe { _ = hcs_probe_drops(probe, &count) }
        return count
    }

    /// Those since the last call.
    func newDrops() -> UInt64 {
        let count = drops
        defer { toldDrops = count }
        return count - min(toldDrops, count)
    }

    static let kernelBTF = "/sys/kernel/btf/vmlinux"

    static func hasKernelBTF(root: HostRoot) -> Bool {
        (try? Descriptor.open(root.path(kernelBTF), 0)) != nil
    }

    /// In words, with the capability that is missing.
    static func error(errno number: Int32, log: String, capabilities: Capabilities) -> ProbeError {
        // EPERM: bpf(2) itself; EACCES is the verifier.
        guard number == EPERM else {
            let lines = log.split(separator: "\n").suffix(2).joined(separator: " / ")
            let detail = lines.isEmpty ? "" : ": \(lines.prefix(400))"
            return ProbeError(
                .rejected, "the kernel refused the eBPF program: \(SystemError.text(of: number))\(detail)")
        }
        return ProbeError(.noPermission, permissionAdvice(capabilities))
    }

    static func permissionAdvice(_ capabilities: Capabilities) -> String {
        let missing =
            capabilities.has("CAP_SYS_ADMIN") ? [] : ["CAP_BPF", "CAP_PERFMON"].filter { !capabilities.has($0) }
        return missing.isEmpty
            ? "eBPF is not permitted although the capabilities are there: a seccomp filter, a container or kernel lockdown forbids bpf(2)"
            : "eBPF is not permitted: \(missing.joined(separator: " and ")) missing"
    }

    static func decode(_ text: StaticString) -> [UInt8]? {
        func digit(_ byte: UInt8) -> UInt8? {
            switch byte {
            case 0x30...0x39: byte - 0x30
            case 0x61...0x66: byte - 0x61 + 10
            default: nil
            }
        }
        return text.withUTF8Buffer { digits in
            guard digits.count % 2 == 0 else { return nil }
            var bytes: [UInt8] = []
            bytes.reserveCapacity(digits.count / 2)
            for index in stride(from: 0, to: digits.count, by: 2) {
                guard let high = digit(digits[index]), let low = digit(digits[index + 1]) else { return nil }
                bytes.append(high << 4 | low)
            }
            return bytes
        }
    }
}
