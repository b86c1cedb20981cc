internal import Glibc

/// What /proc tells. Reading and parsing are apart, so that recorded files test the parsers.
package struct Procfs: Sendable {
    package let root: HostRoot

    package init(root: HostRoot = .real) { self.root = root }

    package func stat(of pid: Int32) throws(SystemError) -> ProcessStat {
        let path = root.path("/proc/\(pid)/stat")
        guard let stat = ProcessStat(parsing: try SmallFile.read(path, limit: 64 << 10)) else {
            throw SystemError(.invalid, "could not read \(path): it does not have the form of proc(5)")
        }
        return stat
    }

    /// Whether the process that had this pid and start time still runs. A zombie does not: it holds nothing.
    /// `startTime` 0 means not known: any process with the pid counts.
    package func isAlive(pid: Int32, startTime: UInt64) -> Bool {
        guard pid > 0, let stat = try? stat(of: pid) else { return false }
        return stat.isRunning && (startTime == 0 || stat.startTime == startTime)
    }

    /// All processes, ascending.
    package func pids() throws(SystemError) -> [Int32] {
        try SmallFile.names(in: root.path("/proc"), limit: 1 << 22).compactMap { Int32($0) }.filter { $0 > 0 }.sorted()
    }

    /// The real user of a process.
    package func uid(of pid: Int32) throws(SystemError) -> UInt32 {
        let path = root.path("/proc/\(pid)/status")
        guard
            let uid = Self.field("Uid", in: try SmallFile.text(path))?.split(separator: "\t").first.flatMap({
                UInt32($0)
            })
        else { throw SystemError(.invalid, "could not read \(path): no Uid line") }
        return uid
    }

    /// The pids of a process from this pid namespace down to its own (`NSpid`).
    package func namespacePIDs(of pid: Int32) throws(SystemError) -> [Int32] {
        let text = try SmallFile.text(root.path("/proc/\(pid)/status"))
        return Self.field("NSpid", in: text)?.split(separator: "\t").compactMap { Int32($0) } ?? []
    }

    /// The argument vector; empty for kernel threads and zombies.
    package func commandLine(of pid: Int32) throws(SystemError) -> [String] {
        // A program can make it as long as it likes: the beginning is enough for people.
        let file = try Descriptor.open(root.path("/proc/\(pid)/cmdline"), O_RDONLY)
        var buffer = [UInt8](repeating: 0, count: 32 << 10)
        let count = buffer.withUnsafeMutableBytes { raw in
            retrying { Glibc.read(file.number, raw.baseAddress, raw.count) }
        }
        guard count >= 0 else { throw .failed("read the command line of process \(pid)", errno: errno) }
        return Self.parseCommandLine(buffer[..<count])
    }

    static func parseCommandLine(_ bytes: ArraySlice<UInt8>) -> [String] {
        var parts = bytes.split(separator: 0, omittingEmptySubsequences: false)
        if parts.last?.isEmpty == true { parts.removeLast() }
        return parts.map { String(decoding: $0, as: UTF8.self) }
    }

    /// Inode of a process's pid namespace; 0 where it may not be read.
    package func pidNamespace(of pid: String = "self") -> UInt64 {
        guard let link = try? SmallFile.link(root.path("/proc/\(pid)/ns/pid")), link.hasPrefix("pid:["),
            link.hasSuffix("]")
        else { return 0 }
        return UInt64(link.dropFirst(5).dropLast()) ?? 0
    }

    /// Whether this process sees the pids that the kernel's own view has (PROC_PID_INIT_INO, include/linux/proc_ns.h).
    package var isInitialPIDNamespace: Bool { pidNamespace() == 0xeffffffc }

    /// MemTotal in bytes; nil when the file does not tell.
    package func totalMemory() -> UInt64? {
        (try? SmallFile.text(root.path("/proc/meminfo"))).flatMap(Self.parseTotalMemory)
    }

    static func parseTotalMemory(_ text: String) -> UInt64? {
        guard let value = field("MemTotal", in: text) else { return nil }
        let words = value.split(separator: " ")
        guard words.count == 2, words[1] == "kB", let kibibytes = UInt64(words[0]) else { return nil }
        let (bytes, overflow) = kibibytes.multipliedReportingOverflow(by: 1024)
        return overflow ? nil : bytes
    }

    /// The processor's name and the number of logical CPUs.
    package func processors() -> (model: String, count: Int) {
        Self.parseProcessors((try? SmallFile.text(root.path("/proc/cpuinfo"), limit: 16 << 20)) ?? "")
    }

    static func parseProcessors(_ text: String) -> (model: String, count: Int) {
        var model: String?
        var count = 0
        for line in text.split(separator: "\n") {
            guard let colon = line.firstIndex(of: ":") else { continue }
            let key = line[..<colon].trimmed
            let value = line[line.index(after: colon)...].trimmed
            if key == "processor" { count += 1 }
            // x86 says "model name"; arm64 has no name, only the implementer's number.
            if model == nil, key == "model name" || key == "Model", !value.isEmpty { model = String(value) }
            if model == nil, key == "CPU implementer" { model = "implementer \(value)" }
        }
        return (model ?? "unknown", count)
    }

    /// Vector and matrix units that every CPU has.
    package func vectorFeatures() -> [String] {
        Self.parseVectorFeatures((try? SmallFile.text(root.path("/proc/cpuinfo"), limit: 16 << 20)) ?? "")
    }

    /// x86 has `flags`, arm64 and LoongArch `Features` lines. Sorted.
    static func parseVectorFeatures(_ text: String) -> [String] {
        var common: Set<Substring>?
        var last: Substring?
        for line in text.split(separator: "\n") where line.hasPrefix("flags") || line.hasPrefix("Features") {
            guard line != last, let colon = line.firstIndex(of: ":") else { continue }
            last = line
            let features = line[line.index(after: colon)...].split(separator: " ").filter(isVectorFeature)
            common = common?.intersection(features) ?? Set(features)
        }
        return (common ?? []).map { $0 == "asimd" ? "neon" : String($0) }.sorted()
    }

    private static func isVectorFeature(_ name: Substring) -> Bool {
        guard name.utf8.count <= 32 else { return false }
        return ["avx", "amx", "asimd", "sve", "sme"].contains { name.hasPrefix($0) }
            || ["sse4_2", "fma", "f16c", "neon", "fphp", "bf16", "i8mm", "lsx", "lasx"].contains(name)
    }

    /// Value of a `Key:<blank>value` line.
    static func field(_ key: String, in text: String) -> Substring? {
        for line in text.split(separator: "\n") where line.hasPrefix(key) && line.dropFirst(key.count).first == ":" {
            return line.dropFirst(key.count + 1).trimmed
        }
        return nil
    }
}

extension Substring {
    var trimmed: Substring {
        var text = self
        while text.first == " " || text.first == "\t" { text.removeFirst() }
        while text.last == " " || text.last == "\t" || text.last == "\n" { text.removeLast() }
        return text
    }
}
