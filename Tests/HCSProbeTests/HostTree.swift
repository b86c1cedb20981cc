import Glibc
import HCSSystem
import HCSTestSupport
import Testing

@testable import HCSProbe

/// A directory that stands for /: a test writes into it what a host's /proc and /sys would hold.
final class HostTree: Sendable {
    let directory: TemporaryDirectory
    init() throws { directory = try TemporaryDirectory() }

    var root: HostRoot { HostRoot(directory.path) }
    func options(kernelLogPath: String? = nil) -> ProbeOptions {
        ProbeOptions(root: root, kernelLogPath: kernelLogPath, useBPF: false)
    }

    /// `path` is absolute, within the tree.
    func write(_ text: String, _ path: String) throws { try directory.write(text, to: String(path.dropFirst())) }

    func link(_ path: String, to target: String) throws {
        let place = directory.file(String(path.dropFirst()))
        try directory.write("", to: String(path.dropFirst()))
        unlink(place)
        try #require(symlink(target, place) == 0)
    }

    func remove(_ path: String) { unlink(directory.file(String(path.dropFirst()))) }

    /// An empty one.
    func removeDirectory(_ path: String) { rmdir(directory.file(String(path.dropFirst()))) }

    /// A PCI function below bridges, as sysfs shows it.
    func function(
        _ address: String, vendor: String, class: String = "0x120000", below bridges: [String] = []
    ) throws {
        let place = (["pci0000:00"] + bridges + [address]).joined(separator: "/")
        try write("\(vendor)\n", "/sys/devices/\(place)/vendor")
        try write("0x1234\n", "/sys/devices/\(place)/device")
        try write("\(`class`)\n", "/sys/devices/\(place)/class")
        try link("/sys/bus/pci/devices/\(address)", to: "../../../devices/\(place)")
    }
}

extension FileLook {
    var hostEvents: [HostEvent] {
        events.compactMap { if case .host(let event) = $0 { event } else { nil } }
    }

    var isReading: Bool { if case .reads = coverage { true } else { false } }
}

/// Hands C values to a source as its program would.
func event<Source: EventSource, Value: BitwiseCopyable>(
    _ source: inout Source, _ value: Value, bytes: Int = MemoryLayout<Value>.size
) -> HostEvent? {
    withUnsafeBytes(of: value) { raw in
        guard case .host(let event)? = source.event(from: UnsafeRawBufferPointer(rebasing: raw.prefix(bytes))) else {
            return nil
        }
        return event
    }
}

/// Fills a C array of characters.
func fill<Tuple>(_ tuple: inout Tuple, _ text: String) {
    withUnsafeMutableBytes(of: &tuple) { raw in
        for (index, byte) in text.utf8.prefix(raw.count).enumerated() { raw[index] = byte }
    }
}
