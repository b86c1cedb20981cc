internal import CHCSProbe
internal import HCSModel
internal import Synchronization

/// A process that has device nodes open.
struct DeviceHolder: Hashable, Sendable {
    var pid: Int32
    /// Clock ticks since boot: with the pid it names a process for all time.
    var startTime: UInt64
    /// Printable.
    var name: String
    /// Which node each of its descriptors leads to.
    var files: [Int32: String]
    /// Of the nodes, where known.
    var addresses: [String: PCIAddress]

    /// Descriptors of one process that are kept; more lead to the same nodes.
    static let fileLimit = 256

    var paths: [String] { Set(files.values).sorted() }

    /// Behind these nodes, or all that it holds; ascending.
    func accelerators(of paths: [String]? = nil) -> [PCIAddress] {
        let found = paths.map { $0.compactMap { addresses[$0] } } ?? Array(addresses.values)
        return Set(found).sorted { $0.description < $1.description }
    }

    /// `python (pid 7), which holds /dev/nvidia0`.
    var words: String {
        let paths = self.paths
        let more = paths.count > 2 ? " and \(paths.count - 2) more" : ""
        return "\(name) (pid \(pid)), which holds \(paths.prefix(2).joined(separator: ", "))\(more)"
    }
}

/// Who holds devices, as the probe `device-holders` found it last. The other probes that concern holders ask here.
final class HolderTable: Sendable {
    private struct State {
        var holders: [Int32: DeviceHolder] = [:]
        var generation: UInt64 = 0
    }
    private let state = Mutex(State())

    /// As large as the programs' maps.
    static let limit = Int(HCS_HOLDER_LIMIT)

    /// What is beyond the limit is left out.
    func replace(_ holders: [Int32: DeviceHolder]) {
        state.withLock { state in
            guard state.holders != holders else { return }
            state.holders =
                holders.count <= Self.limit
                ? holders
                : Dictionary(uniqueKeysWithValues: holders.sorted { $0.key < $1.key }.prefix(Self.limit).map { $0 })
            state.generation += 1
        }
    }

    var holders: [Int32: DeviceHolder] { state.withLock { $0.holders } }

    subscript(pid: Int32) -> DeviceHolder? { state.withLock { $0.holders[pid] } }

    /// Changes whenever the holders do.
    var generation: UInt64 { state.withLock { $0.generation } }
}

/// Keeps a program's map `holders` as the table is.
struct HolderFilter {
    private var generation: UInt64?
    private var marked: Set<UInt32> = []

    mutating func apply(_ table: HolderTable, to object: BPFObject) {
        let current = table.generation
        guard current != generation else { return }
        generation = current
        let wanted = Set(table.holders.keys.compactMap { UInt32(exactly: $0) })
        for pid in marked.subtracting(wanted) { _ = object.mark(pid, in: "holders", false) }
        for pid in wanted.subtracting(marked) { _ = object.mark(pid, in: "holders", true) }
        marked = wanted
    }
}
