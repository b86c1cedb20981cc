internal import HCSModel

/// The IOMMU as sysfs shows it (Documentation/ABI/testing/sysfs-kernel-iommu_groups).
package struct IOMMUGroups: Sendable {
    package let root: HostRoot

    package init(root: HostRoot = .real) { self.root = root }

    private var directory: String { root.path("/sys/kernel/iommu_groups") }
    /// Groups whose type is read.
    private static let typesRead = 4096

    func summary() -> HostFacts.IOMMU {
        let units = (try? SmallFile.names(in: root.path("/sys/class/iommu"), limit: 4096)) ?? []
        let groups = ((try? SmallFile.names(in: directory)) ?? []).compactMap { Int($0) }
        var modes: [String: Int] = [:]
        for group in groups.prefix(Self.typesRead) {
            if let mode = mode(of: group) { modes[mode, default: 0] += 1 }
        }
        return HostFacts.IOMMU(units: units.count, groups: groups.count, modes: modes)
    }

    /// The function with the group it is in.
    func located(_ function: HostFacts.PCIFunction) -> HostFacts.PCIFunction {
        var function = function
        let link = try? SmallFile.link(root.path("/sys/bus/pci/devices/\(function.address)/iommu_group"))
        guard let group = link?.split(separator: "/").last.flatMap({ Int($0) }), group >= 0 else { return function }
        function.iommuGroup = group
        function.iommuMode = mode(of: group)
        return function
    }

    /// One of the kernel's five words; nil for anything else.
    private func mode(of group: Int) -> String? {
        guard let text = try? SmallFile.text("\(directory)/\(group)/type", limit: 4096) else { return nil }
        let mode = String(Substring(text).trimmed)
        return ["DMA", "DMA-FQ", "identity", "blocked", "unmanaged"].contains(mode) ? mode : nil
    }
}
