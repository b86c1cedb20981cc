internal import CHCSProbe
internal import HCSModel
internal import HCSSystem

/// Processes killed for want of memory: the tracepoint oom:mark_victim, or the count in /proc/vmstat and those of the
/// cgroups, which tell whose limit it was.
struct OutOfMemoryKills: EventSource {
    static let name = "out-of-memory-kills"
    static let tracepoint: String? = "oom:mark_victim"
    static let program: StaticString? = EmbeddedPrograms.outOfMemory
    static let interval: Int32 = 5000

    private let root: HostRoot
    private var cgroups: CgroupKills
    private var counters = CounterWatch<String>()

    init(options: ProbeOptions) {
        root = options.root
        cgroups = CgroupKills(root: root)
    }

    // MARK: Program

    mutating func event(from bytes: UnsafeRawBufferPointer) -> ProbeEvent? {
        guard let event = Self.read(bytes, as: hcs_oom_event.self), let number = Int32(exactly: event.pid), number > 0
        else { return nil }
        let seen = Sighting.program(atNanoseconds: event.ktime_ns)
        let told = Self.text(event.name)
        // The program's pid is the kernel's own: another process has it where the agent lives in a pid namespace.
        let pid = Procfs(root: root).isInitialPIDNamespace ? number : nil
        let name = told.isEmpty ? pid.flatMap { (try? Procfs(root: root).stat(of: $0))?.name } : told
        let shown = name.map { PrintableText.of($0.utf8, limit: 16) }
        let who = [shown, pid.map { "pid \($0)" }].compactMap { $0 }.joined(separator: ", ")
        return .host(
            HostEvent(
                .outOfMemoryKill, seen: seen, severity: .error, pid: pid, processName: shown,
                message: "killed for want of memory: \(who.isEmpty ? "a process" : who)"))
    }

    // MARK: Files

    mutating func look() -> FileLook {
        let seen = Sighting.polling()
        let file = root.path("/proc/vmstat")
        guard let total = (try? SmallFile.text(file)).flatMap({ Self.value(of: "oom_kill", in: $0) }) else {
            return FileLook(coverage: .nothing("no oom_kill in \(file)"))
        }
        let isFirst = counters.isEmpty
        let growth = counters.growth(of: file, to: total)
        // Walking the cgroups costs more than reading one file: only at the start and when there is something to find.
        let limits = isFirst || growth > 0 ? cgroups.look() : []
        guard growth > 0 else { return FileLook(coverage: .reads(file)) }
        let whose = limits.isEmpty ? "" : ", at the limit of \(limits.prefix(4).joined(separator: ", "))"
        let what = growth == 1 ? "a process was" : "\(growth) processes were"
        return FileLook(
            events: [
                .host(
                    HostEvent(
                        .outOfMemoryKill, seen: seen, severity: .error, count: growth,
                        message: "\(what) killed for want of memory\(whose)"))
            ], coverage: .reads(file))
    }

    /// Of a line `name value`.
    static func value(of name: String, in text: String) -> UInt64? {
        for line in text.split(separator: "\n") where line.hasPrefix(name) {
            let words = line.split(separator: " ")
            if words.count == 2, words[0] == name { return UInt64(words[1]) }
        }
        return nil
    }
}

/// The kills that each memory cgroup counts, its own only: memory.events.local (v2) or memory.oom_control (v1).
struct CgroupKills {
    private let root: HostRoot
    private var counters = CounterWatch<String>()
    private var looked = false

    /// A host has some hundreds; what is beyond is not looked at.
    private static let directoryLimit = 4096

    init(root: HostRoot) { self.root = root }

    /// Cgroups in which a kill was counted since the last call; none at the first. One that came since counts from 0.
    mutating func look() -> [String] {
        defer { looked = true }
        var grown: [String] = []
        for hierarchy in CgroupReport.read(root: root).hierarchies
        where hierarchy.version == .v2 || hierarchy.controllers.contains("memory") {
            let file = hierarchy.version == .v2 ? "memory.events.local" : "memory.oom_control"
            let top = root.path(hierarchy.mountPoint)
            for directory in DirectoryWalk.directories(below: top, limit: Self.directoryLimit) {
                guard let text = try? SmallFile.text("\(directory)/\(file)", limit: 4096),
                    let kills = OutOfMemoryKills.value(of: "oom_kill", in: text)
                else { continue }
                let growth = counters.growth(of: directory, to: kills, from: looked ? 0 : kills)
                if growth > 0 { grown.append(PrintableText.of(directory.dropFirst(top.count).utf8, limit: 64)) }
            }
        }
        return grown
    }
}
