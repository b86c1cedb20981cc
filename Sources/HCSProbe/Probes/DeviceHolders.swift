internal import CHCSProbe
internal import HCSModel
internal import HCSSystem

/// Which processes have a node of an accelerator open: an iterator over the open files of all processes, or /proc/PID/fd.
final class DeviceHolders: EventSource {
    static let name = "device-holders"
    static let tracepoint: String? = nil
    static let program: StaticString? = nil
    static let interval: Int32 = 5000

    private let options: ProbeOptions
    private let iterator: HolderIterator?
    private let reason: String?
    /// As told.
    private var told: [Int32: DeviceHolder] = [:]

    init(options: ProbeOptions) {
        self.options = options
        do throws(ProbeError) {
            (iterator, reason) = (try HolderIterator(options: options), nil)
        } catch {
            (iterator, reason) = (nil, error.message)
        }
    }

    func event(from bytes: UnsafeRawBufferPointer) -> ProbeEvent? { nil }

    func look() -> FileLook {
        let nodes = DeviceNodes.list(root: options.root, extra: options.deviceNodes)
        var found: [Int32: DeviceHolder] = [:]
        var coverage = FileLook.Coverage.nothing("no device node of an accelerator in /dev")
        var reason = self.reason
        if !nodes.isEmpty {
            if let iterated = iterate(nodes, &reason) {
                found = iterated
                coverage = .iterates("the open files of all processes")
            } else {
                let (holders, hidden) = HolderFiles(root: options.root).look(nodes)
                found = holders
                coverage = .reads("/proc/PID/fd" + (hidden == 0 ? "" : " (\(hidden) processes may not be read)"))
            }
        }
        options.holders.replace(found)
        defer { told = options.holders.holders }
        return FileLook(events: changes(to: options.holders.holders), coverage: coverage, reason: reason)
    }

    private func iterate(_ nodes: [DeviceNode], _ reason: inout String?) -> [Int32: DeviceHolder]? {
        guard let iterator else { return nil }
        do throws(ProbeError) { return try iterator.look(nodes) } catch {
            reason = error.message
            return nil
        }
    }

    private func changes(to holders: [Int32: DeviceHolder]) -> [ProbeEvent] {
        var events: [ProbeEvent] = []
        for (pid, old) in told.sorted(by: { $0.key < $1.key }) {
            let new = holders[pid].flatMap { $0.startTime == old.startTime ? $0 : nil }
            let gone = Set(old.paths).subtracting(new?.paths ?? []).sorted()
            if !gone.isEmpty { events.append(event(.holderGone, old, gone, "lets go of")) }
        }
        for (pid, new) in holders.sorted(by: { $0.key < $1.key }) {
            let old = told[pid].flatMap { $0.startTime == new.startTime ? $0 : nil }
            let added = Set(new.paths).subtracting(old?.paths ?? []).sorted()
            if !added.isEmpty { events.append(event(.holderFound, new, added, "holds")) }
        }
        return events
    }

    private func event(
        _ kind: HostEvent.Kind, _ holder: DeviceHolder, _ paths: [String], _ verb: String
    ) -> ProbeEvent {
        var seen = Sighting.polling()
        if iterator != nil { seen.via = .bpf }
        return .host(
            HostEvent(
                kind, seen: seen, severity: .info, accelerators: holder.accelerators(of: paths), devicePaths: paths,
                pid: holder.pid, processName: holder.name,
                message: "\(holder.name) (pid \(holder.pid)) \(verb) \(paths.joined(separator: ", "))"))
    }
}

/// The holders as the iterator task_file finds them.
private final class HolderIterator {
    private let inbox = Inbox()
    private let object: BPFObject
    private var marked: Set<UInt32> = []

    private final class Inbox {
        var files: [hcs_held_file] = []
    }

