internal import HCSModel

/// Huge pages as sysfs shows them (Documentation/admin-guide/mm/hugetlbpage.rst).
package struct HugePagePools: Sendable {
    package let root: HostRoot

    package init(root: HostRoot = .real) { self.root = root }

    private var directory: String { root.path("/sys/kernel/mm/hugepages") }
    /// No architecture has more sizes.
    private static let poolLimit = 16

    /// nil where the kernel has none.
    func read() -> HostFacts.HugePages? {
        let names = (try? SmallFile.names(in: directory, limit: 1024)) ?? []
        let pools = names.compactMap { pool($0) }.sorted { $0.pageSize < $1.pageSize }.prefix(Self.poolLimit)
        let transparent = try? SmallFile.text(root.path("/sys/kernel/mm/transparent_hugepage/enabled"), limit: 4096)
        let mode = transparent.flatMap { Self.chosen(in: $0) }
        return pools.isEmpty && mode == nil ? nil : HostFacts.HugePages(pools: Array(pools), transparent: mode)
    }

    private func pool(_ name: String) -> HostFacts.HugePages.Pool? {
        guard name.hasPrefix("hugepages-"), name.hasSuffix("kB"),
            let kibibytes = UInt64(name.dropFirst("hugepages-".count).dropLast(2)), kibibytes > 0,
            kibibytes <= 1 << 30, let total = number("\(name)/nr_hugepages")
        else { return nil }
        let free = number("\(name)/free_hugepages").flatMap { $0 <= total ? $0 : nil }
        return HostFacts.HugePages.Pool(pageSize: ByteCount(kibibytes << 10), total: total, free: free)
    }

    private func number(_ file: String) -> UInt64? {
        (try? SmallFile.text("\(directory)/\(file)", limit: 4096)).flatMap { UInt64(Substring($0).trimmed) }
    }

    /// `always [madvise] never`.
    static func chosen(in text: String) -> String? {
        let word = text.drop { $0 != "[" }.dropFirst().prefix { $0 != "]" }
        return ["always", "madvise", "never"].contains(word) ? String(word) : nil
    }
}
