import HCSModel

extension Doctor {
    /// The host's facts, a line for each kind.
    static func facts(_ host: HostFacts) -> [DoctorReport.Check] {
        [
            ("cpu", cpu(host)), ("memory", memory(host)), ("huge pages", hugePages(host.hugePages)),
            ("iommu", iommu(host)), ("vendor software", software(host.software ?? [])),
            ("containers", containers(host.containers ?? [])), ("model cache", modelCache(host.modelCache)),
        ].map { DoctorReport.Check($0, .info, $1) }
    }

    private static func cpu(_ host: HostFacts) -> String {
        let notable = ["avx2", "avx512f", "amx_tile", "neon", "sve", "sve2", "sme", "lasx"]
        let found = notable.filter { host.cpuFeatures?.contains($0) == true }
        return
            "\(host.cpuModel), \(host.cpuCount) CPUs, \(found.isEmpty ? "no wide vector unit" : found.joined(separator: " "))"
    }

    private static func memory(_ host: HostFacts) -> String {
        let nodes = host.numaNodes.count
        return "\(host.memory), \(nodes == 0 ? "no NUMA" : "\(nodes) NUMA node\(nodes == 1 ? "" : "s")")"
    }

    private static func hugePages(_ pages: HostFacts.HugePages?) -> String {
        guard let pages else { return "the kernel has none" }
        let pools = pages.pools.map { pool in
            "\(pool.pageSize): \(pool.free.map { "\($0) of " } ?? "")\(pool.total)\(pool.free == nil ? "" : " free")"
        }
        return (pools + (pages.transparent.map { ["transparent: \($0)"] } ?? [])).joined(separator: ", ")
    }

    private static func iommu(_ host: HostFacts) -> String {
        guard let iommu = host.iommu, iommu.isOn else { return "off, or not shown to us" }
        var text = "on, \(iommu.groups) groups, "
        text += iommu.modes.isEmpty ? "modes not told" : iommu.isPassthrough ? "passthrough" : "translated"
        let devices = host.acceleratorFunctions.compactMap { function in
            function.iommuGroup.map { "\(function.address) in group \($0) (\(function.iommuMode ?? "mode not told"))" }
        }
        return ([text] + devices.prefix(8) + (devices.count > 8 ? ["\(devices.count) in all"] : [])).joined(
            separator: ", ")
    }

    private static func software(_ found: [HostFacts.Software]) -> String {
        found.isEmpty ? "none found" : found.map { "\($0.name) \($0.version)" }.joined(separator: ", ")
    }

    private static func containers(_ found: [HostFacts.ContainerProgram]) -> String {
        let words = found.map { program in
            "\(program.name) (\([program.program, program.socket].compactMap { $0 }.joined(separator: ", ")))"
        }
        return words.isEmpty ? "no runtime found" : words.joined(separator: ", ")
    }

    private static func modelCache(_ disk: HostFacts.Disk?) -> String {
        guard let disk else { return "its file system is not known" }
        var text = "\(disk.path): \(disk.fileSystem) on \(disk.device ?? disk.source)"
        if let rotational = disk.rotational { text += rotational ? " (rotating)" : " (solid state)" }
        if let free = disk.free, let size = disk.size { text += ", \(free) of \(size) free" }
        return text
    }
}