    init(options: ProbeOptions) throws(ProbeError) {
        guard options.useBPF else { throw ProbeError(.noProgram, "eBPF switched off") }
        guard Procfs(root: options.root).isInitialPIDNamespace else {
            throw ProbeError(.noProgram, "the kernel's pids are not those of this pid namespace")
        }
        object = try BPFObject(
            hexadecimal: EmbeddedPrograms.deviceHolders, tracepoint: "iter/task_file", root: options.root,
            handler: { [inbox] bytes in
                if let file = DeviceHolders.read(bytes, as: hcs_held_file.self) { inbox.files.append(file) }
            })
        try object.attach(to: "iter/task_file")
    }

    func look(_ nodes: [DeviceNode]) throws(ProbeError) -> [Int32: DeviceHolder] {
        var byNumber: [UInt32: DeviceNode] = [:]
        for node in nodes { if let number = node.number { byNumber[number] = node } }
        let wanted = Set(byNumber.keys)
        for number in marked.subtracting(wanted) { _ = object.mark(number, in: "devices", false) }
        for number in wanted.subtracting(marked) { _ = object.mark(number, in: "devices", true) }
        marked = wanted
        inbox.files.removeAll(keepingCapacity: true)
        try object.iterate(hcs_held_file.self)
        var holders: [Int32: DeviceHolder] = [:]
        for file in inbox.files {
            guard let pid = Int32(exactly: file.pid), let descriptor = Int32(exactly: file.fd),
                let node = byNumber[file.device]
            else { continue }
            holders.add(
                node, descriptor: descriptor, pid: pid, startTime: file.start_ns / Self.nanosecondsPerTick,
                name: DeviceHolders.text(file.name))
        }
        return holders
    }

    /// USER_HZ is 100 on every architecture that HCS knows.
    private static let nanosecondsPerTick: UInt64 = 10_000_000
}

/// The holders as /proc/PID/fd shows them.
struct HolderFiles {
    let root: HostRoot

    /// Descriptors that one look reads at most, all processes together.
    private static let linkLimit = 1 << 20

    /// `hidden`: processes whose files may not be listed (CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH).
    func look(_ nodes: [DeviceNode]) -> (holders: [Int32: DeviceHolder], hidden: Int) {
        let byPath = Dictionary(nodes.map { ($0.path, $0) }, uniquingKeysWith: { first, _ in first })
        let procfs = Procfs(root: root)
        var holders: [Int32: DeviceHolder] = [:]
        var hidden = 0
        var budget = Self.linkLimit
        for pid in (try? procfs.pids()) ?? [] where budget > 0 {
            let directory = root.path("/proc/\(pid)/fd")
            let descriptors = DirectoryWalk.names(in: directory, limit: budget)
            budget -= descriptors.count
            var mayRead = !DirectoryWalk.isHidden(directory)
            for name in descriptors where mayRead {
                do throws(SystemError) {
                    let target = try SmallFile.link("\(directory)/\(name)")
                    guard let node = byPath[target], let descriptor = Int32(name) else { continue }
                    let stat = try procfs.stat(of: pid)
                    holders.add(
                        node, descriptor: descriptor, pid: pid, startTime: stat.startTime,
                        name: PrintableText.of(stat.name.utf8, limit: 16))
                } catch {
                    // A descriptor may be closed meanwhile; a permission is missing for all of them.
                    mayRead = error.code != .permission
                }
            }
            if !mayRead { hidden += 1 }
        }
        return (holders, hidden)
    }
}

extension [Int32: DeviceHolder] {
    fileprivate mutating func add(
        _ node: DeviceNode, descriptor: Int32, pid: Int32, startTime: UInt64, name: String
    ) {
        var holder =
            self[pid] ?? DeviceHolder(pid: pid, startTime: startTime, name: name, files: [:], addresses: [:])
        guard holder.files.count < DeviceHolder.fileLimit else { return }
        holder.files[descriptor] = node.path
        holder.addresses[node.path] = node.pci
        self[pid] = holder
    }
}
