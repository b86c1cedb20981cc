internal import Glibc
internal import HCSModel
internal import HCSSystem

/// A node in /dev through which programs use an accelerator.
struct DeviceNode: Hashable, Sendable {
    var path: String
    /// `major << 20 | minor`, as the kernel has it; nil where the node cannot be looked at.
    var number: UInt32?
    /// nil where nothing tells.
    var pci: PCIAddress?
}

/// The nodes of the vendors' accelerators (vendor ABI reference, sections 1.4, 2.3, 3.3, 4.3). Those that stand for a driver
/// as a whole are left out: who uses a device has a node of its own open too, except AMD's and Hygon's /dev/kfd.
enum DeviceNodes {
    static let limit = 1024

    /// Ascending by path.
    static func list(root: HostRoot, extra: [String]) -> [DeviceNode] {
        let names = DirectoryWalk.names(in: root.path("/dev"), limit: 1 << 16).filter(isDevice).map { "/dev/\($0)" }
        let render = renderNodes(root: root)
        let nvidia = nvidiaAddresses(root: root)
        return Set(names + extra + render).sorted().prefix(limit).compactMap { path in
            var status = stat()
            guard stat(root.path(path), &status) == 0 else { return nil }
            // In a recorded tree a plain file stands for a node.
            let number = status.st_mode & S_IFMT == S_IFCHR ? number(UInt64(status.st_rdev)) : nil
            return DeviceNode(
                path: path, number: number, pci: nvidia[path] ?? number.flatMap { address($0, root: root) })
        }
    }

    static func isDevice(_ name: String) -> Bool {
        if name == "kfd" || name == "mkfd" { return true }
        return ["nvidia", "davinci", "vdavinci", "cambricon_dev"].contains { prefix in
            // A virtual function of Cambricon's is cambricon_dev0vf1.
            let rest = name.utf8.dropFirst(prefix.utf8.count)
            return name.hasPrefix(prefix) && rest.first.map { (0x30...0x39).contains($0) } == true
                && rest.count <= 16
                && (prefix == "cambricon_dev" || rest.allSatisfy { (0x30...0x39).contains($0) })
        }
    }

    /// /dev/dri/renderD128 and on, where an accelerator of ours is behind it.
    private static func renderNodes(root: HostRoot) -> [String] {
        let names = DirectoryWalk.names(in: root.path("/dev/dri"), limit: 4096).filter { $0.hasPrefix("renderD") }
        guard !names.isEmpty else { return [] }
        let accelerators = AcceleratorPaths(root: root).accelerators
        return names.filter { name in
            address(of: "/sys/class/drm/\(name)/device", root: root).map { accelerators[$0] != nil } ?? false
        }.map { "/dev/dri/\($0)" }
    }

    private static func address(_ number: UInt32, root: HostRoot) -> PCIAddress? {
        address(of: "/sys/dev/char/\(number >> 20):\(number & 0xfffff)/device", root: root)
    }

    /// The last part of a link of sysfs.
    private static func address(of link: String, root: HostRoot) -> PCIAddress? {
        (try? SmallFile.link(root.path(link)))?.split(separator: "/").last.flatMap { PCIAddress($0) }
    }

    /// NVIDIA's driver makes no link in sysfs: /proc/driver/nvidia/gpus/ADDRESS/information has `Device Minor: 0`.
    private static func nvidiaAddresses(root: HostRoot) -> [String: PCIAddress] {
        let directory = root.path("/proc/driver/nvidia/gpus")
        var addresses: [String: PCIAddress] = [:]
        for name in DirectoryWalk.names(in: directory, limit: limit) {
            guard let address = PCIAddress(name),
                let text = try? SmallFile.text("\(directory)/\(name)/information", limit: 64 << 10),
                let line = text.split(separator: "\n").first(where: { $0.hasPrefix("Device Minor:") }),
                let minor = line.split(whereSeparator: \.isWhitespace).last.flatMap({ UInt32($0) })
            else { continue }
            addresses["/dev/nvidia\(minor)"] = address
        }
        return addresses
    }

    /// From the C library's form of a device number (gnu_dev_major(3)).
    static func number(_ device: UInt64) -> UInt32 {
        let major = (device >> 8 & 0xfff) | (device >> 32 & ~0xfff)
        let minor = (device & 0xff) | (device >> 12 & ~0xff)
        return UInt32(truncatingIfNeeded: major << 20 | minor & 0xfffff)
    }
}
